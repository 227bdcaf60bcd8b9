"""OpenID Foundation FAPI 2.0 plans: the modules that no other file walks through. See docs/certification.md."""

from typing import Any

import httpx
import pytest

from tests.keys.material import signer
from tests.support.high_security import HighSecurityClient, register
from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.server import RunningServer


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings of a server that has a strong algorithm."""
    return {"signing_algorithms": ("ES256",)}


@pytest.fixture
async def bank(server: RunningServer) -> HighSecurityClient:
    """The plan's first client."""
    return await register(server)


def refused(response: httpx.Response, error: str, status: int = 400) -> None:
    assert (response.status_code, response.json()["error"]) == (status, error), response.text


async def test_user_rejects_authentication(person: Person, bank: HighSecurityClient) -> None:
    await person.visit(bank.reference(await bank.push()))
    await person.sign_in()
    await person.postpone()
    await person.consent("deny")
    answer = person.answer()
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", bank.state, bank.server.issuer)


async def test_ensure_authorization_request_without_state_and_nonce_success(
    person: Person, bank: HighSecurityClient
) -> None:
    answer = await bank.answer(person, await bank.push(state=None, nonce=None))
    assert answer.keys() == {"code", "iss"}
    _, claims = await bank.verified((await bank.exchange(answer["code"])).json()["id_token"])
    assert "nonce" not in claims


async def test_ensure_authorization_request_with_long_nonce_and_state(person: Person, bank: HighSecurityClient) -> None:
    nonce, state = "n" * 384, "s" * 384
    answer = await bank.answer(person, await bank.push(state=state, nonce=nonce))
    assert answer["state"] == state
    _, claims = await bank.verified((await bank.exchange(answer["code"])).json()["id_token"])
    assert claims["nonce"] == nonce


async def test_ensure_other_scope_order_succeeds(person: Person, bank: HighSecurityClient) -> None:
    assert "id_token" in await bank.tokens(person, scope="email openid")


async def test_claims_parameter_identity_claims(person: Person, bank: HighSecurityClient) -> None:
    tokens = await bank.tokens(person, scope="openid email", claims='{"id_token":{"email":{"essential":true}}}')
    _, claims = await bank.verified(tokens["id_token"])
    assert claims["email"] == "alice@example.com"


async def test_access_token_type_header_case_sensitivity(person: Person, bank: HighSecurityClient) -> None:
    """RFC 9110 section 11.1."""
    token = (await bank.tokens(person))["access_token"]
    for scheme in ("DPoP", "dpop", "DPOP"):
        assert (await bank.prover.userinfo(token, scheme=scheme)).status_code == 200


@pytest.mark.parametrize("claims", [{"nbf": 0, "exp": 60}, {"iat": -10}, {"iat": 10}], ids=str)
async def test_dpop_proofs_that_are_accepted(person: Person, bank: HighSecurityClient, claims: dict[str, int]) -> None:
    """check-dpop-proof-nbf-exp, ensure-dpopproof-with-iat-10seconds-before-succeeds and -after-."""
    now = bank.server.clock.now()
    times: dict[str, Any] = {name: now + value for name, value in claims.items()}
    proof = bank.prover.proof(**times)
    assert (await bank.exchange(await bank.pushed_code(person), proof=proof)).status_code == 200


async def test_ensure_mismatched_dpop_jkt_fails(bank: HighSecurityClient) -> None:
    """RFC 9449 section 10.1."""
    form = bank.parameters(dpop_jkt=Prover(bank.server).jkt)
    refused(await bank.send("/par", **form), "invalid_request")


async def test_ensure_dpopproof_at_par_endpoint_binding(person: Person, bank: HighSecurityClient) -> None:
    """ensure-dpopproof-at-par-endpoint-binding-success, ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt."""
    answer = await bank.answer(person, await bank.send("/par", **bank.parameters()))
    refused(await bank.exchange(answer["code"], proof=Prover(bank.server).proof()), "invalid_grant")
    assert (await bank.exchange(answer["code"])).status_code == 200


async def test_state_outside_the_request_object_is_not_used(person: Person, bank: HighSecurityClient) -> None:
    """ensure-different-state-inside-and-outside-request-object, state-only-outside-request-object-not-used."""
    answer = await bank.answer(person, await bank.push_signed(bank.request_object(state="inside"), state="outside"))
    assert answer["state"] == "inside"
    answer = await bank.answer(person, await bank.push_signed(bank.request_object(state=None), state="outside"))
    assert "state" not in answer


async def test_ensure_request_object_without_redirect_uri_fails(bank: HighSecurityClient) -> None:
    refused(await bank.push_signed(bank.request_object(redirect_uri=None)), "invalid_request")


