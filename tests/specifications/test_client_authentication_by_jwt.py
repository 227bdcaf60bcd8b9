"""Client authentication by JWT: RFC 7523 section 2.2. `client_secret_jwt`, and `private_key_jwt` with `jwks_uri`."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from server.storage import clients
from tests.conftest import SettingsFor
from tests.keys.material import jws, key_pair, signer
from tests.support.client_assertion import assert_refused, authenticate, claims_of
from tests.support.process import ServerProcess
from tests.support.prover import Prover, segment
from tests.support.server import RunningServer

METHOD_SECRET, METHOD_KEY = "client_secret_jwt", "private_key_jwt"
SERVICE = {"grant_types": ["client_credentials"], "response_types": [], "scope": "read:things"}


def signed(secret: str, claims: Mapping[str, Any] | bytes, header: Mapping[str, Any] | None = None) -> str:
    """Return an assertion under HS256 (RFC 7515 appendix A.1)."""
    signing_input = f"{segment(header or {'alg': 'HS256', 'typ': 'JWT'})}.{segment(claims)}"
    return f"{signing_input}.{segment(hmac.digest(secret.encode(), signing_input.encode(), hashlib.sha256))}"


async def test_a_client_proves_that_it_has_the_secret(server: RunningServer) -> None:
    """OpenID Connect Core section 9."""
    secret = await server.add_service(token_endpoint_auth_method=METHOD_SECRET)
    response = await authenticate(server, signed(secret, claims_of(server)))
    assert response.status_code == 200, response.text
    with_name = await authenticate(server, signed(secret, claims_of(server)), client_id="service")
    assert with_name.status_code == 200


async def test_discovery_names_the_method_and_its_algorithm(server: RunningServer) -> None:
    """RFC 8414 section 2."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    for endpoint in ("token", "introspection", "revocation"):
        assert {METHOD_SECRET, METHOD_KEY} <= set(document[f"{endpoint}_endpoint_auth_methods_supported"])
        algorithms = document[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert "HS256" in algorithms
        assert "none" not in algorithms


async def test_an_assertion_is_good_once(server: RunningServer) -> None:
    """RFC 7523 section 3 rule 7; of parallel uses one succeeds."""
    secret = await server.add_service(token_endpoint_auth_method=METHOD_SECRET)
    assertion = signed(secret, claims_of(server))
    responses = await asyncio.gather(*(authenticate(server, assertion) for _ in range(8)))
    assert sorted(response.status_code for response in responses) == [200] + [401] * 7


async def test_what_is_wrong_with_an_assertion_is_refused(server: RunningServer) -> None:
    """RFC 7523 section 3, RFC 7518 section 3.2."""
    secret = await server.add_service(token_endpoint_auth_method=METHOD_SECRET)
    now = server.clock.now()
    wrong: list[dict[str, Any]] = [
        {"iss": "other"},
        {"iss": None},
        {"aud": "https://evil.example"},
        {"aud": [server.issuer]},
        {"aud": None},
        {"exp": now - 61},
        {"exp": None},
        {"exp": now + 3600},
        {"jti": None},
        {"nbf": now + 120},
    ]
    for changes in wrong:
        await assert_refused(server, signed(secret, claims_of(server, **changes)))
    await assert_refused(server, signed(f"{secret}x", claims_of(server)))
    await assert_refused(server, signed("", claims_of(server)))
    head, payload, _ = signed(secret, claims_of(server)).split(".")
    await assert_refused(server, f"{head}.{payload}.")
    for algorithm in ("none", "HS512", "RS256", None, 5):
        await assert_refused(server, signed(secret, claims_of(server), {"alg": algorithm, "typ": "JWT"}))


@pytest.mark.parametrize(("name", "seconds"), [("exp", 59.5), ("iat", -0.5), ("nbf", -0.5), ("exp", 60.0)])
async def test_a_time_in_an_assertion_may_have_a_fraction(server: RunningServer, name: str, seconds: float) -> None:
    """RFC 7519 section 2, NumericDate: as a client sends it that takes its clock as it is. It is still good once."""
    secret = await server.add_service(token_endpoint_auth_method=METHOD_SECRET)
    by_secret = claims_of(server, "service", **{name: server.clock.now() + seconds})
    by_key = {**by_secret, "iss": "keyed", "sub": "keyed"}
    await server.add_service(
        "keyed", token_endpoint_auth_method=METHOD_KEY, jwks={"keys": [dict(key_pair().public_jwk)]}
    )
    for assertion in (signed(secret, by_secret), signer().sign(by_key, typ="JWT")):
        assert (await authenticate(server, assertion)).status_code == 200
        await assert_refused(server, assertion)


async def test_a_fraction_makes_no_assertion_live_longer(server: RunningServer) -> None:
    """RFC 7519 sections 2 and 4.1.4: it is rounded down."""
    secret = await server.add_service(token_endpoint_auth_method=METHOD_SECRET)
    await assert_refused(server, signed(secret, claims_of(server, exp=server.clock.now() - 60 + 0.9)))


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "literal", ["true", "NaN", "Infinity", "-Infinity", "1e400", "1e300", "-0.5", '"1790000030.5"']
)
async def test_what_is_no_time_is_refused_in_an_assertion(server: RunningServer, name: str, literal: str) -> None:
    """RFC 7519 section 2: a JSON number, as far as it is sane."""
    secret = await server.add_service(token_endpoint_auth_method=METHOD_SECRET)
    text = json.dumps(claims_of(server, **{name: "@"})).replace('"@"', literal)
    await assert_refused(server, signed(secret, text.encode()))


