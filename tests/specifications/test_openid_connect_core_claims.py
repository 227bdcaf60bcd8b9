"""OpenID Connect Core 1.0 section 5: claims, by scope and by name, and where they are given."""

import json

from server.accounts import registration
from server.events.context import CLI
from tests.support.full_profile import FULL_PROFILE
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def test_the_scopes_give_all_standard_claims(server: RunningServer, rp: RelyingParty) -> None:
    """Section 5.4; oidcc-scope-all."""
    user = await server.add_person(username="alice", email_verified=True, name=None)
    await server.run(lambda db: registration.update(db, user, claims=FULL_PROFILE, context=CLI, now=server.clock.now()))
    async with Person(server) as alice:
        tokens = await rp.sign_in(alice, scope="openid profile email address phone")
    info = (await rp.userinfo(tokens["access_token"])).json()
    expected = {**FULL_PROFILE, "email": "alice@example.com", "email_verified": True, "sub": user.id}
    assert {name: info[name] for name in expected} == expected
    assert len(info) == 20
    assert isinstance(info["updated_at"], int)


async def test_a_scope_gives_only_its_own_claims(person: Person, rp: RelyingParty) -> None:
    tokens = await rp.sign_in(person, scope="openid email")
    assert set((await rp.userinfo(tokens["access_token"])).json()) == {"sub", "email", "email_verified"}


async def test_the_claims_parameter_asks_for_single_claims(person: Person, rp: RelyingParty) -> None:
    """Section 5.5; oidcc-claims-essential."""
    claims = {"userinfo": {"name": {"essential": True}, "nonsense": None}, "id_token": {"email": None, "iss": None}}
    tokens = await rp.sign_in(person, scope="openid", claims=json.dumps(claims))
    assert set((await rp.userinfo(tokens["access_token"])).json()) == {"sub", "name"}
    _, id_token = await rp.verified(tokens["id_token"])
    assert id_token["email"] == "alice@example.com"
    assert id_token["iss"] == rp.server.issuer


async def test_userinfo_takes_the_token_in_header_or_body_but_once(person: Person, rp: RelyingParty) -> None:
    """RFC 6750 section 2; oidcc-userinfo-get, oidcc-userinfo-post-header, oidcc-userinfo-post-body."""
    token = (await rp.sign_in(person))["access_token"]
    bearer = {"authorization": f"Bearer {token}"}
    async with rp.server.http() as http:
        assert (await http.get("/userinfo", headers=bearer)).status_code == 200
        assert (await http.post("/userinfo", headers=bearer)).status_code == 200
        assert (await http.post("/userinfo", data={"access_token": token})).status_code == 200
        assert (await http.post("/userinfo", data={"access_token": token}, headers=bearer)).status_code == 400
        assert (await http.get(f"/userinfo?access_token={token}")).status_code == 400
        missing = await http.get("/userinfo")
        assert missing.status_code == 401
        # RFC 9449 section 7.1: both schemes, and no error code without credentials
        algorithms = 'algs="RS256 PS256 ES256 EdDSA"'
        # RFC 9728 section 5.1
        realm = f'realm="ostiary", resource_metadata="{rp.server.issuer}/.well-known/oauth-protected-resource"'
        expected = f"Bearer {realm}, DPoP {realm}, {algorithms}"
        assert missing.headers["www-authenticate"] == expected
        wrong = await http.get("/userinfo", headers={"authorization": "Bearer nonsense"})
        assert wrong.status_code == 401
        assert 'error="invalid_token"' in wrong.headers["www-authenticate"]


async def test_a_form_at_userinfo_is_known_by_its_media_type(person: Person, rp: RelyingParty) -> None:
    """RFC 6750 section 2.2; RFC 9110 section 8.3.1: without case, spaces around it and parameters."""
    form = f"access_token={(await rp.sign_in(person))['access_token']}"
    good = (
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded",
        "APPLICATION/X-WWW-FORM-URLENCODED ; Charset=UTF-8",
    )
    async with rp.server.http() as http:
        for kind in good:
            response = await http.post("/userinfo", content=form, headers={"content-type": kind})
            assert response.status_code == 200, kind
        for kind in ("application/x-www-form-urlencoded2", "text/plain"):
            response = await http.post("/userinfo", content=form, headers={"content-type": kind})
            assert response.status_code == 401, kind


async def test_a_form_at_userinfo_that_cannot_be_read_is_refused_with_a_challenge(rp: RelyingParty) -> None:
    """RFC 6750 sections 3 and 3.1: invalid_request with 400, and WWW-Authenticate."""
    kind = "application/x-www-form-urlencoded"
    async with rp.server.http() as http:
        for charset, content in (("; charset=latin1", b"access_token=a"), ("", b"access_token=\xff"), ("", b"a=%ff")):
            response = await http.post("/userinfo", content=content, headers={"content-type": kind + charset})
            assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
            challenge = response.headers["www-authenticate"]
            assert challenge.startswith('Bearer realm="ostiary"')
            assert 'error="invalid_request"' in challenge
        response = await http.get("/userinfo?a=%ff")
        assert (response.status_code, "www-authenticate" in response.headers) == (400, True)


async def test_userinfo_takes_nothing_but_access_tokens(person: Person, rp: RelyingParty) -> None:
    """RFC 8725 section 3.11."""
    tokens = await rp.sign_in(person)
    assert (await rp.userinfo(tokens["id_token"])).status_code == 401


async def test_userinfo_needs_the_openid_scope(server: RunningServer, person: Person) -> None:
    """RFC 6750 section 3.1."""
    secret = await server.add_client("plain", scope="read:things")
    rp = RelyingParty(server, "plain", secret, scope="read:things")
    tokens = await rp.sign_in(person, nonce=None)
    assert "id_token" not in tokens
    response = await rp.userinfo(tokens["access_token"])
    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


async def test_an_expired_access_token_is_refused(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    token = (await rp.sign_in(person))["access_token"]
    server.clock.advance(599)
    assert (await rp.userinfo(token)).status_code == 200
    server.clock.advance(1)
    assert (await rp.userinfo(token)).status_code == 401


async def test_roles_come_with_their_scope(server: RunningServer, rp: RelyingParty) -> None:
    await server.add_person(roles=("admin", "editor"))
    async with Person(server) as alice:
        tokens = await rp.sign_in(alice, scope="openid roles")
        _, claims = await rp.verified(tokens["access_token"])
        assert claims["roles"] == ["admin", "editor"]
        assert (await rp.userinfo(tokens["access_token"])).json()["roles"] == ["admin", "editor"]
        tokens = await rp.sign_in(alice, scope="openid")
        _, claims = await rp.verified(tokens["access_token"])
        assert "roles" not in claims
