"""FAPI 2.0 Security Profile (final): algorithms, audiences and times of what is signed, sections 5.3.2.1 and 5.4."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from keys.jose import Signer, signer_of
from tests.support.high_security import JWKS, HighSecurityClient, refused, register
from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

ALGORITHMS = ("PS256", "ES256", "EdDSA")
OVERRIDES = {"signing_algorithms": ("ES256",), "authorization_code_seconds": 300}
MIXED = pytest.mark.parametrize("overrides", [{"signing_algorithms": ("RS256", *ALGORITHMS)}], indirect=True)


@pytest.fixture
async def bank(server: RunningServer) -> HighSecurityClient:
    """A client of the profile."""
    return await register(server)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_assertions_and_proofs_may_be_signed_with(
    person: Person, bank: HighSecurityClient, algorithm: str
) -> None:
    """Section 5.4.1."""
    bank.algorithm, bank.prover = algorithm, Prover(bank.server, algorithm)
    tokens = await bank.tokens(person)
    assert (await bank.prover.userinfo(tokens["access_token"])).status_code == 200


async def test_rs256_is_refused_everywhere(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.4.1: in assertions, proofs and request objects, although others may use it here."""
    refused(await bank.send("/par", assertion=bank.assertion("RS256"), **bank.parameters()), "invalid_client", 401)
    refused(await bank.push_signed(bank.request_object("RS256")), "invalid_request_object")
    code = await bank.pushed_code(person)
    refused(await bank.exchange(code, proof=Prover(bank.server, "RS256").proof()), "invalid_dpop_proof")
    proof = Prover(bank.server, "RS256").proof("/par")
    refused(await bank.send("/par", proof=proof, **bank.parameters()), "invalid_dpop_proof")


async def test_a_proof_of_the_same_key_in_a_weaker_way_is_refused_at_userinfo(
    person: Person, bank: HighSecurityClient
) -> None:
    """Section 5.4.1, at the resource server."""
    strong = bank.prover = Prover(bank.server, "PS256")
    tokens = await bank.tokens(person)
    weak = Prover(bank.server, "RS256")
    weak.pair = strong.pair
    weak.signer = _as_rs256(strong)
    assert weak.jkt == strong.jkt
    assert (await weak.userinfo(tokens["access_token"])).status_code == 401
    assert (await strong.userinfo(tokens["access_token"])).status_code == 200


def _as_rs256(prover: Prover) -> Signer:
    private: Any = load_der_private_key(prover.pair.private_der, None)
    return signer_of(prover.pair.kid, "RS256", private)


@MIXED
async def test_what_we_sign_is_strong_although_the_server_prefers_rs256(
    person: Person, bank: HighSecurityClient
) -> None:
    """Section 5.4.1: the first active algorithm that the profile allows, for both tokens."""
    tokens = await bank.tokens(person)
    for name in ("id_token", "access_token"):
        header, _ = await bank.verified(tokens[name])
        assert header["alg"] == "PS256"
    await bank.server.change_client(bank.client_id, id_token_signed_response_alg="ES256")
    header, _ = await bank.verified((await bank.tokens(person))["id_token"])
    assert header["alg"] == "ES256"
    await bank.server.change_client(bank.client_id, id_token_signed_response_alg="RS256")
    refused(await bank.push(), "unauthorized_client")


@pytest.mark.parametrize("overrides", [{"signing_algorithms": ("RS256",)}], indirect=True)
async def test_where_no_strong_algorithm_is_active_the_client_is_refused(bank: HighSecurityClient) -> None:
    """Section 5.4.1: rather nothing than RS256."""
    refused(await bank.push(), "unauthorized_client")


@MIXED
async def test_other_clients_keep_what_they_have(person: Person, bank: HighSecurityClient, rp: RelyingParty) -> None:
    """The profile is a client's, not the server's."""
    assert bank.server is rp.server
    tokens = await rp.sign_in(person)
    header, _ = await rp.verified(tokens["id_token"])
    assert (header["alg"], tokens["token_type"]) == ("RS256", "Bearer")


async def test_the_audience_of_an_assertion_is_the_issuer_as_one_string(bank: HighSecurityClient) -> None:
    """Section 5.3.2.1."""
    url = bank.server.settings.url
    for audience in (url("/token"), url("/par"), [bank.server.issuer], [bank.server.issuer, url("/par")], None, ""):
        assertion = bank.assertion(aud=audience)
        refused(await bank.send("/par", assertion=assertion, **bank.parameters()), "invalid_client", 401)
    assert (await bank.push()).status_code == 201


async def test_elsewhere_the_token_endpoint_is_an_audience_too(bank: HighSecurityClient) -> None:
    """OpenID Connect Core section 9: for clients without the profile."""
    await bank.server.add_service("job", token_endpoint_auth_method="private_key_jwt", jwks=JWKS)
    job = HighSecurityClient(bank.server, "job")
    assertion = job.assertion(aud=bank.server.settings.url("/token"))
    response = await job.send("/token", assertion=assertion, proof="", grant_type="client_credentials")
    assert response.status_code == 200, response.text


async def test_an_assertion_is_used_once(bank: HighSecurityClient) -> None:
    """RFC 7523 section 3."""
    assertion = bank.assertion()
    assert (await bank.send("/par", assertion=assertion, proof="", **bank.parameters())).status_code == 201
    again = await bank.send("/par", assertion=assertion, proof="", **bank.parameters())
    refused(again, "invalid_client", 401)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_clocks_may_differ_by_ten_seconds_and_not_by_more_than_sixty(
    bank: HighSecurityClient, claim: str
) -> None:
    """Section 5.3.2.1: JWTs of up to 10 seconds ahead are accepted, beyond 60 refused; by either claim."""
    now = bank.server.clock.now()
    for ahead, status in ((10, 201), (61, 401)):
        times: dict[str, Any] = {claim: now + ahead, "exp": now + 120}
        assertion = bank.assertion(**times)
        response = await bank.send("/par", assertion=assertion, proof="", **bank.parameters())
        assert response.status_code == status, (ahead, response.text)
    for ahead, status in ((10, 201), (61, 400)):
        times = {claim: now + ahead}
        response = await bank.push_signed(bank.request_object(**times))
        assert response.status_code == status, (ahead, response.text)


async def test_proofs_may_be_ten_seconds_ahead_and_not_more_than_sixty(bank: HighSecurityClient) -> None:
    """Section 5.3.2.1."""
    now = bank.server.clock.now()
    for ahead, status in ((10, 201), (61, 400)):
        proof = bank.prover.proof("/par", iat=now + ahead)
        response = await bank.send("/par", proof=proof, **bank.parameters())
        assert response.status_code == status, (ahead, response.text)
