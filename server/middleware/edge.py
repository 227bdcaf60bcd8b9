"""The outermost layer: a request id, common headers, one log line a request, and the answer to an accident."""

import secrets
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.clock import perf_counter
from server.middleware.cross_origin import READERS
from server.observability import trace
from server.observability.logging import logger
from server.settings import Settings

COMMON_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
# No page that another site opened may keep a hold of ours, nor we of it.
OPENER_POLICY = (b"cross-origin-opener-policy", b"same-origin")
# But what a popup may pass through on its way back to its application has no such policy, neither pages nor redirects:
# one answer with it, and the browser cuts the popup off for good. The application's callback would find no
# `window.opener`, and the page that opened the popup would take it for closed at once.
POPUP_PATHS = ("/authorize", "/interaction/", "/end-session", "/sign-out/")
HEALTH_PREFIX = "/health/"


class Edge:
    """Gives each request an id and logs it when it is answered."""

    def __init__(self, app: ASGIApp, settings: Settings, on_error: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._on_error = on_error
        self._popup_headers = (*COMMON_HEADERS, HSTS) if settings.is_https else COMMON_HEADERS
        self._headers = (*self._popup_headers, OPENER_POLICY)
        self._popup_paths = tuple(settings.issuer_path + path for path in POPUP_PATHS)
        self._log = logger() if settings.access_log else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope["request_id"] = request_id
        trace.begin(request_id)
        headers = self._popup_headers if scope["path"].startswith(self._popup_paths) else self._headers
        started = perf_counter()
        status, is_started = 500, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, is_started
            if message["type"] == "http.response.start":
                is_started = True
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    *headers,
                    *scope.get(READERS, ()),
                    (b"x-request-id", request_id.encode("ascii")),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            if is_started:
                raise  # too late for an answer: the connection is cut
            await self._on_error(Request(scope), error)(scope, receive, send_with_headers)
        finally:
            if self._log is not None and not scope["path"].startswith(HEALTH_PREFIX):
                client = scope.get("client")
                # The query string is left out: it holds codes and states.
                self._log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    milliseconds=round((perf_counter() - started) * 1000, 1),
                    address=client[0] if client else "",
                )
