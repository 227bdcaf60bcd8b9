"""CORS for the endpoints that scripts may call: token, revocation, UserInfo, discovery, keys. Never for pages.

No credentials: a script brings its token itself, so any origin may be answered (RFC 9700 section 2.6).
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]
ALLOWED_HEADERS = "authorization, content-type, accept, dpop"
EXPOSED_HEADERS = "www-authenticate, dpop-nonce, retry-after, x-request-id"
MAX_AGE_SECONDS = "600"


def readable_everywhere(handler: Handler, methods: tuple[str, ...]) -> Handler:
    """Wrap a handler so that scripts of any origin may read its answers."""

    async def handle(request: Request) -> Response:
        if request.method == "OPTIONS":
            response = Response(status_code=204)
            response.headers["access-control-allow-methods"] = ", ".join(methods)
            response.headers["access-control-allow-headers"] = ALLOWED_HEADERS
            response.headers["access-control-max-age"] = MAX_AGE_SECONDS
        else:
            response = await handler(request)
            response.headers["access-control-expose-headers"] = EXPOSED_HEADERS
        response.headers["access-control-allow-origin"] = "*"
        return response

    return handle
