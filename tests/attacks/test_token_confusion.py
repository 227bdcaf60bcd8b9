"""One kind of token presented as another, and tokens that only look like ours."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from keys.jose import unverified_claims
from tests.attacks.conftest import BACK
from tests.attacks.forgeries import Tokens, forgeries, odd_claims, ours, signed
from tests.conftest import SettingsFor
from tests.keys.material import key_pair, segment, signer
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def _strangers_token(settings_for: SettingsFor, server: RunningServer, tmp_path: Path, issuer: str) -> Tokens:
    """Tokens that another server made in earnest, for a person and a client of the same names."""
    settings = settings_for(database_url="", data_dir=tmp_path / issuer.rpartition("/")[2], issuer=issuer)
    async with RunningServer(settings, server.clock) as other:
        await other.add_person()
        rp = RelyingParty(other, client_secret=await other.add_client(client_name="Web Shop"))
        async with Person(other) as alice:
            made = await rp.sign_in(alice)
    return {f"{name} of {issuer}": made[name] for name in ("access_token", "id_token")}


def _assertion(server: RunningServer, client_id: str) -> str:
    now = server.clock.now()
    claims = {"iss": client_id, "sub": client_id, "aud": server.issuer, "exp": now + 60, "iat": now, "jti": "once"}
    return signer("ES256").sign(claims, typ="JWT")


async def _accepted_at_userinfo(rp: RelyingParty, tokens: Tokens) -> dict[str, str]:
    accepted = {}
    for name, token in tokens.items():
        response = await rp.userinfo(token)
        challenge = response.headers.get("www-authenticate", "")
        if response.status_code != 401 or 'error="invalid_token"' not in challenge:
            accepted[name] = f"{response.status_code} {challenge} {response.text[:80]}"
    return accepted


async def _accepted_at_introspection(rp: RelyingParty, tokens: Tokens) -> dict[str, str]:
    accepted = {}
    for name, token in tokens.items():
        response = await rp.post("/introspect", token=token)
        if (response.status_code, response.text) != (200, '{"active":false}'):
            accepted[name] = f"{response.status_code} {response.text[:80]}"
    return accepted


class _Listener:
    """Where `jku` and `x5u` point to; it counts who comes."""

    def __init__(self) -> None:
        self.visitors = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/jwks"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _meet(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visitors += 1
        writer.close()


async def test_no_forged_access_token_is_taken_anywhere(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 9068 section 4, RFC 8725, RFC 7662 section 4."""
    tokens = await rp.sign_in(person)
    genuine = tokens["access_token"]
    secret = await server.add_service("api", may_introspect=True)
    key, claims = ours(server), dict(unverified_claims(genuine))
    header = {"alg": "RS256", "kid": key.kid, "typ": "at+jwt"}
    async with _Listener() as listener:
        forged = await forgeries(
            server, genuine, listener.url, "JWT", "", "at", "at+jwt;v=1", "logout+jwt", "jwt+at", 5, None, ["at+jwt"]
        )
        forged |= odd_claims(key, header, claims, server.clock.now())
        forged |= {"ID token": tokens["id_token"], "client assertion": _assertion(server, rp.client_id)}
        assert await _accepted_at_userinfo(rp, forged) == {}
        assert await _accepted_at_introspection(rp, forged) == {}
        assert await _accepted_at_introspection(RelyingParty(server, "api", secret), forged) == {}
        assert listener.visitors == 0
    assert (await rp.userinfo(signed(key, header, claims))).status_code == 200
    assert (await rp.userinfo(genuine)).status_code == 200


