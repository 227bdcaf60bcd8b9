"""OpenID Foundation Dynamic plan: what its modules demand of a client that registers itself. See docs/certification.md.

A small server on loopback plays the suite: it has the client's keys and its request objects.
"""

import base64
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from clients.authentication.presented import ASSERTION_TYPE
from server.background import Background
from tests.keys.material import key_pair, signer
from tests.support.person import Person
from tests.support.receiver import Answer, Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

CALLBACK = "https://client.example/cb"
WITHOUT_PKCE: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings of `ostiary serve --profile conformance`, as far as they matter here."""
    return {
        "client_registration": "open",
        "fetch_private_addresses": True,
        "pkce": "public",
        "mfa": "off",
        "response_types": ("code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"),
    }


@pytest.fixture
async def suite() -> AsyncIterator[Receiver]:
    """What the suite publishes."""
    async with Receiver() as running:
        yield running


async def register(server: RunningServer, **metadata: Any) -> httpx.Response:
    values = {"redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"], **metadata}
    async with server.http() as http:
        return await http.post("/register", json={"client_name": "Suite", **values})


async def registered(server: RunningServer, **metadata: Any) -> RelyingParty:
    response = await register(server, **metadata)
    assert response.status_code == 201, response.text
    body = response.json()
    assert body.get("client_secret_expires_at", 0) == 0
    return RelyingParty(server, body["client_id"], body.get("client_secret", ""), redirect_uri=CALLBACK)


async def answer(person: Person, url: str) -> dict[str, str]:
    await person.visit(url)
    if person.title == "Sign in":
        await person.sign_in()
    if person.title == "Allow access":
        await person.consent()
    return person.answer()


async def tokens_of(person: Person, rp: RelyingParty, **changes: str | None) -> dict[str, Any]:
    got = await answer(person, rp.url(**{**WITHOUT_PKCE, **changes}))
    response = await rp.redeem(got["code"], code_verifier=None)
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.json()
    return tokens


def publish(suite: Receiver, number: int, algorithm: str = "RS256") -> dict[str, Any]:
    """Put a key where `jwks_uri` leads, and nothing else."""
    key = {**key_pair(algorithm, number).public_jwk, "use": "sig"}
    suite.answers["/jwks"] = Answer(body=json.dumps({"keys": [key]}).encode())
    return key


async def send_assertion(rp: RelyingParty, number: int, *, audience: str | None = None, **form: str) -> httpx.Response:
    now = rp.server.clock.now()
    claims = {"iss": rp.client_id, "sub": rp.client_id, "jti": secrets.token_urlsafe(9), "iat": now, "exp": now + 60}
    claims["aud"] = audience or rp.server.issuer
    assertion = signer("RS256", number).sign(claims, typ="JWT")
    return await rp.post("/token", client_assertion=assertion, client_assertion_type=ASSERTION_TYPE, **form)


async def test_oidcc_server_and_idtoken_rs256(server: RunningServer, person: Person) -> None:
    """OpenID Connect Core section 3.1.3.7 rule 6."""
    rp = await registered(server, id_token_signed_response_alg="RS256")
    tokens = await tokens_of(person, rp)
    header, claims = await rp.verified(tokens["id_token"])
    assert (header["alg"], claims["aud"]) == ("RS256", rp.client_id)


async def test_oidcc_idtoken_unsigned_is_refused(server: RunningServer) -> None:
    """Section 2 of OpenID Connect Core allows the refusal; discovery does not offer `none`."""
    response = await register(server, id_token_signed_response_alg="none")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_client_metadata")
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert "none" not in document["id_token_signing_alg_values_supported"]
    assert "none" not in document["request_object_signing_alg_values_supported"]


@pytest.mark.parametrize("member", ["policy_uri", "tos_uri"])
async def test_oidcc_registration_uris_are_shown(server: RunningServer, person: Person, member: str) -> None:
    """oidcc-registration-policy-uri, -tos-uri: the person sees them when asked."""
    address = f"https://client.example/{member}"
    rp = await registered(server, **{member: address})
    await person.visit(rp.url(**WITHOUT_PKCE))
    await person.sign_in()
    assert person.title == "Allow access"
    assert address in person.response.text


async def test_oidcc_registration_logo_uri(server: RunningServer, person: Person) -> None:
    """It is registered; it is shown once an operator vouches for the client (tests/flows/test_client_logos.py)."""
    address = "https://client.example/logo.png"
    response = await register(server, logo_uri=address)
    assert response.json()["logo_uri"] == address
    body = response.json()
    assert await tokens_of(person, RelyingParty(server, body["client_id"], body["client_secret"]))


async def test_oidcc_registration_jwks_uri(server: RunningServer, person: Person, suite: Receiver) -> None:
    """And oidcc-ensure-client-assertion-with-iss-aud-succeeds: the issuer as audience, or the token endpoint."""
    publish(suite, 1)
    rp = await registered(server, token_endpoint_auth_method="private_key_jwt", jwks_uri=f"{suite.origin}/jwks")
    for audience in (server.issuer, server.settings.url("/token")):
        got = await answer(person, rp.url(**WITHOUT_PKCE))
        form = {"grant_type": "authorization_code", "code": got["code"], "redirect_uri": CALLBACK}
        response = await send_assertion(rp, 1, audience=audience, **form)
        assert response.status_code == 200, response.text


async def test_oidcc_refresh_token_rp_key_rotation(server: RunningServer, person: Person, suite: Receiver) -> None:
    """A new key with a new kid at the jwks_uri is found a minute later."""
    publish(suite, 1)
    rp = await registered(server, token_endpoint_auth_method="private_key_jwt", jwks_uri=f"{suite.origin}/jwks")
    got = await answer(person, rp.url(scope="openid offline_access", **WITHOUT_PKCE))
    form = {"grant_type": "authorization_code", "code": got["code"], "redirect_uri": CALLBACK}
    token = (await send_assertion(rp, 1, **form)).json()["refresh_token"]
    publish(suite, 2)
    server.clock.advance(60)
    response = await send_assertion(rp, 2, grant_type="refresh_token", refresh_token=token)
    assert response.status_code == 200, response.text
    _, claims = await rp.verified(response.json()["id_token"])
    assert claims["aud"] == rp.client_id


async def test_oidcc_redirect_uri_query_ok(server: RunningServer, person: Person) -> None:
    """A registered query stays; oidcc-redirect-uri-query-added and -mismatch are refused on our own page."""
    uri = f"{CALLBACK}?foo=bar"
    rp = await registered(server, redirect_uris=[uri])
    rp.redirect_uri = uri
    got = await answer(person, rp.url(**WITHOUT_PKCE))
    assert parse_qsl(urlsplit(str(person.left_for)).query)[0] == ("foo", "bar")
    assert (await rp.redeem(got["code"], code_verifier=None)).status_code == 200
    for other in (f"{uri}&added=1", f"{CALLBACK}?foo=other", CALLBACK):
        await person.visit(rp.url(redirect_uri=other))
        assert person.left_for is None
        assert person.response.status_code == 400


async def test_oidcc_redirect_uri_regfrag(server: RunningServer) -> None:
    """OpenID Connect Registration section 2: no fragment."""
    response = await register(server, redirect_uris=[f"{CALLBACK}#fragment"])
    assert (response.status_code, response.json()["error"]) == (400, "invalid_redirect_uri")


async def test_oidcc_ensure_redirect_uri_in_authorization_request(server: RunningServer, person: Person) -> None:
    """OpenID Connect Core section 3.1.2.1."""
    rp = await registered(server)
    await person.visit(rp.url(redirect_uri=None))
    assert person.left_for is None
    assert person.response.status_code == 400


def request_object(rp: RelyingParty, **changes: str | None) -> str:
    now = rp.server.clock.now()
    claims = {
        **rp.parameters(**WITHOUT_PKCE, **changes),
        "iss": rp.client_id,
        "aud": rp.server.issuer,
        "exp": now + 300,
    }
    return signer("RS256", 1).sign(claims, typ="JWT")


async def test_oidcc_request_uri_signed_rs256(server: RunningServer, person: Person, suite: Receiver) -> None:
    """OpenID Connect Core section 6.2."""
    address = f"{suite.origin}/request"
    publish(suite, 1)
    rp = await registered(
        server, jwks_uri=f"{suite.origin}/jwks", request_object_signing_alg="RS256", request_uris=[address]
    )
    suite.answers["/request"] = Answer(body=request_object(rp).encode(), content_type="application/jwt")
    query = {"client_id": rp.client_id, "response_type": "code", "scope": "openid", "request_uri": address}
    got = await answer(person, f"{server.issuer}/authorize?{urlencode(query)}")
    assert got["state"] == rp.state
    assert (await rp.redeem(got["code"], code_verifier=None)).status_code == 200


async def test_oidcc_request_uri_unsigned_is_refused(server: RunningServer, person: Person, suite: Receiver) -> None:
    """Discovery does not offer `none`, so that the module may be skipped; whoever sends one is told."""
    address = f"{suite.origin}/request"
    publish(suite, 1)
    rp = await registered(server, jwks_uri=f"{suite.origin}/jwks", request_uris=[address])
    parts = ({"alg": "none"}, {**rp.parameters(), "iss": rp.client_id, "aud": server.issuer})
    unsigned = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    suite.answers["/request"] = Answer(body=f"{unsigned}.".encode(), content_type="application/jwt")
    await person.visit(rp.url(request_uri=address))
    assert person.answer()["error"] == "invalid_request_object"
    refused = await register(server, request_object_signing_alg="none")
    assert refused.json()["error"] == "invalid_client_metadata"


async def test_oidcc_ensure_request_object_with_redirect_uri(
    server: RunningServer, person: Person, suite: Receiver
) -> None:
    """What is signed counts: an invalid redirect_uri beside it does not."""
    publish(suite, 1)
    rp = await registered(server, jwks_uri=f"{suite.origin}/jwks")
    token = request_object(rp)
    got = await answer(person, rp.url(request=token, redirect_uri="https://client.example/other", **WITHOUT_PKCE))
    assert str(person.left_for).startswith(CALLBACK)
    assert "code" in got


async def test_oidcc_server_rotate_keys(server: RunningServer) -> None:
    """A rotation publishes a new key beside the old ones."""
    async with server.http() as http:
        before = {key["kid"] for key in (await http.get("/jwks")).json()["keys"]}
        server.clock.advance(server.settings.key_rotation_seconds)
        background = Background(server.services)
        await background.rotate()
        await background.refresh()
        after = {key["kid"] for key in (await http.get("/jwks")).json()["keys"]}
    assert after - before
    assert after & before


async def test_a_registration_is_deleted_with_204(server: RunningServer) -> None:
    """RFC 7592 section 2.3: the suite cleans up after each module."""
    body = (await register(server)).json()
    headers = {"authorization": f"Bearer {body['registration_access_token']}"}
    async with server.http(headers=headers) as http:
        deleted = await http.delete(body["registration_client_uri"])
    assert (deleted.status_code, deleted.content) == (204, b"")


async def test_discovery_has_what_the_dynamic_profile_demands(server: RunningServer) -> None:
    """oidcc-discovery-endpoint-verification."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert {"code", "id_token", "id_token token"} <= set(document["response_types_supported"])
    assert {"authorization_code", "implicit"} <= set(document["grant_types_supported"])
    assert {"client_secret_basic", "private_key_jwt"} <= set(document["token_endpoint_auth_methods_supported"])
    assert document["registration_endpoint"] == server.settings.url("/register")
    assert document["claims_parameter_supported"] is True
    assert document["request_uri_parameter_supported"] is True
    assert "RS256" in document["id_token_signing_alg_values_supported"]
