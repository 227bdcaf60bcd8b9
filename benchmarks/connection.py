"""A keep-alive HTTP connection that costs the measuring side little: it shares the cores with the server."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlencode

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Answer(NamedTuple):
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """Sends one request after the other. Reads only what Ostiary sends: bodies with a Content-Length."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._host = f"Host: 127.0.0.1:{port}\r\n"

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def get(self, target: str, cookies: str) -> Answer:
        """Send what a browser would."""
        return await self._ask(f"GET {target} HTTP/1.1\r\n{self._host}Cookie: {cookies}\r\n\r\n".encode())

    async def post(self, target: str, form: Mapping[str, str], headers: Mapping[str, str] = NO_HEADERS) -> Answer:
        """Send a form."""
        body = urlencode(form)
        head = f"POST {target} HTTP/1.1\r\n{self._host}Content-Type: application/x-www-form-urlencoded\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return await self._ask(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    async def _ask(self, request: bytes) -> Answer:
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(status.split(" ", 2)[1]), headers, body)