async def test_userinfo_takes_only_access_tokens_about_a_person_for_this_server(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """OpenID Connect Core section 5.3.1, RFC 9068 section 4."""
    tokens = await rp.sign_in(person)
    service = RelyingParty(server, "service", await server.add_service())
    about_itself = (await service.post("/token", grant_type="client_credentials")).json()["access_token"]
    key, claims = ours(server), dict(unverified_claims(tokens["access_token"]))
    header = {"alg": "RS256", "kid": key.kid, "typ": "at+jwt"}
    refused = {
        "refresh token": tokens["refresh_token"],
        "a service's own token": about_itself,
        "session cookie": person.http.cookies["__Host-ostiary_session"],
        "no authorization": signed(key, header, {n: v for n, v in claims.items() if n != "gid"}),
        **{
            f"aud {audience!r}": signed(key, header, {**claims, "aud": audience})
            for audience in ("web", "https://api.example", [], ["https://api.example"], server.issuer + "/", "")
        },
    }
    assert await _accepted_at_userinfo(rp, refused) == {}


async def test_tokens_of_other_servers_are_refused_even_under_our_own_name(
    settings_for: SettingsFor, server: RunningServer, person: Person, rp: RelyingParty, tmp_path: Path
) -> None:
    """RFC 8725 section 3.8."""
    await rp.sign_in(person)
    strangers = await _strangers_token(settings_for, server, tmp_path, "https://other.example.com")
    strangers |= await _strangers_token(settings_for, server, tmp_path, server.issuer)
    assert len(strangers) == 4
    assert await _accepted_at_userinfo(rp, strangers) == {}
    assert await _accepted_at_introspection(rp, strangers) == {}
    for hint in strangers.values():
        await person.visit("/end-session?" + urlencode({"id_token_hint": hint}))
        assert person.title == "Sign out"
        await person.visit(rp.url(id_token_hint=hint))
        assert person.answer()["error"] == "invalid_request"


async def _hints(server: RunningServer, tokens: Mapping[str, Any], url: str) -> Tokens:
    key, claims = ours(server), dict(unverified_claims(tokens["id_token"]))
    header = {"alg": "RS256", "kid": key.kid, "typ": "JWT"}
    changes: dict[str, dict[str, Any]] = {
        "another issuer": {"iss": "https://other.example.com"},
        "no person": {"sub": None},
        "several audiences": {"aud": ["web", "other"]},
    }
    return {
        **await forgeries(server, tokens["id_token"], url, "at+jwt", "", "logout+jwt", "JWS", 5, None),
        **{name: signed(key, header, {**claims, **change}) for name, change in changes.items()},
        "access token": tokens["access_token"],
        "refresh token": tokens["refresh_token"],
        "client assertion": _assertion(server, "web"),
        "nonsense": "nonsense",
    }


async def test_a_forged_hint_signs_nobody_out_and_leads_nowhere(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """OpenID Connect RP-Initiated Logout sections 2, 3 and 6."""
    tokens = await rp.sign_in(person)
    async with _Listener() as listener:
        hints = await _hints(server, tokens, listener.url)
        for name, hint in hints.items():
            await person.visit("/end-session?" + urlencode({"id_token_hint": hint}))
            assert (person.response.status_code, person.title) == (200, "Sign out"), name
            assert "Web Shop" not in person.text, name
            await person.visit("/end-session?" + urlencode({"id_token_hint": hint, "post_logout_redirect_uri": BACK}))
            assert (person.response.status_code, person.left_for) == (400, None), name
        assert listener.visitors == 0
    await person.visit(rp.url(prompt="none"))
    assert "code" in person.answer()


async def test_a_forged_hint_is_an_error_of_the_authorization_request(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """OpenID Connect Core section 3.1.2.1."""
    tokens = await rp.sign_in(person)
    async with _Listener() as listener:
        for name, hint in (await _hints(server, tokens, listener.url)).items():
            for prompt in ("none", None):
                await person.visit(rp.url(id_token_hint=hint, prompt=prompt))
                assert person.answer()["error"] == "invalid_request", name
                assert hint not in (person.left_for or ""), name
        assert listener.visitors == 0
    await person.visit(rp.url(id_token_hint=tokens["id_token"], prompt="none"))
    assert "code" in person.answer()


async def test_one_kind_of_secret_is_never_taken_for_another(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 6749 section 10.10: a value is good for the one purpose it was made for."""
    tokens = await rp.sign_in(person)
    code = await rp.code_for(person)
    await person.visit(rp.url(prompt="login"))
    interaction = str(person.response.request.url).rpartition("/")[2]
    cookie = person.http.cookies["__Host-ostiary_session"]
    others = [tokens["access_token"], tokens["id_token"], interaction, cookie, person.form.fields["csrf_token"]]
    for value in (*others, tokens["refresh_token"]):
        assert (await rp.redeem(value)).json()["error"] == "invalid_grant"
    for value in (*others, code):
        assert (await rp.refresh(value)).json()["error"] == "invalid_grant"
    async with Person(server) as thief:
        await thief.visit("/")
        for value in (*others[:3], others[4], tokens["refresh_token"], code):
            thief.http.cookies.set("__Host-ostiary_session", value, domain="login.example.com")
            await thief.visit("/account")
            assert thief.title == "Sign in"
            thief.http.cookies.delete("__Host-ostiary_session")
            await thief.visit("/account/set-password?" + urlencode({"token": value}))
            assert thief.response.status_code == 400
    assert (await rp.redeem(code)).status_code == 200
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200


async def test_no_token_of_ours_is_a_client_assertion(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """RFC 7523 section 3; RFC 8725 section 2.8."""
    jwks = {"keys": [key_pair("ES256").public_jwk]}
    await server.add_service("signer", token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    tokens = await rp.sign_in(person)
    now = server.clock.now()
    claims = {"iss": "signer", "sub": "signer", "aud": server.issuer, "exp": now + 60, "iat": now, "jti": "a"}
    good = signer("ES256").sign(claims, typ="JWT")
    payload = good.split(".")[1]
    refused = [
        tokens["id_token"],
        tokens["access_token"],
        signed(ours(server), {"alg": "RS256", "kid": ours(server).kid, "typ": "JWT"}, claims),
        signer("ES256").sign(claims, typ="at+jwt"),
        signer("ES256", 2).sign(claims, typ="JWT"),
        f"{segment({'alg': 'none', 'typ': 'JWT'})}.{payload}.",
        signed(signer("ES256", 2), {"alg": "ES256", "jwk": key_pair("ES256", 2).public_jwk}, claims),
    ]
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    async with server.http() as http:
        for assertion in refused:
            response = await http.post("/token", data={**form, "client_assertion": assertion})
            assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
        assert (await http.post("/token", data={**form, "client_assertion": good})).status_code == 200
