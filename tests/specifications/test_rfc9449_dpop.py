"""Demonstrating Proof of Possession: RFC 9449."""

import asyncio
from typing import Any

import httpx
import pytest

from keys.jose import SIGNING_ALGORITHMS
from tests.conftest import SettingsFor
from tests.support.person import Person
from tests.support.prover import Prover, segment
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

SERVICE = {"grant_type": "client_credentials"}


@pytest.fixture
async def spa(server: RunningServer) -> RelyingParty:
    """A public client."""
    await server.add_client("spa", token_endpoint_auth_method="none")
    return RelyingParty(server, "spa")


async def refused(service: RelyingParty, prover: Prover, proof: str) -> bool:
    response = await prover.post(service, proof, **SERVICE)
    if response.status_code == 200:
        return False
    assert (response.status_code, response.json()["error"]) == (400, "invalid_dpop_proof")
    assert response.headers["cache-control"] == "no-store"
    return True


async def test_a_token_is_bound_to_the_key_of_the_proof(server: RunningServer, service: RelyingParty) -> None:
    """Sections 5 and 6.1."""
    for algorithm in SIGNING_ALGORITHMS:
        prover = Prover(server, algorithm)
        response = await prover.post(service, **SERVICE)
        body = response.json()
        assert (response.status_code, body["token_type"]) == (200, "DPoP")
        _, claims = await service.verified(body["access_token"])
        assert claims["cnf"] == {"jkt": prover.jkt}


