"""CORS for the endpoints that scripts may call: token, revocation, UserInfo, discovery, keys. Never for pages.

No credentials: a script brings its token itself, so any origin may be answered (RFC 9700 section 2.6).

Errors as well, or a script would see a network error and no reason: what a refused method, a large body or an accident
is answered with comes from outside the route. So the route only notes the headers, and the edge writes them.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]
ALLOWED_HEADERS = "authorization, content-type, accept, dpop"
EXPOSED_HEADERS = "www-authenticate, dpop-nonce, retry-after, x-request-id"
MAX_AGE_SECONDS = "600"
READERS = "ostiary.readers"
"""Key of the request's scope: the headers that say which scripts may read the answer, whoever gives it."""
EVERYBODY = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", EXPOSED_HEADERS.encode("ascii")),
)


class CrossOriginRoute(Route):
    """A route whose answers scripts of any origin may read, errors included."""

    def __init__(self, path: str, handler: Handler, methods: tuple[str, ...]) -> None:
        super().__init__(path, _with_preflight(handler, methods), methods=[*methods, "OPTIONS"])

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for this path, whatever its method."""
        scope[READERS] = EVERYBODY
        await super().handle(scope, receive, send)


def _with_preflight(handler: Handler, methods: tuple[str, ...]) -> Handler:
    async def handle(request: Request) -> Response:
        if request.method != "OPTIONS":
            return await handler(request)
        response = Response(status_code=204)
        response.headers["access-control-allow-methods"] = ", ".join(methods)
        response.headers["access-control-allow-headers"] = ALLOWED_HEADERS
        response.headers["access-control-max-age"] = MAX_AGE_SECONDS
        return response

    return handle
