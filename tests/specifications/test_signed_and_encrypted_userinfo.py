"""Signed and encrypted UserInfo: OpenID Connect Core section 5.3.2, Dynamic Client Registration 1.0 section 2."""

from typing import Any

import httpx
import pytest

from clients.metadata import InvalidClientMetadata, validate
from tests.support.confidant import ALGORITHMS, CONTENT, Confidant
from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

ENCRYPTED = {"userinfo_encrypted_response_alg": "ECDH-ES", "jwks": Confidant().jwks}
LEAST = {"redirect_uris": ["https://client.example/cb"]}


async def asking(server: RunningServer, **metadata: Any) -> RelyingParty:
    return RelyingParty(server, "asking", await server.add_client("asking", **metadata))


async def userinfo(server: RunningServer, token: str) -> httpx.Response:
    async with server.http() as http:
        return await http.get("/userinfo", headers={"authorization": f"Bearer {token}", "accept": "*/*"})


@pytest.mark.parametrize("overrides", [{"signing_algorithms": ("RS256", "ES256")}], indirect=True)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_the_claims_come_as_a_signed_jwt(server: RunningServer, person: Person, algorithm: str) -> None:
    """Core section 5.3.2: application/jwt, with `iss` and `aud`, signed as registered."""
    rp = await asking(server, userinfo_signed_response_alg=algorithm)
    tokens = await rp.sign_in(person)
    response = await userinfo(server, tokens["access_token"])
    assert response.headers["content-type"] == "application/jwt"
    assert response.headers["cache-control"] == "no-store"
    header, claims = await rp.verified(response.text)
    _, id_token = await rp.verified(tokens["id_token"])
    assert header["alg"] == algorithm
    assert (claims["iss"], claims["aud"], claims["sub"]) == (server.issuer, "asking", id_token["sub"])
    assert claims["email"] == "alice@example.com"


async def test_they_come_signed_and_then_encrypted(server: RunningServer, person: Person) -> None:
    """Core section 5.3.2 and 10.2: a Nested JWT."""
    confidant = Confidant("RSA")
    rp = await asking(
        server,
        jwks=confidant.jwks,
        userinfo_signed_response_alg="RS256",
        userinfo_encrypted_response_alg="RSA-OAEP-256",
        userinfo_encrypted_response_enc="A256GCM",
    )
    response = await userinfo(server, (await rp.sign_in(person))["access_token"])
    assert response.headers["content-type"] == "application/jwt"
    header, inside = confidant.read(response.text)
    assert (header["alg"], header["enc"], header["cty"]) == ("RSA-OAEP-256", "A256GCM", "JWT")
    _, claims = await rp.verified(inside)
    assert (claims["iss"], claims["aud"], claims["email"]) == (server.issuer, "asking", "alice@example.com")


async def test_they_come_encrypted_alone_where_no_signature_is_registered(
    server: RunningServer, person: Person
) -> None:
    """Core section 5.3.2: signed and/or encrypted. What is inside is no JWT, so `cty` does not say so."""
    rp = await asking(server, **ENCRYPTED)
    response = await userinfo(server, (await rp.sign_in(person))["access_token"])
    assert response.headers["content-type"] == "application/jwt"
    header, _ = Confidant().read(response.text)
    assert "cty" not in header
    claims = Confidant().read_claims(response.text)
    assert (claims["iss"], claims["aud"], claims["email"]) == (server.issuer, "asking", "alice@example.com")


