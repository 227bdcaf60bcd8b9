"""Certificate-bound access tokens and refresh tokens: RFC 8705 sections 3 and 4."""

from typing import Any

import httpx

from tests.support.certificates import ShownCertificate, make
from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer
from tests.support.tls_proxy import PROXY, SERVICE, STRANGER, WITH_PROXY, headers_of, post

PKI, SELF_SIGNED = "tls_client_auth", "self_signed_tls_client_auth"


@WITH_PROXY
async def test_tokens_are_bound_to_the_certificate_of_a_client_that_asks_for_it(
    server: RunningServer, shown: ShownCertificate
) -> None:
    """Sections 3 and 3.1; the client may authenticate in any way (section 4)."""
    secret = await server.add_service(tls_client_certificate_bound_access_tokens=True)
    form = {**SERVICE, "client_secret": secret}
    await server.change_client("service", token_endpoint_auth_method="client_secret_post")
    response = await post(server, headers_of(shown, "NONE"), form)
    _, claims = await RelyingParty(server, "service").verified(response.json()["access_token"])
    assert claims["cnf"] == {"x5t#S256": shown.thumbprint}
    assert response.json()["token_type"] == "Bearer"
    missing = await post(server, headers_of(None, "NONE"), form)
    assert (missing.status_code, missing.json()["error"]) == (400, "invalid_request")


@WITH_PROXY
async def test_tokens_of_other_clients_are_not_bound(server: RunningServer, shown: ShownCertificate) -> None:
    """Section 3.4: only where the metadata says so."""
    await server.add_service(token_endpoint_auth_method=SELF_SIGNED, jwks={"keys": [shown.jwk]})
    token = (await post(server, headers_of(shown))).json()["access_token"]
    _, claims = await RelyingParty(server, "service").verified(token)
    assert "cnf" not in claims


async def _bound_public_tokens(
    server: RunningServer, person: Person, shown: ShownCertificate
) -> tuple[RelyingParty, dict[str, Any]]:
    """Sign in to a public client whose tokens are bound."""
    public = {"token_endpoint_auth_method": "none", "tls_client_certificate_bound_access_tokens": True}
    await server.add_client("web", **public)
    rp = RelyingParty(server)
    form = {
        "grant_type": "authorization_code",
        "client_id": rp.client_id,
        "code": await rp.code_for(person),
        "redirect_uri": rp.redirect_uri,
        "code_verifier": rp.verifier,
    }
    response = await post(server, headers_of(shown, "NONE"), form)
    assert response.status_code == 200, response.text
    return rp, response.json()


@WITH_PROXY
async def test_userinfo_wants_the_certificate_that_a_token_is_bound_to(
    server: RunningServer, person: Person, shown: ShownCertificate
) -> None:
    """Section 3: 401 with invalid_token."""
    _, tokens = await _bound_public_tokens(server, person, shown)
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    other = make(server.clock.now())

    async def ask(headers: dict[str, str], address: str = PROXY) -> httpx.Response:
        async with server.http(address=address) as http:
            return await http.get("/userinfo", headers={**headers, **bearer})

    assert (await ask(headers_of(shown, "NONE"))).status_code == 200
    for headers, address in (
        (headers_of(other), PROXY),
        (headers_of(None), PROXY),
        ({}, STRANGER),
        (headers_of(shown), STRANGER),
    ):
        response = await ask(headers, address)
        assert response.status_code == 401
        assert 'error="invalid_token"' in response.headers["www-authenticate"]


@WITH_PROXY
async def test_the_refresh_token_of_a_public_client_is_bound_to_its_certificate(
    server: RunningServer, person: Person, shown: ShownCertificate
) -> None:
    """Section 4."""
    rp, tokens = await _bound_public_tokens(server, person, shown)
    form = {"grant_type": "refresh_token", "client_id": rp.client_id, "refresh_token": tokens["refresh_token"]}
    stolen = await post(server, headers_of(make(server.clock.now())), form)
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    second = await post(server, headers_of(shown), form)
    assert second.status_code == 200
    again = await post(server, headers_of(shown), {**form, "refresh_token": second.json()["refresh_token"]})
    assert again.status_code == 200


@WITH_PROXY
async def test_a_certificate_and_a_proof_both_bind_the_refresh_token(
    server: RunningServer, person: Person, shown: ShownCertificate
) -> None:
    """Section 4, and RFC 9449 section 5: neither takes the other's place."""
    public = {"token_endpoint_auth_method": "none", "tls_client_certificate_bound_access_tokens": True}
    await server.add_client("web", **public)
    rp, prover = RelyingParty(server), Prover(server)
    form = {
        "grant_type": "authorization_code",
        "client_id": rp.client_id,
        "code": await rp.code_for(person),
        "redirect_uri": rp.redirect_uri,
        "code_verifier": rp.verifier,
    }
    tokens = (await post(server, {**headers_of(shown, "NONE"), "dpop": prover.proof()}, form)).json()
    refresh = {"grant_type": "refresh_token", "client_id": rp.client_id, "refresh_token": tokens["refresh_token"]}
    for headers in (headers_of(shown), {**headers_of(make(server.clock.now())), "dpop": prover.proof()}):
        assert (await post(server, headers, refresh)).json()["error"] == "invalid_grant"
    both = await post(server, {**headers_of(shown), "dpop": prover.proof()}, refresh)
    assert both.status_code == 200


@WITH_PROXY
async def test_introspection_tells_of_the_binding(server: RunningServer, shown: ShownCertificate) -> None:
    """Section 3.2."""
    bound: dict[str, Any] = {"tls_client_certificate_bound_access_tokens": True}
    await server.add_service(token_endpoint_auth_method=SELF_SIGNED, jwks={"keys": [shown.jwk]}, **bound)
    token = (await post(server, headers_of(shown))).json()["access_token"]
    form = {"client_id": "service", "token": token}
    body = (await post(server, headers_of(shown), form, path="/introspect")).json()
    assert (body["active"], body["token_type"]) == (True, "Bearer")
    assert body["cnf"] == {"x5t#S256": shown.thumbprint}
