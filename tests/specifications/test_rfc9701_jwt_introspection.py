"""RFC 9701 JSON Web Token (JWT) Response for OAuth Token Introspection."""

from typing import Any

import httpx
import pytest

from clients.metadata import InvalidClientMetadata, validate
from tests.support.confidant import ALGORITHMS, CONTENT, Confidant
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

JWT = "application/token-introspection+jwt"
LEAST = {"grant_types": ["client_credentials"], "response_types": []}


async def resource_server(server: RunningServer, **metadata: Any) -> RelyingParty:
    """A resource server that may introspect every token."""
    secret = await server.add_service("api", may_introspect=True, **metadata)
    return RelyingParty(server, "api", secret)


async def introspect(api: RelyingParty, token: str, accept: str | None = JWT) -> httpx.Response:
    headers = {} if accept is None else {"accept": accept}
    async with api.server.http(headers=headers) as http:
        return await http.post("/introspect", data={"token": token}, auth=api.auth or httpx.USE_CLIENT_DEFAULT)


async def test_the_answer_is_a_signed_jwt_for_the_resource_server(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 5: `typ`, `iss`, `aud`, `iat` and what RFC 7662 says in `token_introspection`."""
    api = await resource_server(server)
    token = (await rp.sign_in(person))["access_token"]
    response = await introspect(api, token)
    assert response.status_code == 200
    assert response.headers["content-type"] == JWT
    assert response.headers["cache-control"] == "no-store"
    header, claims = await api.verified(response.text)
    assert (header["typ"], header["alg"]) == ("token-introspection+jwt", "RS256")
    assert (claims["iss"], claims["aud"], claims["iat"]) == (server.issuer, "api", server.clock.now())
    assert claims["token_introspection"] == (await introspect(api, token, "application/json")).json()
    assert claims["token_introspection"]["active"] is True


async def test_nobody_can_take_it_for_an_access_token(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """Sections 5 and 8.1: neither `sub` nor `exp`, and a `typ` of its own."""
    api = await resource_server(server)
    response = await introspect(api, (await rp.sign_in(person))["access_token"])
    _, claims = await api.verified(response.text)
    assert claims.keys() == {"iss", "aud", "iat", "token_introspection"}
    async with server.http() as http:
        used = await http.get("/userinfo", headers={"authorization": f"Bearer {response.text}"})
    assert used.status_code == 401
    assert (await introspect(api, response.text, None)).json() == {"active": False}


async def test_of_an_inactive_token_nothing_else_is_told(server: RunningServer) -> None:
    """Section 5: `active` is false and no other member is there."""
    api = await resource_server(server)
    for token in ("nonsense", "a.b.c", "ort_x"):
        _, claims = await api.verified((await introspect(api, token)).text)
        assert claims["token_introspection"] == {"active": False}


async def test_a_token_that_the_caller_may_not_see_is_inactive(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 5: whether the resource server may have it is decided before."""
    token = (await rp.sign_in(person))["access_token"]
    stranger = RelyingParty(server, "stranger", await server.add_service("stranger"))
    _, claims = await stranger.verified((await introspect(stranger, token)).text)
    assert claims["token_introspection"] == {"active": False}


ACCEPTED: tuple[tuple[str | None, bool], ...] = (
    (None, False),
    ("*/*", False),
    ("application/json", False),
    (f"{JWT};q=0", False),
    (f"{JWT};q=wat", False),
    (f"application/json, {JWT};q=0.5", False),
    (f"application/json, {JWT}", True),
    (f"application/json;q=0.9, {JWT}", True),
    (JWT.upper(), True),
    (f"{JWT}; q=1", True),
)


async def test_it_is_the_accept_header_that_asks_for_it(server: RunningServer) -> None:
    """Section 4; RFC 9110 section 12.5.1."""
    api = await resource_server(server)
    for accept, is_jwt in ACCEPTED:
        response = await introspect(api, "nonsense", accept)
        assert response.headers["content-type"] == (JWT if is_jwt else "application/json"), accept


async def test_the_caller_must_be_authenticated(server: RunningServer) -> None:
    """Section 5: the answer is for one resource server, whom the server must know; errors are JSON."""
    api = await resource_server(server)
    api.client_secret = "wrong"
    response = await introspect(api, "nonsense")
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("overrides", [{"signing_algorithms": ("RS256", "ES256")}], indirect=True)
async def test_it_is_signed_as_registered(server: RunningServer) -> None:
    """Section 6: `introspection_signed_response_alg`."""
    api = await resource_server(server, introspection_signed_response_alg="ES256")
    header, _ = await api.verified((await introspect(api, "nonsense")).text)
    assert header["alg"] == "ES256"


@pytest.mark.parametrize("overrides", [{"signing_algorithms": ("ES256", "RS256")}], indirect=True)
async def test_it_is_signed_with_rs256_where_nothing_is_registered(server: RunningServer) -> None:
    """Section 6: the default, whichever algorithm the server has first."""
    api = await resource_server(server)
    header, _ = await api.verified((await introspect(api, "nonsense")).text)
    assert header["alg"] == "RS256"


@pytest.mark.parametrize(("kind", "alg", "enc"), [("RSA", "RSA-OAEP-256", "A256GCM"), ("P-256", "ECDH-ES", None)])
async def test_it_is_encrypted_as_registered(
    server: RunningServer, person: Person, rp: RelyingParty, kind: str, alg: str, enc: str | None
) -> None:
    """Section 6: signed, then encrypted; A128CBC-HS256 where no `enc` is registered."""
    confidant = Confidant(kind)
    content = {} if enc is None else {"introspection_encrypted_response_enc": enc}
    api = await resource_server(server, jwks=confidant.jwks, introspection_encrypted_response_alg=alg, **content)
    response = await introspect(api, (await rp.sign_in(person))["access_token"])
    assert response.headers["content-type"] == JWT
    header, inside = confidant.read(response.text)
    assert (header["alg"], header["enc"], header["cty"]) == (alg, enc or "A128CBC-HS256", "JWT")
    signed, claims = await api.verified(inside)
    assert signed["typ"] == "token-introspection+jwt"
    assert claims["token_introspection"]["username"] == "alice@example.com"


async def test_without_a_key_nothing_is_told(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """Section 6: what is to be encrypted never leaves in the clear."""
    api = await resource_server(
        server, jwks_uri="https://client.invalid/jwks", introspection_encrypted_response_alg="ECDH-ES"
    )
    response = await introspect(api, (await rp.sign_in(person))["access_token"])
    assert (response.status_code, response.json()["error"]) == (400, "unauthorized_client")


async def test_refresh_tokens_are_told_of_in_the_same_way(person: Person, rp: RelyingParty) -> None:
    """Section 4: whatever token is asked about."""
    tokens = await rp.sign_in(person, scope="openid offline_access", prompt="consent")
    _, claims = await rp.verified((await introspect(rp, tokens["refresh_token"])).text)
    assert claims["aud"] == "web"
    assert claims["token_introspection"]["active"] is True


@pytest.mark.parametrize(
    "metadata",
    [
        {"introspection_signed_response_alg": "none"},
        {"introspection_signed_response_alg": "HS256"},
        {"introspection_encrypted_response_alg": "RSA1_5", "jwks": Confidant("RSA").jwks},
        {"introspection_encrypted_response_alg": "ECDH-ES"},
        {"introspection_encrypted_response_enc": "A128GCM"},
    ],
)
def test_metadata_that_could_never_be_met_is_refused(metadata: dict[str, Any]) -> None:
    """Section 6."""
    with pytest.raises(InvalidClientMetadata):
        validate({**LEAST, **metadata})


async def test_metadata_announces_it(server: RunningServer) -> None:
    """Section 7: `none` is not offered."""
    async with server.http() as http:
        metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["introspection_signing_alg_values_supported"] == ["RS256"]
    assert metadata["introspection_encryption_alg_values_supported"] == list(ALGORITHMS)
    assert metadata["introspection_encryption_enc_values_supported"] == list(CONTENT)
