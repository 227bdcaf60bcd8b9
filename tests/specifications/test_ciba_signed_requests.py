"""OpenID Connect CIBA Core 1.0: signed authentication requests, section 7.1.1."""

import asyncio
import secrets
from typing import Any

import httpx
import pytest

from tests.keys.material import key_pair, segment, signer
from tests.support.account import enter
from tests.support.asking import ALICE, REQUESTS, SCOPE, client, decide, poll_error, refused, tokens_of
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

JWKS = {"keys": [key_pair("ES256").public_jwk, key_pair("PS256").public_jwk]}
NOW = 1_790_000_000

MALFORMED: tuple[dict[str, Any], ...] = (
    {"iss": None},
    {"iss": "web"},
    {"sub": "bank"},
    {"aud": None},
    {"aud": "https://other.example"},
    {"aud": 5},
    {"exp": None},
    {"exp": NOW - 600},
    {"exp": NOW + 3600 + 61},
    {"nbf": None},
    {"nbf": NOW + 600},
    {"iat": None},
    {"iat": NOW + 600},
    {"jti": None},
    {"jti": 5},
    {"jti": "x" * 256},
    {"binding_message": "\ud800"},
    {"scope": None},
    {"login_hint": None},
    {"id_token_hint": "e30.e30.e30"},
    {"requested_expiry": "soon"},
)


@pytest.fixture
async def bank(server: RunningServer) -> RelyingParty:
    """A client that signs its requests."""
    return await client(server, jwks=JWKS, backchannel_authentication_request_signing_alg="ES256")


def _claims(rp: RelyingParty, **changes: Any) -> dict[str, Any]:
    now = rp.server.clock.now()
    token = {"iss": "bank", "aud": rp.server.issuer, "iat": now, "nbf": now, "exp": now + 300}
    values = {**token, "jti": secrets.token_urlsafe(8), "scope": SCOPE, "login_hint": ALICE, **changes}
    return {name: value for name, value in values.items() if value is not None}


def _signed(rp: RelyingParty, algorithm: str = "ES256", number: int = 1, typ: str = "JWT", **changes: Any) -> str:
    return signer(algorithm, number).sign(_claims(rp, **changes), typ=typ)


async def _send(rp: RelyingParty, request: str, **beside: str) -> httpx.Response:
    return await rp.post("/bc-authorize", request=request, **beside)


async def _is_refused(rp: RelyingParty, request: str, **beside: str) -> bool:
    response = await _send(rp, request, **beside)
    if response.status_code == 200:
        return False
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request"), response.text
    return True


async def test_what_is_signed_is_what_the_person_decides_about(person: Person, bank: RelyingParty) -> None:
    """Section 7.1.1: all parameters are claims; requested_expiry may be a number."""
    response = await _send(bank, _signed(bank, binding_message="Basket 4711", requested_expiry=120))
    answer = response.json()
    assert (response.status_code, answer["expires_in"]) == (200, 120)
    await enter(person)
    await person.visit(REQUESTS)
    assert "Basket 4711" in person.text
    assert await poll_error(bank, answer) == "authorization_pending"
    await decide(person)
    assert (await tokens_of(bank, answer))["scope"] == SCOPE


async def test_a_client_that_signs_cannot_be_asked_for_without_its_key(bank: RelyingParty) -> None:
    """Section 4 and FAPI-CIBA section 5.2.2: with the algorithm registered, every request is signed."""
    assert await refused(bank) == "invalid_request"


async def test_a_client_that_does_not_sign_is_not_heard_signing(server: RunningServer) -> None:
    """Section 4: without the algorithm registered it does not send signed requests."""
    rp = await client(server, jwks=JWKS)
    assert await _is_refused(rp, _signed(rp))


async def test_a_security_profile_that_wants_signatures_wants_them_here(server: RunningServer) -> None:
    """FAPI-CIBA section 5.2.2."""
    await client(server, jwks=JWKS, token_endpoint_auth_method="private_key_jwt")
    await server.change_client("bank", security_profile="fapi1-advanced")
    now = server.clock.now()
    claims = {"iss": "bank", "sub": "bank", "aud": server.issuer, "iat": now, "exp": now + 60, "jti": "j"}
    form = {
        "scope": "openid",
        "login_hint": ALICE,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": signer("ES256").sign(claims, typ="JWT"),
    }
    async with server.http() as http:
        response = await http.post("/bc-authorize", data=form)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert response.json()["error_description"] == "The authentication request must be signed"


async def test_what_is_not_as_it_must_be_is_refused(bank: RelyingParty) -> None:
    """Section 7.1.1: iss, aud, exp, iat, nbf, jti; section 13."""
    for changes in MALFORMED:
        assert await _is_refused(bank, _signed(bank, **changes)), changes


async def test_its_times_may_have_a_fraction(bank: RelyingParty) -> None:
    """Section 7.1.1 with RFC 7519 section 2, NumericDate; it is still good once."""
    now = bank.server.clock.now()
    request = _signed(bank, iat=now - 0.5, nbf=now - 0.5, exp=now + 299.5)
    assert not await _is_refused(bank, request)
    assert await _is_refused(bank, request)


async def test_only_the_clients_key_and_algorithm_count(bank: RelyingParty) -> None:
    """Section 7.1.1: an asymmetric signature of the registered algorithm."""
    right = _signed(bank)
    header, payload, signature = right.split(".")
    unsigned = segment({"alg": "none", "typ": "JWT"})
    wrong = (
        _signed(bank, number=2),
        _signed(bank, "PS256"),
        f"{unsigned}.{payload}.",
        f"{unsigned}.{payload}.{signature}",
        f"{header}.{segment(_claims(bank, scope='openid'))}.{signature}",
        _signed(bank, typ="at+jwt"),
        "e30",
        "x" * 16_000,
    )
    for request in wrong:
        assert await _is_refused(bank, request), request[:40]
    assert not await _is_refused(bank, right)


async def test_nothing_stands_beside_a_signed_request(bank: RelyingParty) -> None:
    """Section 7.1.1: parameters must not be present outside of it."""
    for name, value in {
        "scope": SCOPE,
        "login_hint": ALICE,
        "binding_message": "x",
        "resource": "https://a.b/",
    }.items():
        assert await _is_refused(bank, _signed(bank), **{name: value}), name
    assert not await _is_refused(bank, _signed(bank), client_id="bank")


async def test_a_signed_request_is_good_once(bank: RelyingParty) -> None:
    """Section 7.1.1: jti prevents its reuse, also at once."""
    request = _signed(bank)
    responses = await asyncio.gather(*(_send(bank, request) for _ in range(6)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 5
