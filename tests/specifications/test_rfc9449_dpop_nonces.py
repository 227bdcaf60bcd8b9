"""Nonces of the server in DPoP proofs: RFC 9449 sections 8 and 9."""

import pytest

from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

SERVICE = {"grant_type": "client_credentials"}
NONCES = pytest.mark.parametrize("overrides", [{"dpop_nonce": True}], indirect=True)


@NONCES
async def test_a_server_that_wants_nonces_hands_them_out_at_the_token_endpoint(
    person: Person, rp: RelyingParty, prover: Prover
) -> None:
    """Section 8."""
    code = await rp.code_for(person)
    first = await prover.redeem(rp, code)
    assert (first.status_code, first.json()["error"]) == (400, "use_dpop_nonce")
    nonce = first.headers["dpop-nonce"]
    second = await prover.redeem(rp, code, prover.proof(nonce=nonce))
    assert (second.status_code, second.json()["token_type"]) == (200, "DPoP")
    assert second.headers["dpop-nonce"] == nonce


@NONCES
async def test_a_server_that_wants_nonces_hands_them_out_at_userinfo(
    person: Person, rp: RelyingParty, prover: Prover
) -> None:
    """Section 9."""
    code = await rp.code_for(person)
    nonce = (await prover.redeem(rp, code)).headers["dpop-nonce"]
    token = (await prover.redeem(rp, code, prover.proof(nonce=nonce))).json()["access_token"]
    first = await prover.userinfo(token)
    assert first.status_code == 401
    assert 'DPoP realm="ostiary"' in first.headers["www-authenticate"]
    assert 'error="use_dpop_nonce"' in first.headers["www-authenticate"]
    proof = prover.proof("/userinfo", "GET", token=token, nonce=first.headers["dpop-nonce"])
    second = await prover.userinfo(token, proof)
    assert second.status_code == 200
    assert second.headers["dpop-nonce"]


@NONCES
async def test_a_nonce_ends_and_cannot_be_made_up(server: RunningServer, service: RelyingParty, prover: Prover) -> None:
    """Section 8."""
    nonce = (await prover.post(service, **SERVICE)).headers["dpop-nonce"]
    for wrong in ("", "x", f"{nonce}x", 5, [nonce]):
        response = await prover.post(service, prover.proof(nonce=wrong), **SERVICE)
        assert response.json()["error"] == "use_dpop_nonce"
    assert (await prover.post(service, prover.proof(nonce=nonce), **SERVICE)).status_code == 200
    server.clock.advance(120)
    assert (await prover.post(service, prover.proof(nonce=nonce), **SERVICE)).status_code == 200
    server.clock.advance(240)
    late = await prover.post(service, prover.proof(nonce=nonce), **SERVICE)
    assert late.json()["error"] == "use_dpop_nonce"
    assert late.headers["dpop-nonce"] != nonce


@NONCES
async def test_a_push_brings_the_nonce_of_the_next_proof(rp: RelyingParty, prover: Prover) -> None:
    """Section 8.2: with a success as with an error, so that the token request need not be tried twice."""
    plain = await rp.post("/par", **rp.parameters())
    assert plain.status_code == 201
    pushed = await prover.post(
        rp, prover.proof("/par", nonce=plain.headers["dpop-nonce"]), path="/par", **rp.parameters()
    )
    assert pushed.status_code == 201
    assert pushed.headers["dpop-nonce"] == plain.headers["dpop-nonce"]
    wrong = await rp.post("/par", **rp.parameters(scope="no:such"))
    assert (wrong.status_code, "dpop-nonce" in wrong.headers) == (400, True)


async def test_without_nonces_no_answer_has_one(rp: RelyingParty, prover: Prover) -> None:
    """Section 8."""
    for answer in (await rp.post("/par", **rp.parameters()), await prover.post(rp, path="/par", **rp.parameters())):
        assert answer.status_code == 201
        assert "dpop-nonce" not in answer.headers