async def test_discovery_names_the_algorithms_of_proofs(server: RunningServer) -> None:
    """Section 5.1: asymmetric ones, and never none."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert document["dpop_signing_alg_values_supported"] == list(SIGNING_ALGORITHMS)


async def test_without_a_proof_the_token_is_bearer(service: RelyingParty) -> None:
    body = (await service.post("/token", **SERVICE)).json()
    assert body["token_type"] == "Bearer"
    _, claims = await service.verified(body["access_token"])
    assert "cnf" not in claims


async def test_a_client_that_must_use_dpop_gets_no_bearer_token(server: RunningServer, prover: Prover) -> None:
    """Section 5.2."""
    bound = RelyingParty(server, "bound", await server.add_service("bound", dpop_bound_access_tokens=True))
    response = await bound.post("/token", **SERVICE)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_dpop_proof")
    assert (await prover.post(bound, **SERVICE)).json()["token_type"] == "DPoP"


async def test_there_is_exactly_one_proof(server: RunningServer, service: RelyingParty, prover: Prover) -> None:
    """Section 4.3 check 1."""
    headers = [("dpop", prover.proof()), ("dpop", prover.proof())]
    async with server.http() as http:
        response = await http.post(
            "/token", data=SERVICE, headers=headers, auth=(service.client_id, service.client_secret)
        )
    assert response.json()["error"] == "invalid_dpop_proof"
    assert await refused(service, prover, f"{prover.proof()}, {prover.proof()}")


async def test_a_proof_is_a_well_formed_jwt(service: RelyingParty, prover: Prover) -> None:
    """Section 4.3 check 2."""
    for text in ("", "x", "a.b.c", "..", "e30.e30.", "{}", "x" * 9000):
        assert await refused(service, prover, text), text


@pytest.mark.parametrize("claim", ["jti", "htm", "htu", "iat"])
async def test_every_required_claim_is_there_and_right(service: RelyingParty, prover: Prover, claim: str) -> None:
    """Section 4.3 checks 3, 8, 9 and 11."""
    values: tuple[Any, ...] = (None, "", 1, True, [], "x" * 300)
    for value in values:
        assert await refused(service, prover, prover.proof(**{claim: value})), value


async def test_the_type_is_that_of_a_proof(service: RelyingParty, prover: Prover) -> None:
    """Section 4.3 check 4."""
    for typ in (None, "JWT", "at+jwt", "dpop", "application/jwt"):
        assert await refused(service, prover, prover.proof(header={"typ": typ})), typ


async def test_the_algorithm_is_an_asymmetric_one_that_goes_with_the_key(service: RelyingParty, prover: Prover) -> None:
    """Section 4.3 check 5."""
    for algorithm in (None, "none", "None", "HS256", "ES384", "RS512", "RS256", 5):
        assert await refused(service, prover, prover.proof(header={"alg": algorithm})), algorithm


async def test_the_signature_is_that_of_the_key_in_the_header(
    server: RunningServer, service: RelyingParty, prover: Prover
) -> None:
    """Section 4.3 check 6."""
    assert await refused(service, prover, prover.proof(header={"jwk": Prover(server).jwk}))
    head, payload, _ = prover.proof().split(".")
    assert await refused(service, prover, f"{head}.{payload}.")
    _, _, signed = prover.proof().split(".")
    assert await refused(service, prover, f"{head}.{payload}.{signed}")


async def test_the_key_in_the_header_is_public_and_of_a_safe_size(service: RelyingParty, prover: Prover) -> None:
    """Section 4.3 check 7, RFC 8725 section 3.5."""
    keys: list[Any] = [
        None,
        "",
        [],
        {},
        {**prover.jwk, "d": "AAAA"},
        {"kty": "oct", "k": segment(b"x" * 32)},
        {**prover.jwk, "crv": "P-521"},
        {**prover.jwk, "x": segment(bytes(32))},
        {"kty": "RSA", "n": segment(b"\xff" * 128), "e": "AQAB"},
        {"kty": "RSA", "n": segment(b"\xff" * 2000), "e": "AQAB"},
        {**prover.jwk, "use": "enc"},
    ]
    for key in keys:
        assert await refused(service, prover, prover.proof(header={"jwk": key})), key


async def test_critical_headers_are_refused(service: RelyingParty, prover: Prover) -> None:
    """RFC 7515 section 4.1.11."""
    assert await refused(service, prover, prover.proof(header={"crit": ["b64"], "b64": False}))


async def test_the_method_is_that_of_the_request(service: RelyingParty, prover: Prover) -> None:
    """Section 4.3 check 8."""
    for method in ("GET", "post", "POST "):
        assert await refused(service, prover, prover.proof(htm=method)), method


async def test_the_uri_is_that_of_the_endpoint_in_any_spelling(service: RelyingParty, prover: Prover) -> None:
    """Section 4.3 check 9, RFC 3986 section 6.2: without query and fragment, normalised."""
    spellings = (
        ("https://login.example.com/token", True),
        ("https://login.example.com/token?a=b#c", True),
        ("HTTPS://LOGIN.example.com:443/token", True),
        ("https://login.example.com/%74oken", True),
        ("https://login.example.com/x/../token", True),
        ("https://login.example.com/token/", False),
        ("https://login.example.com/Token", False),
        ("https://login.example.com/userinfo", False),
        ("http://login.example.com/token", False),
        ("https://login.example.com:8443/token", False),
        ("https://login.example.com@evil.example/token", False),
        ("https://evil@login.example.com/token", False),
        ("https://evil.example/token", False),
        ("//login.example.com/token", False),
        ("/token", False),
        ("https://[login.example.com/token", False),
        ("https://login.example.com/tok%C3%A9n", False),
    )
    for htu, is_accepted in spellings:
        assert await refused(service, prover, prover.proof(htu=htu)) is not is_accepted, htu


async def test_the_host_header_does_not_decide_where_a_proof_is_for(
    server: RunningServer, service: RelyingParty, prover: Prover
) -> None:
    """Section 11.2: a proof for another server is worth nothing here."""
    headers = {"host": "evil.example", "dpop": prover.proof(htu="https://evil.example/token")}
    async with server.http() as http:
        response = await http.post(
            "/token", data=SERVICE, headers=headers, auth=(service.client_id, service.client_secret)
        )
    assert response.json()["error"] == "invalid_dpop_proof"


async def test_a_proof_is_of_now(service: RelyingParty, prover: Prover) -> None:
    """Section 4.3 check 11: a minute either way."""
    for seconds, is_accepted in ((-61, False), (-60, True), (0, True), (60, True), (61, False)):
        issued_at = service.server.clock.now() + seconds
        assert await refused(service, prover, prover.proof(iat=issued_at)) is not is_accepted, seconds


async def test_the_time_of_a_proof_may_have_a_fraction(service: RelyingParty, prover: Prover) -> None:
    """Section 4.2 with RFC 7519 section 2; it is still good once."""
    now = service.server.clock.now()
    for seconds in (-59.5, -0.5, 0.0, 60.5):
        proof = prover.proof(iat=now + seconds)
        assert not await refused(service, prover, proof), seconds
        assert await refused(service, prover, proof), seconds
    for value in (now - 60.5, now + 61.5, -0.5, 1e300, float("nan"), float("inf"), True, str(now + 0.5)):
        assert await refused(service, prover, prover.proof(iat=value)), value


async def test_a_proof_is_good_once_until_it_is_too_old(service: RelyingParty, prover: Prover) -> None:
    """Section 11.1."""
    clock = service.server.clock
    proof = prover.proof(iat=clock.now() + 60)
    assert not await refused(service, prover, proof)
    for _ in range(3):
        assert await refused(service, prover, proof)
        clock.advance(40)


async def test_of_parallel_uses_of_a_proof_one_succeeds(service: RelyingParty, prover: Prover) -> None:
    """Section 11.1."""
    proof = prover.proof()
    responses = await asyncio.gather(*(prover.post(service, proof, **SERVICE) for _ in range(12)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 11


async def test_a_jti_of_another_key_is_another_proof(
    server: RunningServer, service: RelyingParty, prover: Prover
) -> None:
    assert not await refused(service, prover, prover.proof(jti="same"))
    other = Prover(server)
    assert not await refused(service, other, other.proof(jti="same"))
    assert await refused(service, prover, prover.proof(jti="same"))


async def test_a_wrong_proof_uses_up_neither_code_nor_refresh_token(
    person: Person, rp: RelyingParty, prover: Prover
) -> None:
    code = await rp.code_for(person)
    assert (await prover.redeem(rp, code, prover.proof(htm="GET"))).json()["error"] == "invalid_dpop_proof"
    tokens = (await prover.redeem(rp, code)).json()
    assert (await prover.refresh(rp, tokens["refresh_token"], "x")).json()["error"] == "invalid_dpop_proof"
    assert (await prover.refresh(rp, tokens["refresh_token"])).status_code == 200


async def test_the_refresh_token_of_a_public_client_is_bound_to_the_key(
    server: RunningServer, person: Person, spa: RelyingParty, prover: Prover
) -> None:
    """Section 5."""
    tokens = await prover.sign_in(spa, person)
    for response in (
        await spa.refresh(tokens["refresh_token"]),
        await Prover(server).refresh(spa, tokens["refresh_token"]),
    ):
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    second = (await prover.refresh(spa, tokens["refresh_token"])).json()
    assert second["token_type"] == "DPoP"
    assert (await spa.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await prover.refresh(spa, second["refresh_token"])).status_code == 200


async def test_the_refresh_token_of_a_confidential_client_may_change_its_key(
    server: RunningServer, person: Person, rp: RelyingParty, prover: Prover
) -> None:
    """Section 5: it is bound to the client by the client's authentication."""
    tokens = await prover.sign_in(rp, person)
    other = Prover(server)
    second = (await other.refresh(rp, tokens["refresh_token"])).json()
    _, claims = await rp.verified(second["access_token"])
    assert claims["cnf"] == {"jkt": other.jkt}


