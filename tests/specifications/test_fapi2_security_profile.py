"""FAPI 2.0 Security Profile (final): what a client with the profile `fapi2` gets, and what it is refused."""

import secrets
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.x509 import DNSName

from clients.metadata import InvalidClientMetadata, validate
from clients.profiles import apply
from tests.support.certificates import make
from tests.support.high_security import JWKS, HighSecurityClient, refused, register
from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer
from tests.support.tls_proxy import ON, PROXY, headers_of

ALGORITHMS = ("PS256", "ES256", "EdDSA")
OVERRIDES = {"signing_algorithms": ("ES256",), "authorization_code_seconds": 300}
MIXED = pytest.mark.parametrize("overrides", [{"signing_algorithms": ("RS256", *ALGORITHMS)}], indirect=True)
PROFILE = {"jwks": JWKS, "redirect_uris": ["https://client.example/cb"]}


@pytest.fixture
async def bank(server: RunningServer) -> HighSecurityClient:
    """A client of the profile."""
    return await register(server)


async def test_a_whole_sign_in(person: Person, bank: HighSecurityClient) -> None:
    """Sections 5.3.2.1 and 5.3.2.2: pushed, PKCE, iss in the answer, an assertion, a bound token."""
    answer = await bank.answer(person, await bank.push())
    assert (answer["iss"], answer["state"]) == (bank.server.issuer, bank.state)
    tokens = (await bank.exchange(answer["code"])).json()
    assert tokens["token_type"] == "DPoP"
    _, claims = await bank.verified(tokens["access_token"])
    assert claims["cnf"] == {"jkt": bank.prover.jkt}
    assert (await bank.prover.userinfo(tokens["access_token"])).status_code == 200


@MIXED
async def test_discovery_says_what_a_client_needs_to_know(server: RunningServer) -> None:
    """Section 5.3.2.1 clause 1, and RFC 9207 section 3."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["pushed_authorization_request_endpoint"] == server.settings.url("/par")
    for member in ("id_token_signing_alg_values_supported", "dpop_signing_alg_values_supported"):
        assert set(ALGORITHMS) <= set(document[member])
    assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
    assert "password" not in document["grant_types_supported"]


async def test_a_request_that_the_browser_brings_is_refused(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.2: rejects authorization requests that were not pushed."""
    await person.visit(bank.url())
    answer = person.answer()
    assert (answer["error"], answer["iss"]) == ("invalid_request", bank.server.issuer)
    await person.visit(bank.url(request=bank.request_object()))
    assert person.answer()["error"] == "invalid_request"


async def test_a_push_needs_client_authentication(bank: HighSecurityClient) -> None:
    """Section 5.3.2.2: rejects pushed requests without client authentication."""
    async with bank.server.http() as http:
        refused(await http.post("/par", data=bank.parameters()), "invalid_client", 401)
    refused(await bank.send("/par", assertion="", **bank.parameters()), "invalid_client", 401)


