"""The claims `roles`, `permissions` and `org`: RFC 9068 section 2.2.3.1, OpenID Connect Core sections 5.4 and 5.5."""

import json
from typing import Any

import pytest

from server.accounts import organizations, registration, roles
from server.accounts.user import User
from server.events.context import CLI
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

ALL = "roles permissions org"
CLAIMS = frozenset({"roles", "permissions", "org"})


@pytest.fixture
async def alice(server: RunningServer) -> User:
    """An editor and author with an organization, who types another one."""
    user = await server.add_person(roles=("editor", "author"), organization="Self-made Inc.")
    now = server.clock.now()

    def equip(db: Any) -> None:
        for name, permissions in (
            ("editor", ["publish:posts", "read:posts"]),
            ("author", ["write:posts", "read:posts"]),
        ):
            roles.create(db, name, description="", permissions=permissions, context=CLI, now=now)
        organizations.create(db, "ACME", context=CLI, now=now)
        organizations.create(db, "Others", context=CLI, now=now)
        organizations.put_member(db, "acme", user, "owner", context=CLI, now=now)

    await server.run(equip)
    return user


@pytest.fixture
async def browser(server: RunningServer, alice: User) -> Any:
    assert alice.roles
    async with Person(server) as person:
        yield person


@pytest.fixture
async def app(server: RunningServer) -> RelyingParty:
    """An application that is registered for all three scopes."""
    secret = await server.add_client("app", client_name="Blog", scope=f"openid email {ALL}")
    return RelyingParty(server, "app", secret, scope=f"openid {ALL}")


async def acme_of(server: RunningServer) -> dict[str, Any]:
    found = await server.run(lambda db: organizations.find(db, "ACME"))
    return {"id": found["id"], "name": "ACME", "role": "owner"}


async def claims_in(rp: RelyingParty, token: str) -> dict[str, Any]:
    """What a token says of what the person may do."""
    _, claims = await rp.verified(token)
    return {name: value for name, value in claims.items() if name in CLAIMS}


async def userinfo_of(rp: RelyingParty, token: str) -> dict[str, Any]:
    answer = (await rp.userinfo(token)).json()
    return {name: value for name, value in answer.items() if name in CLAIMS}


async def introspected(rp: RelyingParty, token: str) -> dict[str, Any]:
    answer = (await rp.post("/introspect", token=token)).json()
    assert answer["active"] is True
    return {name: value for name, value in answer.items() if name in CLAIMS}


async def test_with_their_scopes_the_claims_are_in_the_access_token_at_userinfo_and_at_introspection(
    server: RunningServer, browser: Person, app: RelyingParty
) -> None:
    """RFC 9068 section 2.2.3.1."""
    tokens = await app.sign_in(browser)
    told = {
        "roles": ["author", "editor"],
        "permissions": ["publish:posts", "read:posts", "write:posts"],
        "org": [await acme_of(server)],
    }
    assert await claims_in(app, tokens["access_token"]) == told
    assert await userinfo_of(app, tokens["access_token"]) == told
    assert await introspected(app, tokens["access_token"]) == told
    assert await claims_in(app, tokens["id_token"]) == {}


async def test_each_scope_gives_its_own_claim_alone(browser: Person, app: RelyingParty) -> None:
    """Least privilege."""
    for scope in sorted(CLAIMS):
        token = (await app.sign_in(browser, scope=f"openid {scope}"))["access_token"]
        assert set(await claims_in(app, token)) == {scope}
        assert set(await userinfo_of(app, token)) == {scope}
        assert set(await introspected(app, token)) == {scope}


async def test_without_the_scopes_nothing_of_it_is_told(browser: Person, app: RelyingParty) -> None:
    tokens = await app.sign_in(browser, scope="openid email")
    assert await claims_in(app, tokens["access_token"]) == {}
    assert await userinfo_of(app, tokens["access_token"]) == {}
    assert await introspected(app, tokens["access_token"]) == {}
    assert await claims_in(app, tokens["id_token"]) == {}


async def test_what_somebody_types_as_their_organization_is_no_membership(
    server: RunningServer, app: RelyingParty
) -> None:
    now = server.clock.now()
    await server.add_person(organization="ACME")
    await server.run(lambda db: organizations.create(db, "ACME", context=CLI, now=now))
    async with Person(server) as bob:
        tokens = await app.sign_in(bob)
    nothing: dict[str, Any] = {"roles": [], "permissions": [], "org": []}
    assert await claims_in(app, tokens["access_token"]) == nothing
    assert await userinfo_of(app, tokens["access_token"]) == nothing


async def test_a_client_that_is_not_registered_for_a_scope_gets_it_neither_by_scope_nor_by_name(
    server: RunningServer, browser: Person
) -> None:
    """RFC 6749 section 3.3; OpenID Connect Core section 5.5."""
    rp = RelyingParty(server, "plain", await server.add_client("plain", scope="openid"), scope="openid")
    for scope in CLAIMS:
        await browser.visit(rp.url(scope=f"openid {scope}"))
        assert browser.answer()["error"] == "invalid_scope"
    named = dict.fromkeys(CLAIMS)
    tokens = await rp.sign_in(browser, claims=json.dumps({"id_token": named, "userinfo": named}))
    assert await claims_in(rp, tokens["id_token"]) == {}
    assert await claims_in(rp, tokens["access_token"]) == {}
    assert await userinfo_of(rp, tokens["access_token"]) == {}


async def test_the_claims_parameter_puts_them_into_id_tokens_of_clients_that_may_ask(
    server: RunningServer, browser: Person, app: RelyingParty
) -> None:
    """OpenID Connect Core section 5.5."""
    claims = json.dumps({"id_token": {"permissions": None, "org": {"essential": True}}})
    tokens = await app.sign_in(browser, claims=claims)
    assert await claims_in(app, tokens["id_token"]) == {
        "permissions": ["publish:posts", "read:posts", "write:posts"],
        "org": [await acme_of(server)],
    }


