"""The JWK Set: RFC 7517 section 5."""

import hashlib
import json

from starlette.requests import Request
from starlette.responses import Response

from server.protocol.services import services_of


async def jwks(request: Request) -> Response:
    """Return the public keys. A new key stands here for at least `max-age` before it signs."""
    services = services_of(request)
    content = json.dumps(services.keys.current.jwks(), separators=(",", ":"), sort_keys=True).encode()
    headers = {
        "cache-control": f"public, max-age={services.settings.jwks_cache_seconds}",
        "etag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
    }
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/jwk-set+json")
