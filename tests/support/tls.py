"""TLS in front of something on loopback, for programs that speak nothing else: a certificate of its own, and bytes."""

import asyncio
import contextlib
import ssl
import time
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.x509 import DNSName, IPAddress

from tests.support.certificates import make


class TlsFront:
    """Listens at `https://localhost:port` and passes everything on to another port. Trust `certificate` to reach it."""

    def __init__(self, folder: Path, port: int, to_port: int) -> None:
        self.origin = f"https://localhost:{port}"
        self.certificate = folder / f"tls-{port}.pem"
        shown = make(int(time.time()), "CN=localhost", DNSName("localhost"), IPAddress(ip_address("127.0.0.1")))
        self.certificate.write_bytes(shown.pem)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate)
        self._port = port
        self._to_port = to_port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._open.discard(task)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
