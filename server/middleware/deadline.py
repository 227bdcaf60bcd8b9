"""Time and size limits of a request's arrival. uvicorn has none: a slow sender could hold a connection for ever."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 32_768
_ANSWER = b"HTTP/1.1 %s\r\ncontent-type: text/plain\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def bounded_protocol(request_seconds: int) -> type[HttpToolsProtocol]:  # noqa: C901  a class with small methods
    """Return uvicorn's HTTP protocol with a deadline for receiving a whole request and a limit on its head."""

    class BoundedProtocol(HttpToolsProtocol):
        """Closes connections whose request does not arrive in time."""

        _deadline: asyncio.TimerHandle | None = None
        _head_bytes = 0
        _is_in_head = True

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._start()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._is_in_head:
                if self._deadline is None:
                    self._start()
                self._head_bytes += len(data)
            super().data_received(data)
            if self._is_in_head and self._head_bytes > MAX_HEADER_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")

        def on_headers_complete(self) -> None:
            self._is_in_head = False
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._stop()
            self._is_in_head, self._head_bytes = True, 0
            super().on_message_complete()

        def _start(self) -> None:
            self._deadline = self.loop.call_later(request_seconds, self._refuse, b"408 Request Timeout")

        def _stop(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _refuse(self, status: bytes) -> None:
            self._stop()
            if not self.transport.is_closing():
                self.transport.write(_ANSWER % status)
                self.transport.close()

    return BoundedProtocol
