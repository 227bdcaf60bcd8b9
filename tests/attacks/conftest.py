"""What the attacks share: forms sent without looking at the answer, counting rows, reaching server processes."""

import itertools
import ssl
import time
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.sql.schema import Table

from tests.support.person import Person
from tests.support.process import ServerProcess
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

BACK = "https://client.example/bye"
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Made once and never used: httpx would load all certificates of the machine for each client."""


@pytest.fixture
async def rp(server: RunningServer) -> RelyingParty:
    """A registered confidential web application, to which people come back when they have signed out."""
    secret = await server.add_client(client_name="Web Shop", post_logout_redirect_uris=[BACK])
    return RelyingParty(server, client_secret=secret)


async def send_form(person: Person, button: tuple[str, str] | None = None, **fields: str) -> httpx.Response:
    """Send the first form of the person's page and leave the browser where it is: for sending it several times."""
    form = person.form
    values = {**form.fields, **fields, **dict([button] if button else [])}
    url = urljoin(str(person.response.request.url), form.action)
    return await person.http.post(url, data=values, headers={"origin": person.server.settings.origin})


def count(db: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    """Return how many rows there are."""
    return db.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()


def statuses(responses: Iterable[httpx.Response]) -> list[int]:
    """Return the status codes, sorted."""
    return sorted(response.status_code for response in responses)


class _ToNodes(httpx.AsyncBaseTransport):
    """Brings each request for the issuer to the next node, as a load balancer without memory would."""

    def __init__(self, ports: Iterable[int]) -> None:
        self._ports = itertools.cycle(ports)
        self._inner = httpx.AsyncHTTPTransport(verify=_TLS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(scheme="http", host="127.0.0.1", port=next(self._ports))
        return await self._inner.handle_async_request(
            httpx.Request(
                request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
            )
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class _OverHttp:
    """What a person's browser and a relying party need of a server, here one or more processes of one issuer."""

    def __init__(self, processes: Iterable[ServerProcess]) -> None:
        processes = list(processes)
        self.issuer = processes[0].issuer
        parts = urlsplit(self.issuer)
        self.settings = self
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.clock = self
        self._ports = [process.port for process in processes]

    def now(self) -> int:
        return int(time.time())

    def http(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.issuer, transport=_ToNodes(self._ports), timeout=15, **options)


def reach(*processes: ServerProcess) -> RunningServer:
    """Return server processes in the shape that `Person` and `RelyingParty` know."""
    return cast("RunningServer", _OverHttp(processes))
