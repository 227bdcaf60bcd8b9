"""Client authentication by JWT: RFC 7523 section 2.2. `client_secret_jwt`, and `private_key_jwt` with `jwks_uri`."""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.authentication.presented import ASSERTION_TYPE
from server.outbound.client_keys import DEFAULT_SECONDS, MAX_SECONDS, MIN_SECONDS, ClientKeys, lifetime
from server.storage import clients
from tests.conftest import SettingsFor
from tests.keys.material import jws, key_pair
from tests.support.process import ServerProcess
from tests.support.prover import Prover, segment
from tests.support.server import RunningServer

METHOD_SECRET, METHOD_KEY = "client_secret_jwt", "private_key_jwt"
SERVICE = {"grant_types": ["client_credentials"], "response_types": [], "scope": "read:things"}
SETTINGS = pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True}], indirect=True)


def claims_of(server: RunningServer, client_id: str = "service", **changes: Any) -> dict[str, Any]:
    now = server.clock.now()
    own = {
        "iss": client_id,
        "sub": client_id,
        "aud": server.issuer,
        "jti": secrets.token_urlsafe(12),
        "iat": now,
        "exp": now + 60,
    }
    return {name: value for name, value in {**own, **changes}.items() if value is not None}


def signed(secret: str, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
    """Return an assertion under HS256 (RFC 7515 appendix A.1)."""
    signing_input = f"{segment(header or {'alg': 'HS256', 'typ': 'JWT'})}.{segment(claims)}"
    return f"{signing_input}.{segment(hmac.digest(secret.encode(), signing_input.encode(), hashlib.sha256))}"


async def authenticate(server: RunningServer, assertion: str, **form: str) -> httpx.Response:
    values = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        **form,
    }
    async with server.http() as http:
        return await http.post("/token", data=values)


async def assert_refused(server: RunningServer, assertion: str) -> None:
    response = await authenticate(server, assertion)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client"), response.text


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


@dataclass
class Publisher:
    """A client's web server that publishes its keys."""

    keys: list[dict[str, Any]] = field(default_factory=list)
    headers: str = ""
    content_type: str = "application/jwk-set+json"
    status: str = "200 OK"
    body: bytes | None = None
    asked: int = 0
    port: int = 0

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        head = f"HTTP/1.1 {self.status}\r\ncontent-length: {len(body)}\r\ncontent-type: {self.content_type}\r\n"
        head += f"{self.headers}connection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    """A client's web server."""
    made = Publisher()
    listening = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    async with listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made


@dataclass
class Holder:
    """A key with a name, as a client has it."""

    server: RunningServer
    kid: str
    prover: Prover = field(init=False)

    def __post_init__(self) -> None:
        self.prover = Prover(self.server)

    @property
    def jwk(self) -> dict[str, Any]:
        return {**self.prover.jwk, "kid": self.kid, "use": "sig", "alg": "ES256"}

    def assertion(self, **header: Any) -> str:
        head = {"typ": "JWT", "jwk": None, "kid": self.kid, **header}
        claims = {"htm": None, "htu": None, **claims_of(self.server)}
        return self.prover.proof(header=head, **claims)


async def add_published(server: RunningServer, publisher: Publisher) -> None:
    await server.add_service(token_endpoint_auth_method=METHOD_KEY, jwks_uri=publisher.uri)


@SETTINGS
async def test_keys_are_fetched_once_and_kept(server: RunningServer, publisher: Publisher) -> None:
    """OpenID Connect Core section 10.1.1."""
    holder = Holder(server, "one")
    publisher.keys = [holder.jwk]
    await add_published(server, publisher)
    assert publisher.asked == 0
    responses = await asyncio.gather(*(authenticate(server, holder.assertion()) for _ in range(6)))
    assert {response.status_code for response in responses} == {200}
    assert publisher.asked == 1


@SETTINGS
async def test_an_unknown_kid_makes_us_look_again_at_most_once_a_minute(
    server: RunningServer, publisher: Publisher
) -> None:
    """OpenID Connect Core section 10.1.1: clients roll their keys over."""
    old, new = Holder(server, "old"), Holder(server, "new")
    publisher.keys = [old.jwk]
    publisher.headers = "cache-control: max-age=86400\r\n"
    await add_published(server, publisher)
    assert (await authenticate(server, old.assertion())).status_code == 200
    publisher.keys = [new.jwk]
    server.clock.advance(59)
    await assert_refused(server, new.assertion())
    assert publisher.asked == 1
    server.clock.advance(1)
    assert (await authenticate(server, new.assertion())).status_code == 200
    assert publisher.asked == 2
    await assert_refused(server, old.assertion())
    for _ in range(5):
        await assert_refused(server, Holder(server, "made-up").assertion())
    assert publisher.asked == 2