async def test_a_code_is_bound_to_the_key_that_the_authorization_request_names(
    server: RunningServer, person: Person, rp: RelyingParty, prover: Prover
) -> None:
    """Section 10."""
    code = await rp.code_for(person, dpop_jkt=prover.jkt)
    for response in (await rp.redeem(code), await Prover(server).redeem(rp, code)):
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert (await prover.redeem(rp, code)).status_code == 200


async def test_a_malformed_dpop_jkt_is_refused(person: Person, rp: RelyingParty) -> None:
    """Section 10."""
    for thumbprint in ("x", "x" * 44, "=" * 43, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 43):
        await person.visit(rp.url(dpop_jkt=thumbprint))
        assert person.answer()["error"] == "invalid_request", thumbprint


async def test_a_pushed_request_is_bound_by_its_proof(
    server: RunningServer, person: Person, rp: RelyingParty, prover: Prover
) -> None:
    """Section 10.1."""
    pushed = await prover.post(rp, path="/par", **rp.parameters())
    assert pushed.status_code == 201, pushed.text
    await person.visit(
        str(httpx.URL("/authorize", params={"client_id": rp.client_id, "request_uri": pushed.json()["request_uri"]}))
    )
    await person.sign_in()
    await person.postpone()
    await person.consent()
    code = person.answer()["code"]
    assert (await Prover(server).redeem(rp, code)).json()["error"] == "invalid_grant"
    assert (await prover.redeem(rp, code)).status_code == 200