async def test_ensure_matching_key_in_authorization_request(server: RunningServer, bank: HighSecurityClient) -> None:
    foreign = signer("ES256", 2).sign({"iss": "bank", "aud": server.issuer, **bank.parameters()}, typ="JWT")
    refused(await bank.push_signed(foreign), "invalid_request_object")


async def test_ensure_registered_redirect_uri(bank: HighSecurityClient) -> None:
    """And plain-fapi-tolerate-unregistered-redirect-uri, which may be refused as well."""
    for uri in ("https://client.example/cb/", "https://client.example/cb?x=1", "https://evil.example/cb"):
        refused(await bank.push(redirect_uri=uri), "invalid_request")


async def test_a_registered_redirect_uri_keeps_its_query(server: RunningServer, person: Person) -> None:
    """The suite's second client has one: ...?dummy1=lorem&dummy2=ipsum."""
    uri = "https://client.example/cb?dummy1=lorem&dummy2=ipsum"
    second = await register(server, "second", redirect_uris=[uri])
    second.redirect_uri = uri
    answer = await second.answer(person, await second.push())
    assert (answer["dummy1"], answer["dummy2"], answer["state"]) == ("lorem", "ipsum", second.state)


async def test_client_assertions_that_are_refused(bank: HighSecurityClient) -> None:
    """ensure-client-assertion-with-exp-is-5-minutes-in-past-fails, -with-no-sub-fails, ensure-invalid-...-fail."""
    now = bank.server.clock.now()
    wrong: tuple[dict[str, Any], ...] = (
        {"exp": now - 300},
        {"sub": None},
        {"iss": None},
        {"aud": None},
        {"exp": None},
        {"jti": None},
        {"iss": "other"},
        {"sub": "other"},
    )
    for changes in wrong:
        response = await bank.send("/par", assertion=bank.assertion(**changes), proof="", **bank.parameters())
        refused(response, "invalid_client", 401)
    assert (await bank.push()).status_code == 201


async def test_ensure_client_assertion_and_client_id_in_token_endpoint(
    server: RunningServer, person: Person, bank: HighSecurityClient
) -> None:
    """ensure-client-assertion-in-token-endpoint, ensure-client-id-in-token-endpoint."""
    await register(server, "second")
    code = await bank.pushed_code(person)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": bank.verifier, "client_id": "bank"}
    async with server.http(headers={"dpop": bank.prover.proof()}) as http:
        refused(await http.post("/token", data=form), "invalid_client", 401)
    refused(await bank.exchange(code, client_id="second"), "invalid_client", 401)
    assert (await bank.exchange(code, client_id="bank")).status_code == 200


async def test_ensure_authorization_code_is_bound_to_client(
    server: RunningServer, person: Person, bank: HighSecurityClient
) -> None:
    second = await register(server, "second")
    second.verifier = bank.verifier
    code = await bank.pushed_code(person)
    refused(await second.exchange(code), "invalid_grant")
    assert (await bank.exchange(code)).status_code == 200


async def test_par_reuse_of_a_request_uri(person: Person, bank: HighSecurityClient) -> None:
    """par-ensure-reused-request-uri-prior-to-auth-completion-succeeds, par-attempt-reuse-request_uri."""
    pushed = await bank.push()
    await person.visit(bank.reference(pushed))
    assert person.title == "Sign in"
    assert "code" in await bank.answer(person, pushed)
    await person.visit(bank.reference(pushed))
    assert person.left_for is None
    assert "invalid_request_uri" in person.text


async def test_par_requests_that_are_refused(bank: HighSecurityClient) -> None:
    """par-authorization-request-containing-request_uri(-form-param), par-attempt-invalid-http-method."""
    request_uri = (await bank.push()).json()["request_uri"]
    refused(await bank.push(request_uri=request_uri), "invalid_request")
    refused(await bank.push_signed(bank.request_object(request_uri=request_uri)), "invalid_request_object")
    async with bank.server.http() as http:
        for method in ("GET", "PUT"):
            assert (await http.request(method, "/par")).status_code == 405


async def test_a_refresh_needs_the_client_and_its_proof(person: Person, bank: HighSecurityClient) -> None:
    """refresh-token: a fresh key is fine, no client authentication is not."""
    token = (await bank.tokens(person))["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "bank"}
    async with bank.server.http(headers={"dpop": bank.prover.proof()}) as http:
        refused(await http.post("/token", data=form), "invalid_client", 401)
    assert (await bank.renew(token, proof=Prover(bank.server).proof())).status_code == 200
