"""What somebody can do at a browser in which another person is signed in, or was a moment ago."""

import json

from server.accounts import sessions
from server.events.context import CLI
from server.storage import authorizations, consents
from tests.support.account import form
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def _bob(server: RunningServer) -> str:
    return (await server.add_person("bob@example.com", name="Bob")).id


async def test_binding_a_second_factor_needs_a_recent_sign_in(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """NIST SP 800-63B-4 section 4.1.2: or whoever finds the browser shuts its owner out."""
    await person.visit(rp.url())
    await person.sign_in(remember=True)
    await person.postpone()
    await person.consent()
    server.clock.advance(301)
    await person.visit(rp.url(acr_values="aal2"))
    assert person.title == "Sign in"
    await person.visit(rp.url(acr_values="aal2", prompt="none"))
    assert person.answer()["error"] == "login_required"
    await person.visit(rp.url(acr_values="aal2"))
    await person.sign_in()
    assert person.title == "Protect your account"


async def test_a_new_second_factor_ends_what_had_the_password_alone(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    async with Person(server) as thief:
        stolen = await rp.sign_in(thief)
        await person.visit(rp.url(acr_values="aal2"))
        await person.sign_in()
        await person.enrol()
        await thief.visit("/account")
        assert thief.title == "Sign in"
        assert (await rp.userinfo(stolen["access_token"])).status_code == 401
        await person.visit("/account")
        assert person.title == "Your account"


async def test_a_consent_page_counts_for_whom_it_was_shown_to(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Alice's page stays open while Bob signs in in another tab: her click is not his consent."""
    bob = await _bob(server)
    await person.visit(rp.url())
    await person.sign_in()
    await person.postpone()
    assert person.title == "Allow access"
    shown_to_alice, where = person.form, person.response
    await person.visit(rp.url(prompt="login"))
    await person.sign_in(email="bob@example.com")
    await person.postpone()
    person.response = where
    await person.submit(("decision", "allow"), shown_to_alice)
    assert person.title == "Allow access"
    assert "Bob" in person.text
    assert await server.run(lambda db: consents.find_scopes(db, bob, rp.client_id)) is None


async def test_a_secret_that_was_shown_to_somebody_else_is_not_used(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await _bob(server)
    await person.visit(rp.url())
    await person.sign_in()
    alices = person.page.by_id["totp-secret"]
    begun = str(person.response.request.url)
    await person.visit(rp.url(prompt="login"))
    await person.sign_in(email="bob@example.com")
    await person.visit(begun)
    assert person.response.status_code == 200
    assert person.page.by_id.get("totp-secret") not in (None, alices)


async def test_naming_claims_is_no_way_round_consent(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """OpenID Connect Core section 5.5: what the claims parameter asks for is agreed to as a scope is."""
    await person.visit(rp.url(scope="openid"))
    await person.sign_in()
    await person.postpone()
    await person.consent()
    claims = json.dumps({"userinfo": {"email": None}, "id_token": {"name": None}})
    await person.visit(rp.url(scope="openid", claims=claims, prompt="none"))
    assert person.answer()["error"] == "consent_required"
    await person.visit(rp.url(scope="openid", claims=claims))
    assert person.title == "Allow access"
    assert "e-mail address" in person.text
    assert "your profile" in person.text
    await person.consent()
    tokens = (await rp.redeem(person.answer()["code"])).json()
    assert (await rp.userinfo(tokens["access_token"])).json()["email"] == "alice@example.com"
    assert server.issuer


async def test_naming_claims_is_no_way_round_registration(server: RunningServer, person: Person) -> None:
    """RFC 9700 section 2.3: least privilege; a client that may not ask for a scope may not ask for its claims."""
    rp = RelyingParty(server, "least", await server.add_client("least", scope="openid"))
    asked = {"name": None, "email": {"essential": True}, "roles": None, "phone_number": None, "address": None}
    claims = json.dumps({"userinfo": asked, "id_token": asked})
    tokens = await rp.sign_in(person, scope="openid", claims=claims)
    assert set((await rp.userinfo(tokens["access_token"])).json()) == {"sub"}
    _, given = await rp.verified(tokens["id_token"])
    assert not set(asked) & set(given)


async def test_no_code_is_issued_in_a_session_that_has_ended(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """C081: a sign-out and an authorization at the same moment leave nothing that lives."""
    tokens = await rp.sign_in(person)
    _, claims = await rp.verified(tokens["id_token"])
    sid, user_id, now = claims["sid"], claims["sub"], server.clock.now()
    assert await server.run(lambda db: sessions.hold(db, sid, now))
    await server.run(lambda db: sessions.end(db, sid, user_id=user_id, context=CLI, now=now))
    assert not await server.run(lambda db: sessions.hold(db, sid, now))
    await person.visit(rp.url())
    assert person.title == "Sign in"
    _, access = await rp.verified(tokens["access_token"])
    assert await server.run(lambda db: authorizations.find_live(db, access["gid"], now)) is None


async def test_a_factor_alone_makes_no_old_sign_in_a_recent_one(person: Person, rp: RelyingParty) -> None:
    """Who finds a browser that somebody stays signed in to, and their phone, removes no factor without the password."""
    clock = person.server.clock
    await person.visit(rp.url(acr_values="aal2"))
    await person.sign_in()
    await person.enrol()
    person.http.cookies.delete("__Host-ostiary_session")
    clock.advance(60)
    await person.visit("/account")
    await person.sign_in(remember=True)
    await person.submit(code=person.code(), trust_browser="yes")
    person.http.cookies.delete("__Host-ostiary_session")
    clock.advance(60)
    await person.visit("/account")
    await person.sign_in(remember=True)
    assert person.title == "Your account", "the browser is trusted"
    clock.advance(10 * 86_400)
    await person.visit(rp.url(acr_values="aal2"))
    await person.submit(code=person.code())
    await person.visit("/account/security")
    await person.submit(form=form(person, "/account/second-factor/remove"))
    assert person.title == "Sign in"
