"""FAPI 1.0 Advanced (Part 2): what a client with the security profile `fapi1-advanced` gets, and what it is refused."""

import base64
import hashlib
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from cryptography.x509 import DNSName

from clients.metadata import InvalidClientMetadata, validate
from tests.support.certificates import ShownCertificate, make
from tests.support.high_security import JWKS, HighSecurityClient
from tests.support.person import Person
from tests.support.server import RunningServer
from tests.support.tls_proxy import ON, PROXY, headers_of

METADATA: dict[str, Any] = {
    "security_profile": "fapi1-advanced",
    "token_endpoint_auth_method": "private_key_jwt",
    "tls_client_certificate_bound_access_tokens": True,
    "jwks": JWKS,
    "redirect_uris": ["https://client.example/cb"],
    "response_types": ["code", "code id_token"],
    "grant_types": ["authorization_code", "implicit", "refresh_token"],
    "scope": "openid profile",
}


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings of a server with mutual TLS and the hybrid flow."""
    algorithms = ("EdDSA", "ES256")
    return {**ON, "signing_algorithms": algorithms, "response_types": ("code", "code id_token", "id_token token")}


@pytest.fixture
async def bank(server: RunningServer) -> HighSecurityClient:
    """A client of the profile."""
    await server.add_client("bank", **METADATA)
    return HighSecurityClient(server, "bank", scope="openid profile")


@pytest.fixture
def shown(server: RunningServer) -> ShownCertificate:
    """The certificate that its tokens are bound to."""
    return make(server.clock.now(), "CN=client,O=Shop", DNSName("client.example"))


def signed_url(bank: HighSecurityClient, token: str | None = None, **changes: Any) -> str:
    values = {"client_id": bank.client_id, "scope": "openid", "response_type": "code id_token"}
    query = {**values, "request": token or bank.request_object(response_type="code id_token", **changes)}
    return f"{bank.server.issuer}/authorize?{urlencode(query)}"


async def answer(person: Person, url: str) -> dict[str, str]:
    await person.visit(url)
    if person.left_for is None:
        await person.sign_in()
        await person.postpone()
        await person.consent()
    return person.answer()


async def redeem(bank: HighSecurityClient, code: str, certificate: ShownCertificate | None) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": bank.redirect_uri}
    form |= {"code_verifier": bank.verifier, "client_assertion": bank.assertion()}
    form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    async with bank.server.http(address=PROXY, headers=headers_of(certificate)) as http:
        return await http.post("/token", data=form)


def half_hash(value: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()


async def test_a_whole_hybrid_sign_in(person: Person, bank: HighSecurityClient, shown: ShownCertificate) -> None:
    """Section 5.2.2: a signed request, the ID token as detached signature with c_hash and s_hash, a bound token."""
    first = await answer(person, signed_url(bank))
    header, claims = await bank.verified(first["id_token"])
    assert header["alg"] == "ES256"  # not EdDSA, although it comes first here
    assert (claims["s_hash"], claims["c_hash"]) == (half_hash(bank.state), half_hash(first["code"]))
    response = await redeem(bank, first["code"], shown)
    assert response.status_code == 200, response.text
    _, claims = await bank.verified(response.json()["access_token"])
    assert claims["cnf"] == {"x5t#S256": shown.thumbprint}


async def test_a_code_alone_needs_a_signed_answer(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.2.2 clause 2: code id_token, or code with response_mode jwt."""
    pushed = await bank.push()
    assert (pushed.status_code, pushed.json()["error"]) == (400, "invalid_request")
    signed = await bank.answer(person, await bank.push(response_mode="jwt"))
    _, claims = await bank.verified(signed["response"])
    assert claims["state"] == bank.state


async def test_a_request_is_signed_or_pushed(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.2.2 clause 1."""
    await person.visit(bank.url(response_type="code id_token"))
    assert person.answer()["error"] == "invalid_request"


async def test_a_pushed_request_needs_pkce(bank: HighSecurityClient) -> None:
    """Section 5.2.2 clause 18."""
    response = await bank.push(response_mode="jwt", code_challenge=None, code_challenge_method=None)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("times", [{"nbf": None}, {"exp": None}, {"nbf": -3601}, {"nbf": -600, "exp": 3001}])
async def test_a_request_object_is_good_for_an_hour_at_most(
    person: Person, bank: HighSecurityClient, times: dict[str, int | None]
) -> None:
    """Section 5.2.2 clauses 13 and 17."""
    now = bank.server.clock.now()
    changes: dict[str, Any] = {name: None if value is None else now + value for name, value in times.items()}
    await person.visit(signed_url(bank, **changes))
    assert "invalid_request_object" in person.text


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
async def test_only_ps256_and_es256_sign(person: Person, bank: HighSecurityClient, algorithm: str) -> None:
    """Section 8.6."""
    await person.visit(signed_url(bank, bank.request_object(algorithm, response_type="code id_token")))
    assert "invalid_request_object" in person.text
    response = await bank.send("/par", assertion=bank.assertion(algorithm), **bank.parameters())
    assert response.status_code == 401


async def test_tokens_are_bound_to_a_certificate_and_nothing_else(
    server: RunningServer, person: Person, bank: HighSecurityClient, shown: ShownCertificate
) -> None:
    """Section 5.2.2 clauses 5 and 6: mutual TLS, whatever the metadata says."""
    first = await answer(person, signed_url(bank))
    assert (await redeem(bank, first["code"], None)).json()["error"] == "invalid_request"
    await server.change_client("bank", tls_client_certificate_bound_access_tokens=False)
    refused = await bank.exchange(first["code"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert (await redeem(bank, first["code"], shown)).json()["error"] == "invalid_request"


async def test_tokens_never_travel_through_the_browser(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.2.2 clause 2, whatever the metadata says."""
    await bank.server.change_client("bank", response_types=["id_token token", "code id_token"])
    token = bank.request_object(response_type="id_token token")
    await person.visit(signed_url(bank, token).replace("code+id_token", "id_token+token"))
    assert person.answer()["error"] == "unauthorized_client"


async def test_a_code_id_token_of_another_client_has_no_s_hash(server: RunningServer, person: Person) -> None:
    """The claim is this profile's."""
    metadata = {**METADATA, "security_profile": None, "tls_client_certificate_bound_access_tokens": False}
    await server.add_client("plain", **metadata)
    plain = HighSecurityClient(server, "plain", scope="openid profile")
    _, claims = await plain.verified((await answer(person, signed_url(plain)))["id_token"])
    assert "s_hash" not in claims


@pytest.mark.parametrize(
    "weaker",
    [
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"tls_client_certificate_bound_access_tokens": False},
        {"response_types": ["code", "id_token token"]},
        {"id_token_signed_response_alg": "EdDSA"},
        {"redirect_uris": ["http://localhost/cb"]},
    ],
    ids=lambda given: next(iter(given)),
)
def test_metadata_that_contradicts_the_profile_cannot_be_registered(weaker: dict[str, Any]) -> None:
    """Section 5.2.2."""
    assert validate(METADATA)["security_profile"] == "fapi1-advanced"
    with pytest.raises(InvalidClientMetadata):
        validate({**METADATA, **weaker})