async def test_a_pushed_request_whose_dpop_jkt_is_another_key_is_refused(
    server: RunningServer, rp: RelyingParty, prover: Prover
) -> None:
    """Section 10.1."""
    other = Prover(server)
    contradicting = await prover.post(rp, path="/par", **rp.parameters(dpop_jkt=other.jkt))
    assert (contradicting.status_code, contradicting.json()["error"]) == (400, "invalid_request")
    agreeing = await prover.post(rp, path="/par", **rp.parameters(dpop_jkt=prover.jkt))
    assert agreeing.status_code == 201
    wrong = await prover.post(rp, prover.proof("/token"), path="/par", **rp.parameters())
    assert wrong.json()["error"] == "invalid_dpop_proof"


async def test_introspection_tells_of_the_binding(person: Person, rp: RelyingParty, prover: Prover) -> None:
    """Section 6.2."""
    token = (await prover.sign_in(rp, person))["access_token"]
    body = (await rp.post("/introspect", token=token)).json()
    assert (body["active"], body["token_type"], body["cnf"]) == (True, "DPoP", {"jkt": prover.jkt})


async def test_scripts_may_send_proofs_and_read_nonces(server: RunningServer) -> None:
    """Section 8: a browser hides both unless it is told."""
    async with server.http(headers={"origin": "https://spa.example"}) as http:
        for path in ("/token", "/userinfo"):
            preflight = await http.options(path, headers={"access-control-request-method": "POST"})
            assert "dpop" in preflight.headers["access-control-allow-headers"].split(", ")
        answer = await http.post("/token", data=SERVICE)
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"dpop-nonce", "www-authenticate"} <= set(exposed)


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_a_proof_is_used_up_on_all_nodes(
    server: RunningServer, settings_for: SettingsFor, service: RelyingParty, prover: Prover
) -> None:
    """Section 11.1: of parallel uses at two nodes one succeeds."""
    async with RunningServer(settings_for(), server.clock) as second:
        nodes = [service, RelyingParty(second, service.client_id, service.client_secret)]
        proof = prover.proof()
        headers = {"dpop": proof}

        async def use(rp: RelyingParty) -> int:
            async with rp.server.http(headers=headers) as http:
                return (await http.post("/token", data=SERVICE, auth=(rp.client_id, rp.client_secret))).status_code

        assert sorted(await asyncio.gather(*(use(rp) for rp in nodes * 4))) == [200] + [400] * 7
        assert [await use(rp) for rp in nodes] == [400, 400]