async def test_policies_hold_whatever_else_the_metadata_says(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.1: one policy, not the sum of many switches."""
    await bank.server.change_client(
        bank.client_id,
        require_pkce=False,
        require_pushed_authorization_requests=False,
        dpop_bound_access_tokens=False,
        response_types=["code", "id_token", "code id_token"],
        grant_types=["authorization_code", "refresh_token", "implicit", "client_credentials"],
        redirect_uris=["https://client.example/cb", "http://127.0.0.1/cb"],
    )
    await person.visit(bank.url())
    assert person.answer()["error"] == "invalid_request"
    refused(await bank.push(code_challenge=None, code_challenge_method=None), "invalid_request")
    refused(await bank.push(redirect_uri="http://127.0.0.1/cb"), "invalid_request")
    code = await bank.pushed_code(person)
    refused(await bank.exchange(code, proof=""), "invalid_dpop_proof")
    refused(await bank.send("/token", proof="", grant_type="client_credentials"), "invalid_dpop_proof")


async def test_pkce_with_s256_is_required(bank: HighSecurityClient) -> None:
    """Section 5.3.2.2."""
    for changes in (
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": "short"},
    ):
        refused(await bank.push(**changes), "invalid_request")


async def test_a_wrong_or_missing_verifier_is_refused(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.2, RFC 7636 section 4.6."""
    code = await bank.pushed_code(person)
    refused(await bank.exchange(code, code_verifier=None), "invalid_grant")
    refused(await bank.exchange(code, code_verifier="x" * 43), "invalid_grant")
    assert (await bank.exchange(code)).status_code == 200


async def test_the_redirect_uri_is_pushed(bank: HighSecurityClient) -> None:
    """Section 5.3.2.2: requires the redirect_uri parameter, even where only one is registered."""
    refused(await bank.push(redirect_uri=None, scope="profile"), "invalid_request")
    refused(await bank.push(redirect_uri="https://client.example/other"), "invalid_request")


@pytest.mark.parametrize("overrides", [{"response_types": ("code", "code id_token")}], indirect=True)
async def test_only_the_response_type_code_is_served(bank: HighSecurityClient) -> None:
    """Section 5.3.2.2, even where the server and the client have others."""
    grants = ["authorization_code", "implicit"]
    await bank.server.change_client(bank.client_id, response_types=["code", "code id_token"], grant_types=grants)
    refused(await bank.push(response_type="code id_token"), "unauthorized_client")
    refused(await bank.push(response_type="token"), "unsupported_response_type")


async def test_other_grants_are_refused(bank: HighSecurityClient) -> None:
    """Section 5.3.2.1: never the password grant, and none that goes round the pushed request."""
    device = "urn:ietf:params:oauth:grant-type:device_code"
    bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    await bank.server.change_client(bank.client_id, grant_types=["authorization_code", device, bearer])
    refused(await bank.send("/token", grant_type="password", username="a", password="b"), "unsupported_grant_type")
    refused(await bank.send("/token", grant_type=device, device_code="x"), "unauthorized_client")
    refused(await bank.send("/token", grant_type=bearer, scope="x"), "unauthorized_client")


async def test_a_code_is_redeemed_once(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.2: rejects a code that was used before."""
    code = await bank.pushed_code(person)
    tokens = (await bank.exchange(code)).json()
    refused(await bank.exchange(code), "invalid_grant")
    assert (await bank.prover.userinfo(tokens["access_token"])).status_code == 401


async def test_a_code_lives_a_minute_whatever_the_setting_says(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.1: at most 60 seconds; the server's setting here is 300."""
    code = await bank.pushed_code(person)
    bank.server.clock.advance(60)
    refused(await bank.exchange(code), "invalid_grant")
    code = await bank.pushed_code(person)
    bank.server.clock.advance(59)
    assert (await bank.exchange(code)).status_code == 200


async def test_a_request_uri_lives_less_than_ten_minutes(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.2: expires_in below 600."""
    pushed = await bank.push()
    assert 5 <= pushed.json()["expires_in"] < 600
    bank.server.clock.advance(pushed.json()["expires_in"])
    await person.visit(bank.reference(pushed))
    assert person.left_for is None
    assert "invalid_request_uri" in person.text


async def test_a_request_uri_is_for_the_client_that_pushed_it(person: Person, bank: HighSecurityClient) -> None:
    """RFC 9126 section 2.2."""
    other = await register(bank.server, "other")
    pushed = await bank.push()
    await person.visit(bank.reference(pushed).replace("client_id=bank", f"client_id={other.client_id}"))
    assert person.left_for is None
    assert person.response.status_code == 400


async def test_redirects_are_303(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.2: never 307, which would send the form with the password on."""
    await bank.tokens(person)
    response = await person.http.get(bank.reference(await bank.push()))
    while not urlsplit(response.headers["location"]).netloc.startswith("client"):
        assert response.status_code == 303
        response = await person.http.get(response.headers["location"])
    assert response.status_code == 303


async def test_an_unknown_redirect_uri_leads_nowhere(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.1: no open redirector."""
    for path in ("/authorize", "/end-session"):
        address = f"{path}?client_id={bank.client_id}&response_type=code&redirect_uri=https://evil.example"
        await person.visit(f"{bank.server.issuer}{address}&post_logout_redirect_uri=https://evil.example")
        assert person.left_for is None


async def test_a_nonce_of_64_characters_is_kept(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.2."""
    nonce = secrets.token_hex(32)
    tokens = await bank.tokens(person, nonce=nonce)
    _, claims = await bank.verified(tokens["id_token"])
    assert claims["nonce"] == nonce


async def test_no_token_without_a_proof(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.1: only sender-constrained access tokens; refused before the code is used up."""
    code = await bank.pushed_code(person)
    refused(await bank.exchange(code, proof=""), "invalid_dpop_proof")
    tokens = (await bank.exchange(code)).json()
    refused(await bank.renew(tokens["refresh_token"], proof=""), "invalid_dpop_proof")


async def test_a_bound_token_is_worth_nothing_as_bearer(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.4: resource servers verify the binding."""
    tokens = await bank.tokens(person)
    assert (await bank.userinfo(tokens["access_token"])).status_code == 401
    assert (await Prover(bank.server).userinfo(tokens["access_token"])).status_code == 401


async def test_the_code_may_be_bound_to_the_key(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.1: authorization code binding to a DPoP key (RFC 9449 section 10)."""
    code = await bank.pushed_code(person, dpop_jkt=bank.prover.jkt)
    refused(await bank.exchange(code, proof=Prover(bank.server).proof()), "invalid_grant")
    assert (await bank.exchange(code)).status_code == 200


async def test_refresh_tokens_are_not_rotated(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.1: the old one still works 30 seconds later, and again."""
    token = (await bank.tokens(person))["refresh_token"]
    for seconds in (0, 30, 3600):
        bank.server.clock.advance(seconds)
        response = await bank.renew(token)
        assert response.status_code == 200, response.text
        assert "refresh_token" not in response.json()
        assert response.json()["token_type"] == "DPoP"


async def test_each_use_gives_the_token_another_idle_life(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.1: without rotation it must not die of use."""
    await bank.server.change_client(bank.client_id, refresh_token_seconds=100)
    token = (await bank.tokens(person))["refresh_token"]
    for _ in range(3):
        bank.server.clock.advance(99)
        assert (await bank.renew(token)).status_code == 200
    bank.server.clock.advance(100)
    refused(await bank.renew(token), "invalid_grant")


async def test_a_refresh_token_is_bound_to_its_client(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.3.2.1: by client authentication (RFC 9449 section 5); the access token by the key of the request."""
    token = (await bank.tokens(person))["refresh_token"]
    other = await register(bank.server, "other")
    refused(await other.renew(token), "invalid_grant")
    key = Prover(bank.server)
    renewed = (await bank.renew(token, proof=key.proof())).json()
    assert (await key.userinfo(renewed["access_token"])).status_code == 200


async def test_a_revoked_refresh_token_is_dead(person: Person, bank: HighSecurityClient) -> None:
    """RFC 7009 section 2: not rotated does not mean not revocable."""
    token = (await bank.tokens(person))["refresh_token"]
    assert (await bank.send("/revoke", proof="", token=token)).status_code == 200
    refused(await bank.renew(token), "invalid_grant")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "none"])
async def test_weak_client_authentication_is_refused(bank: HighSecurityClient, method: str) -> None:
    """Section 5.3.2.1: private_key_jwt or mutual TLS, confidential clients only; also for metadata made elsewhere."""
    secret = await bank.server.add_client("weak", token_endpoint_auth_method=method)
    await bank.server.change_client("weak", security_profile="fapi2")
    weak = RelyingParty(bank.server, "weak", "" if method == "none" else secret)
    for path, form in (("/par", weak.parameters()), ("/token", {"grant_type": "refresh_token", "refresh_token": "x"})):
        posted = {**form, "client_id": "weak", "client_secret": secret} if method.endswith("post") else form
        client = RelyingParty(bank.server, "weak") if method.endswith("post") else weak
        response = await client.post(path, **posted)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("overrides", [ON], indirect=True)
async def test_mutual_tls_will_do_for_both(server: RunningServer, person: Person) -> None:
    """Section 5.3.2.1: authentication and bound tokens by certificate, without any proof."""
    shown = make(server.clock.now(), "CN=client,O=Shop", DNSName("client.example"))
    await server.add_client(
        "tls",
        **apply(
            "fapi2",
            {
                "redirect_uris": PROFILE["redirect_uris"],
                "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_san_dns": "client.example",
                "tls_client_certificate_bound_access_tokens": True,
            },
        ),
    )
    tls = HighSecurityClient(server, "tls")
    async with server.http(address=PROXY, headers=headers_of(shown)) as http:
        pushed = await http.post("/par", data=tls.parameters())
        code = (await tls.answer(person, pushed))["code"]
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": tls.verifier}
        form |= {"client_id": "tls", "redirect_uri": tls.redirect_uri}
        tokens = (await http.post("/token", data=form)).json()
    _, claims = await tls.verified(tokens["access_token"])
    assert claims["cnf"] == {"x5t#S256": shown.thumbprint}
    assert tokens["token_type"] == "Bearer"


@pytest.mark.parametrize(
    "weaker",
    [
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"response_types": ["code", "code id_token"], "grant_types": ["authorization_code", "implicit"]},
        {"grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"]},
        {"redirect_uris": ["http://localhost/cb"]},
        {"dpop_bound_access_tokens": False},
        {"id_token_signed_response_alg": "RS256"},
        {"authorization_signed_response_alg": "RS256"},
        {"request_object_signing_alg": "RS256"},
        {"token_endpoint_auth_signing_alg": "RS256"},
        {"require_pkce": False},
        {"token_endpoint_auth_method": "none"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_metadata_that_contradicts_the_profile_cannot_be_registered(weaker: dict[str, Any]) -> None:
    """Sections 5.3.2.1 and 5.4.1: told at once, not at the first sign-in."""
    assert validate(apply("fapi2", PROFILE))["security_profile"] == "fapi2"
    with pytest.raises(InvalidClientMetadata):
        validate(apply("fapi2", {**PROFILE, **weaker}))
    with pytest.raises(InvalidClientMetadata):
        validate({**apply("fapi2", PROFILE), **weaker})
