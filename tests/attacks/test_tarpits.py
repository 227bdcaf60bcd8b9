"""Addresses that never answer hold up whoever put them there, and nobody else: C076."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from server.outbound.lanes import MAX_AT_ONE_HOST
from tests.support.prover import Prover
from tests.support.receiver import Answer, Receiver
from tests.support.server import RunningServer

STRANGERS = 60
PRIVATE = pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True}], indirect=True)


class Tarpit:
    """Takes every connection and says nothing."""

    def __init__(self) -> None:
        self.visitors = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visitors += 1
        await reader.read()
        writer.close()


@pytest.fixture
async def tarpit() -> AsyncIterator[tuple[Tarpit, str]]:
    pit = Tarpit()
    listening = await asyncio.start_server(pit, "127.0.0.1", 0)
    async with listening:
        yield pit, f"http://localhost:{listening.sockets[0].getsockname()[1]}/request.jwt"


def _assertion(server: RunningServer, prover: Prover) -> str:
    now = server.clock.now()
    head = {"typ": "JWT", "jwk": None, "kid": "one"}
    who = {"iss": "service", "sub": "service", "aud": server.issuer, "jti": "one"}
    claims: dict[str, Any] = {"htm": None, "htu": None, **who, "iat": now, "exp": now + 60}
    return prover.proof(header=head, **claims)


@PRIVATE
async def test_requests_at_a_tarpit_keep_no_client_from_authenticating(
    server: RunningServer, tarpit: tuple[Tarpit, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By several clients at once; each stranger gets an answer, and the tarpit only a few visitors."""
    monkeypatch.setattr("server.outbound.fetcher.TOTAL_SECONDS", 2.5)
    pit, address = tarpit
    for number in range(8):
        await server.add_client(f"evil{number}", request_uris=[address])
    prover = Prover(server)
    async with Receiver() as publisher, server.http() as http:
        jwk = {**prover.jwk, "kid": "one", "use": "sig", "alg": "ES256"}
        publisher.answers["/jwks"] = Answer(body=json.dumps({"keys": [jwk]}).encode())
        await server.add_service(token_endpoint_auth_method="private_key_jwt", jwks_uri=f"{publisher.origin}/jwks")
        urls = [
            f"/authorize?{urlencode({'client_id': f'evil{number % 8}', 'request_uri': address})}"
            for number in range(STRANGERS)
        ]
        strangers = [asyncio.create_task(http.get(url)) for url in urls]
        await asyncio.sleep(0.5)
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": _assertion(server, prover),
        }
        started = time.monotonic()
        response = await http.post("/token", data=form)
        assert (response.status_code, time.monotonic() - started < 1.5) == (200, True), response.text
        assert {answer.status_code for answer in await asyncio.gather(*strangers)} == {400}
    assert 1 <= pit.visitors <= MAX_AT_ONE_HOST
