"""Bound tokens at protected resources, and the proofs that go with them: RFC 9449 section 7."""

import asyncio

from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def test_a_bound_token_opens_userinfo_with_a_proof(person: Person, rp: RelyingParty, prover: Prover) -> None:
    """Section 7.1."""
    token = (await prover.sign_in(rp, person))["access_token"]
    response = await prover.userinfo(token)
    assert response.status_code == 200, response.text
    assert response.json()["sub"]


async def test_a_bound_token_opens_the_account_api_with_a_proof(
    server: RunningServer, person: Person, prover: Prover
) -> None:
    """Section 7.1."""
    rp = RelyingParty(server, "account", await server.add_client("account", scope="openid account"))
    token = (await prover.sign_in(rp, person, scope="openid account"))["access_token"]
    path = "/api/auth/me"
    async with server.http() as http:
        headers = {"authorization": f"DPoP {token}", "dpop": prover.proof(path, "GET", token=token)}
        assert (await http.get(path, headers=headers)).status_code == 200
        again = await http.get(path, headers=headers)
        assert again.status_code == 401
        assert 'error="invalid_dpop_proof"' in again.headers["www-authenticate"]
        assert (await http.get(path, headers={"authorization": f"Bearer {token}"})).status_code == 401


async def test_a_bound_token_is_refused_as_bearer_and_a_bearer_token_as_dpop(
    person: Person, rp: RelyingParty, prover: Prover
) -> None:
    """Sections 7.1 and 7.2."""
    bound = (await prover.sign_in(rp, person))["access_token"]
    stolen = await rp.userinfo(bound)
    assert stolen.status_code == 401
    assert stolen.headers["www-authenticate"].startswith('DPoP realm="ostiary"')
    assert 'algs="RS256 PS256 ES256 EdDSA"' in stolen.headers["www-authenticate"]
    assert 'error="invalid_token"' in stolen.headers["www-authenticate"]
    assert (await prover.userinfo(bound, scheme="Bearer")).status_code == 401
    plain = (await rp.sign_in(person))["access_token"]
    assert (await rp.userinfo(plain)).status_code == 200
    dressed_up = await prover.userinfo(plain)
    assert dressed_up.status_code == 401
    assert 'error="invalid_token"' in dressed_up.headers["www-authenticate"]


async def test_at_a_resource_the_proof_is_for_this_token_by_its_key_and_used_once(
    server: RunningServer, person: Person, rp: RelyingParty, prover: Prover
) -> None:
    """Sections 4.3 check 12, 7.1 and 11.1."""
    token = (await prover.sign_in(rp, person))["access_token"]
    used = prover.proof("/userinfo", "GET", token=token)
    assert (await prover.userinfo(token, used)).status_code == 200
    wrong = {
        "used": used,
        "without ath": prover.proof("/userinfo", "GET"),
        "for another token": prover.proof("/userinfo", "GET", token=f"{token}x"),
        "for another endpoint": prover.proof("/token", "GET", token=token),
        "for another method": prover.proof("/userinfo", "POST", token=token),
        "old": prover.proof("/userinfo", "GET", token=token, iat=server.clock.now() - 61),
        "ath of another kind": prover.proof("/userinfo", "GET", ath=5),
        "nothing": "",
    }
    for name, proof in wrong.items():
        response = await prover.userinfo(token, proof)
        assert response.status_code == 401, name
        assert 'error="invalid_dpop_proof"' in response.headers["www-authenticate"], name
        assert response.headers["www-authenticate"].startswith("DPoP "), name
    thief = Prover(server)
    response = await thief.userinfo(token)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")


async def test_of_parallel_requests_to_a_resource_with_one_proof_one_succeeds(
    person: Person, rp: RelyingParty, prover: Prover
) -> None:
    """Section 11.1."""
    token = (await prover.sign_in(rp, person))["access_token"]
    proof = prover.proof("/userinfo", "GET", token=token)
    responses = await asyncio.gather(*(prover.userinfo(token, proof) for _ in range(8)))
    assert sorted(response.status_code for response in responses) == [200] + [401] * 7
