"""Keys of clients at their `jwks_uri`: when they are fetched, and how long they are kept."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from server.outbound.client_keys import DEFAULT_SECONDS, MAX_SECONDS, MIN_SECONDS, ClientKeys, lifetime
from tests.support.client_assertion import assert_refused, authenticate, claims_of
from tests.support.prover import Prover
from tests.support.server import RunningServer

METHOD_SECRET, METHOD_KEY = "client_secret_jwt", "private_key_jwt"
SERVICE = {"grant_types": ["client_credentials"], "response_types": [], "scope": "read:things"}
SETTINGS = pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True}], indirect=True)


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