@SETTINGS
async def test_keys_are_fetched_again_when_their_time_is_over(server: RunningServer, publisher: Publisher) -> None:
    """RFC 9111 section 5.2.2: a key that was withdrawn is not believed for longer than the client said."""
    holder = Holder(server, "one")
    publisher.keys = [holder.jwk]
    publisher.headers = "cache-control: public, max-age=120\r\n"
    await add_published(server, publisher)
    assert (await authenticate(server, holder.assertion())).status_code == 200
    publisher.keys = [Holder(server, "two").jwk]
    server.clock.advance(119)
    assert (await authenticate(server, holder.assertion())).status_code == 200
    server.clock.advance(1)
    await assert_refused(server, holder.assertion())
    assert publisher.asked == 2


@SETTINGS
async def test_old_keys_go_on_for_an_hour_while_the_address_fails(server: RunningServer, publisher: Publisher) -> None:
    """A client whose web server is down for a moment is not locked out, and a dead one is not believed for ever."""
    holder = Holder(server, "one")
    publisher.keys = [holder.jwk]
    publisher.headers = "cache-control: max-age=60\r\n"
    await add_published(server, publisher)
    assert (await authenticate(server, holder.assertion())).status_code == 200
    broken: list[dict[str, Any]] = [
        {"status": "500 Oops"},
        {"status": "302 Found", "headers": "location: http://127.0.0.1/\r\n"},
        {"body": b"<html>"},
        {"body": b'{"keys":[]}'},
        {"body": b"x" * 70_000},
    ]
    for number, how in enumerate(broken):
        publisher.status, publisher.body = how.get("status", "200 OK"), how.get("body")
        publisher.headers = how.get("headers", "")
        server.clock.advance(60)
        assert (await authenticate(server, holder.assertion())).status_code == 200, how
        assert publisher.asked == number + 2
    server.clock.advance(3600)
    await assert_refused(server, holder.assertion())


@SETTINGS
async def test_an_address_that_never_answered_is_asked_once_a_minute(
    server: RunningServer, publisher: Publisher
) -> None:
    """Whoever sends made-up assertions must not make us flood somebody."""
    publisher.status = "500 Oops"
    await add_published(server, publisher)
    holder = Holder(server, "one")
    for _ in range(4):
        await assert_refused(server, holder.assertion())
    assert publisher.asked == 1
    publisher.status, publisher.keys = "200 OK", [holder.jwk]
    server.clock.advance(60)
    assert (await authenticate(server, holder.assertion())).status_code == 200


@SETTINGS
async def test_a_page_at_the_address_is_no_key_set(server: RunningServer, publisher: Publisher) -> None:
    """C076: at a host where people may upload, what they upload has another media type."""
    holder = Holder(server, "one")
    publisher.keys, publisher.content_type = [holder.jwk], "text/html"
    await add_published(server, publisher)
    await assert_refused(server, holder.assertion())
    publisher.content_type = "application/json; charset=utf-8"
    server.clock.advance(60)
    assert (await authenticate(server, holder.assertion())).status_code == 200


@SETTINGS
async def test_nobody_makes_us_fetch_by_another_method(server: RunningServer, publisher: Publisher) -> None:
    await add_published(server, publisher)
    form = {"grant_type": "client_credentials"}
    async with server.http() as http:
        assert (await http.post("/token", data=form, auth=("service", "x"))).status_code == 401
        assert (await http.post("/token", data={**form, "client_id": "service"})).status_code == 401
    assert publisher.asked == 0


async def test_an_address_inside_is_not_fetched(server: RunningServer, publisher: Publisher) -> None:
    """RFC 7591 section 5: the guard of all outbound requests holds here too."""
    holder = Holder(server, "one")
    publisher.keys = [holder.jwk]
    await add_published(server, publisher)
    await assert_refused(server, holder.assertion())
    assert publisher.asked == 0


@SETTINGS
async def test_only_so_many_clients_are_remembered(server: RunningServer, publisher: Publisher) -> None:
    """Memory is bounded, whoever registers."""
    publisher.keys = [Holder(server, "one").jwk]
    keys = ClientKeys(server.services.fetcher, server.clock, max_clients=2)
    for name in ("a", "b", "c"):
        await server.add_service(name, token_endpoint_auth_method=METHOD_KEY, jwks_uri=publisher.uri)
        client = await server.services.registry.find(name)
        assert client is not None
        published = await keys.find(client)
        assert published is not None
        assert len(published.keys) == 1
    assert len(keys._entries) == 2


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("", DEFAULT_SECONDS),
        ("public", DEFAULT_SECONDS),
        ("max-age=600", 600),
        ("public, max-age=600, must-revalidate", 600),
        ('Max-Age="600"', 600),
        ("max-age=0", MIN_SECONDS),
        ("max-age=999999999", MAX_SECONDS),
        ("max-age=99999999999999999999", DEFAULT_SECONDS),
        ("max-age=-5", DEFAULT_SECONDS),
        ("no-store", MIN_SECONDS),
        ("no-cache, max-age=600", MIN_SECONDS),
        ("s-max-age=600", DEFAULT_SECONDS),
    ],
)
def test_how_long_keys_are_kept(cache_control: str, seconds: int) -> None:
    """RFC 9111 section 5.2.2, between one minute and a day."""
    assert lifetime(cache_control) == seconds


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