async def test_the_default_is_json(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """Core section 5.3.2: the claims are JSON, if they are neither signed nor encrypted, without `iss` and `aud`."""
    response = await userinfo(server, (await rp.sign_in(person))["access_token"])
    assert response.headers["content-type"] == "application/json"
    assert not {"iss", "aud"} & response.json().keys()


@pytest.mark.parametrize("metadata", [{"userinfo_signed_response_alg": "RS256"}, ENCRYPTED])
async def test_an_error_is_no_jwt(server: RunningServer, person: Person, metadata: dict[str, Any]) -> None:
    """Core section 5.3.3, RFC 6750 section 3."""
    rp = await asking(server, **metadata)
    tokens = await rp.sign_in(person)
    await rp.post("/revoke", token=tokens["access_token"])
    response = await userinfo(server, tokens["access_token"])
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
    assert response.headers["www-authenticate"].startswith("Bearer ")


async def test_without_a_key_nothing_is_told(server: RunningServer, person: Person) -> None:
    """Core section 10.2.1: nothing leaves in the clear for want of a key."""
    rp = await asking(server, userinfo_encrypted_response_alg="ECDH-ES", jwks_uri="https://client.invalid/jwks")
    response = await userinfo(server, (await rp.sign_in(person))["access_token"])
    assert (response.status_code, response.json()["error"]) == (400, "unauthorized_client")
    assert "alice" not in response.text


async def test_an_algorithm_that_is_switched_off_is_an_error_and_no_other_is_taken(
    server: RunningServer, person: Person
) -> None:
    """Dynamic Client Registration section 2: the algorithm is REQUIRED for signing."""
    rp = await asking(server, userinfo_signed_response_alg="PS256")
    response = await userinfo(server, (await rp.sign_in(person))["access_token"])
    assert (response.status_code, response.json()["error"]) == (400, "unauthorized_client")


async def test_a_bound_token_gets_it_too(server: RunningServer, person: Person) -> None:
    """RFC 9449 section 7.1."""
    rp = await asking(server, userinfo_signed_response_alg="RS256")
    prover = Prover(server)
    tokens = await prover.sign_in(rp, person)
    _, claims = await rp.verified((await prover.userinfo(tokens["access_token"])).text)
    assert claims["email"] == "alice@example.com"


async def test_it_is_taken_for_nothing_else(server: RunningServer, person: Person) -> None:
    """RFC 8725 section 3.11: neither for an ID token as a hint nor for an access token."""
    rp = await asking(server, userinfo_signed_response_alg="RS256")
    signed = (await userinfo(server, (await rp.sign_in(person))["access_token"])).text
    assert (await userinfo(server, signed)).status_code == 401
    await person.visit(rp.url(id_token_hint=signed, prompt="none"))
    assert person.answer()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "metadata",
    [
        {"userinfo_signed_response_alg": "none"},
        {"userinfo_signed_response_alg": "HS256"},
        {"userinfo_encrypted_response_alg": "RSA1_5", "jwks": Confidant("RSA").jwks},
        {"userinfo_encrypted_response_alg": "ECDH-ES"},
        {"userinfo_encrypted_response_alg": "ECDH-ES", "jwks": Confidant("RSA").jwks},
        {"userinfo_encrypted_response_enc": "A128GCM", "jwks": Confidant().jwks},
    ],
)
def test_metadata_that_could_never_be_met_is_refused(metadata: dict[str, Any]) -> None:
    """Dynamic Client Registration section 2."""
    with pytest.raises(InvalidClientMetadata):
        validate({**LEAST, **metadata})


@pytest.mark.parametrize(
    "overrides", [{"client_registration": "open", "encryption_algorithms": ("ECDH-ES",)}], indirect=True
)
async def test_a_client_registers_it_by_itself(server: RunningServer) -> None:
    """Dynamic Client Registration section 3.2: what is registered is what the server does, or it says no."""
    wish = {"userinfo_signed_response_alg": "RS256", **ENCRYPTED, "request_object_encryption_alg": "ECDH-ES"}
    refusals = (
        {"userinfo_signed_response_alg": "PS256"},
        {"introspection_signed_response_alg": "ES256"},
        {"authorization_signed_response_alg": "EdDSA"},
        {"request_object_encryption_alg": "RSA-OAEP-256"},
        {"jwks": Confidant("RSA").jwks},
    )
    async with server.http() as http:
        made = await http.post("/register", json={**LEAST, **wish})
        assert made.status_code == 201
        assert wish.items() <= made.json().items()
        for wrong in refusals:
            refused = await http.post("/register", json={**LEAST, **wish, **wrong})
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client_metadata")


async def test_metadata_announces_it(server: RunningServer) -> None:
    """Discovery 1.0 section 3: `none` is not offered."""
    async with server.http() as http:
        metadata = (await http.get("/.well-known/openid-configuration")).json()
    assert metadata["userinfo_signing_alg_values_supported"] == ["RS256"]
    assert metadata["userinfo_encryption_alg_values_supported"] == list(ALGORITHMS)
    assert metadata["userinfo_encryption_enc_values_supported"] == list(CONTENT)