async def test_consent_says_in_words_what_is_asked_for_by_scope_or_by_name(browser: Person, app: RelyingParty) -> None:
    """OpenID Connect Core sections 3.1.2.4 and 5.5."""
    words = ("See the roles you have", "See what you are permitted to do", "See the organizations you belong to")
    await browser.visit(app.url(scope="openid"))
    await browser.sign_in()
    await browser.postpone()
    assert not any(text in browser.text for text in words)
    await browser.consent()
    await browser.visit(app.url(scope="openid", claims=json.dumps({"id_token": dict.fromkeys(CLAIMS)})))
    assert all(text in browser.text for text in words)
    await browser.visit(app.url(prompt="none"))
    assert browser.answer()["error"] == "consent_required"
    await browser.visit(app.url())
    assert browser.title == "Allow access"
    assert all(text in browser.text for text in words)


async def test_a_change_is_seen_at_once_at_userinfo_and_introspection_and_in_the_next_token(
    server: RunningServer, browser: Person, app: RelyingParty, alice: User
) -> None:
    """RFC 9068 section 5: a token says what was true when it was issued."""
    first = await app.sign_in(browser)
    before = await claims_in(app, first["access_token"])
    now = server.clock.now()

    def change(db: Any) -> None:
        registration.set_roles(db, alice, ["author"], context=CLI, now=now)
        roles.grant(db, "author", ["delete:drafts"], default_role="user", context=CLI, now=now)
        roles.withdraw(db, "author", ["read:posts"], context=CLI, now=now)
        organizations.remove_member(db, "ACME", alice, context=CLI, now=now)

    await server.run(change)
    after = {"roles": ["author"], "permissions": ["delete:drafts", "write:posts"], "org": []}
    assert await userinfo_of(app, first["access_token"]) == after
    assert await introspected(app, first["access_token"]) == after
    assert await claims_in(app, first["access_token"]) == before
    second = (await app.refresh(first["refresh_token"])).json()
    assert await claims_in(app, second["access_token"]) == after


async def test_a_narrower_refresh_gives_a_narrower_token(browser: Person, app: RelyingParty) -> None:
    """RFC 6749 section 6."""
    first = await app.sign_in(browser)
    second = (await app.refresh(first["refresh_token"], scope="openid org")).json()
    assert set(await claims_in(app, second["access_token"])) == {"org"}
    assert set(await userinfo_of(app, second["access_token"])) == {"org"}


async def test_a_client_that_loses_the_scope_loses_the_claims_with_the_next_token(
    server: RunningServer, browser: Person, app: RelyingParty
) -> None:
    first = await app.sign_in(browser)
    await server.change_client("app", scope="openid roles")
    second = (await app.refresh(first["refresh_token"])).json()
    assert set(await claims_in(app, second["access_token"])) == {"roles"}


async def test_a_service_has_no_roles_of_a_person(server: RunningServer) -> None:
    """RFC 6749 section 4.4: nobody is there."""
    secret = await server.add_service(scope=f"read:things {ALL}")
    rp = RelyingParty(server, "service", secret)
    token = (await rp.post("/token", grant_type="client_credentials")).json()["access_token"]
    assert await claims_in(rp, token) == {}
    assert await introspected(rp, token) == {}


async def test_discovery_announces_scopes_and_claims_once(server: RunningServer) -> None:
    """OpenID Connect Discovery 1.0 section 3."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    for name in CLAIMS:
        assert document["scopes_supported"].count(name) == 1
        assert document["claims_supported"].count(name) == 1


async def test_a_deleted_role_or_organization_is_in_no_token_any_more(
    server: RunningServer, browser: Person, app: RelyingParty
) -> None:
    now = server.clock.now()
    first = await app.sign_in(browser)

    def delete(db: Any) -> None:
        roles.delete(db, "editor", permanent=(), is_taken_away=True, context=CLI, now=now)
        organizations.delete(db, "ACME", ends_memberships=True, context=CLI, now=now)
        # who defines the same names anew gives them to nobody
        roles.create(db, "editor", description="", permissions=["rule:everything"], context=CLI, now=now)
        organizations.create(db, "ACME", context=CLI, now=now)

    await server.run(delete)
    second = (await app.refresh(first["refresh_token"])).json()
    told = {"roles": ["author"], "permissions": ["read:posts", "write:posts"], "org": []}
    assert await claims_in(app, second["access_token"]) == told


async def test_a_token_with_as_much_as_can_be_given_fits_into_a_header(
    server: RunningServer, app: RelyingParty
) -> None:
    """Proxies commonly take 8 KB."""
    now = server.clock.now()
    user = await server.add_person()

    def fill(db: Any) -> None:
        names = [f"role{n:03}" for n in range(79)]
        registration.set_roles(db, user, names, context=CLI, now=now)
        permissions = [f"read:some-kind-of-thing-{n:03}" for n in range(79)]
        roles.create(db, names[0], description="", permissions=permissions, context=CLI, now=now)
        for n in range(17):
            organizations.create(db, f"Org {n:022}", context=CLI, now=now)
            organizations.put_member(db, f"Org {n:022}", user, "member", context=CLI, now=now)

    await server.run(fill)
    async with Person(server) as full:
        token = (await app.sign_in(full))["access_token"]
    told = await claims_in(app, token)
    assert (len(told["roles"]), len(told["permissions"]), len(told["org"])) == (79, 79, 17)
    assert len(f"Authorization: Bearer {token}") < 8192
    assert (await app.userinfo(token)).status_code == 200