async def test_the_digest_that_is_stored_is_no_secret(server: RunningServer) -> None:
    """Who reads the database cannot authenticate: the secret is sealed, and its digest signs nothing."""
    secret = await server.add_service(token_endpoint_auth_method=METHOD_SECRET)
    client = await server.run(lambda db: clients.find_client(db, "service"))
    assert client is not None
    (stored,) = client.secrets
    assert stored.sealed is not None
    assert secret not in stored.sealed
    await assert_refused(server, signed(stored.digest, claims_of(server)))
    await assert_refused(server, signed(stored.sealed, claims_of(server)))


async def test_only_the_registered_method_counts(server: RunningServer) -> None:
    """Another way to show the same secret is refused."""
    secret = await server.add_service(token_endpoint_auth_method=METHOD_SECRET)
    form = {"grant_type": "client_credentials"}
    async with server.http() as http:
        assert (await http.post("/token", data=form, auth=("service", secret))).status_code == 401
        posted = {**form, "client_id": "service", "client_secret": secret}
        assert (await http.post("/token", data=posted)).status_code == 401
        assert (await http.post("/token", data={**form, "client_id": "service"})).status_code == 401
    basic = await server.add_service("basic")
    await assert_refused(server, signed(basic, claims_of(server, "basic")))


async def test_a_client_with_a_public_key_is_not_proven_by_an_hmac_under_that_key(server: RunningServer) -> None:
    """RFC 8725 section 2.1: the old confusion of algorithms."""
    prover = Prover(server, "RS256")
    await server.add_service(token_endpoint_auth_method=METHOD_KEY, jwks={"keys": [prover.jwk]})
    for text in (json.dumps(prover.jwk), prover.jwk["n"], ""):
        await assert_refused(server, signed(text, claims_of(server)))


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519"])
async def test_a_client_that_registered_ed25519_may_write_either_name(server: RunningServer, algorithm: str) -> None:
    """RFC 9864 section 2.2."""
    metadata: dict[str, Any] = {**SERVICE, "token_endpoint_auth_method": METHOD_KEY}
    pair = key_pair("EdDSA")
    metadata |= {"jwks": {"keys": [pair.public_jwk]}, "token_endpoint_auth_signing_alg": "Ed25519"}
    await server.add_service(**metadata)
    response = await authenticate(server, jws({"alg": algorithm, "kid": pair.kid}, claims_of(server), "EdDSA"))
    assert response.status_code == 200, response.text
    await assert_refused(server, jws({"alg": "ES256", "kid": pair.kid}, claims_of(server), "ES256"))


async def test_an_old_secret_works_until_its_end(server: RunningServer) -> None:
    """Rotation with an overlap."""
    secret = await server.add_service(token_endpoint_auth_method=METHOD_SECRET)
    ends_at = server.clock.now() + 100
    await server.run(lambda db: clients.expire_secrets(db, "service", ends_at))
    server.services.registry.clear()
    assert (await authenticate(server, signed(secret, claims_of(server)))).status_code == 200
    server.clock.advance(100)
    await assert_refused(server, signed(secret, claims_of(server)))


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_an_assertion_is_used_up_on_all_nodes(server: RunningServer, settings_for: SettingsFor) -> None:
    """RFC 7523 section 3 rule 7: of parallel uses at two nodes one succeeds."""
    secret = await server.add_service(token_endpoint_auth_method=METHOD_SECRET)
    assertion = signed(secret, claims_of(server))
    async with RunningServer(settings_for(), server.clock) as second:
        answers = await asyncio.gather(*(authenticate(node, assertion) for node in [server, second] * 4))
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
        for node in (server, second):
            await assert_refused(node, assertion)


async def test_an_operator_makes_and_rotates_such_a_client_on_the_command_line(
    server: RunningServer, tmp_path: Path
) -> None:
    """Two secrets are good while they overlap; then the new one alone."""
    cli = ServerProcess.beside(server.settings, tmp_path).cli
    metadata = {**SERVICE, "token_endpoint_auth_method": METHOD_SECRET}
    words = ("client", "create", "--client-id", "service", "--metadata", "-")
    made = await asyncio.to_thread(lambda: cli(*words, stdin=json.dumps(metadata)))
    assert (await authenticate(server, signed(made["client_secret"], claims_of(server)))).status_code == 200
    rotated = await asyncio.to_thread(cli, "client", "rotate-secret", "service", "--overlap", "3600")
    both = (made["client_secret"], rotated["client_secret"])
    assert both[0] != both[1]
    server.services.registry.clear()
    for secret in both:
        assert (await authenticate(server, signed(secret, claims_of(server)))).status_code == 200
    server.clock.advance(rotated["old_secret_valid_until"] - server.clock.now())
    await assert_refused(server, signed(both[0], claims_of(server)))
    assert (await authenticate(server, signed(both[1], claims_of(server)))).status_code == 200
    at_once = await asyncio.to_thread(cli, "client", "rotate-secret", "service")
    server.services.registry.clear()
    await assert_refused(server, signed(both[1], claims_of(server)))
    assert (await authenticate(server, signed(at_once["client_secret"], claims_of(server)))).status_code == 200
