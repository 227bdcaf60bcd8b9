"""What uvicorn lacks: time and size limits of a request's arrival, and the certificate that a client shows in TLS.

Without the limits a slow sender could hold a connection for ever.
"""

import asyncio
import ssl
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 32_768
_ANSWER = b"HTTP/1.1 %s\r\ncontent-type: text/plain\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose request does not arrive in time, and passes on the client's certificate."""

    config: "BoundedConfig"
    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_in_head = True
    _certificate: str | None = None

    def connection_made(self, transport: Any) -> None:
        """Give the first request its time."""
        super().connection_made(transport)
        self._certificate = _certificate_of(transport)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the head's bytes; a further request on the connection gets its own time."""
        if self._is_in_head:
            if self._deadline is None:
                self._start()
            end = data.find(b"\r\n\r\n")
            self._head_bytes += len(data) if end < 0 else end
            if self._head_bytes > MAX_HEADER_BYTES:
                # Before it is parsed: a head that arrives whole would be over, and answered, at once.
                self._refuse(b"431 Request Header Fields Too Large")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Give a request its own time that arrived in one piece with the one before; name its sender's certificate."""
        super().on_message_begin()
        if self._certificate is not None:
            # The TLS extension of ASGI: the client's own certificate first.
            self.scope["extensions"] = {"tls": {"client_cert_chain": [self._certificate], "client_cert_error": None}}
        if self._deadline is None:
            self._start()

    def on_headers_complete(self) -> None:
        """Stop counting: the body has limits of its own."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Forget the deadline: the request is here."""
        self._stop()
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _start(self) -> None:
        self._deadline = self.loop.call_later(self.config.request_seconds, self._refuse, b"408 Request Timeout")

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        self._stop()
        if not self.transport.is_closing():
            self.transport.write(_ANSWER % status)
            self.transport.close()


def _certificate_of(transport: Any) -> str | None:
    """Return the certificate that the client has shown, as PEM. The handshake is over when a protocol hears of it."""
    connection = transport.get_extra_info("ssl_object")
    der = None if connection is None else connection.getpeercert(binary_form=True)
    return None if der is None else ssl.DER_cert_to_PEM_cert(der)


class BoundedConfig(uvicorn.Config):
    """uvicorn's configuration, which reaches worker processes pickled, and the time for a whole request."""

    def __init__(self, app: Any, *, request_seconds: int, **options: Any) -> None:
        super().__init__(app, http=BoundedProtocol, **options)
        self.request_seconds = request_seconds
