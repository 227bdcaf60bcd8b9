"""Server metadata: RFC 8414 and OpenID Connect Discovery 1.0, made from what is enabled and nothing more."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clients.authentication import METHODS
from server.protocol.checks import RESPONSE_TYPES
from server.protocol.extension import Endpoint
from server.protocol.services import Services, services_of


async def metadata(request: Request) -> Response:
    """Return the metadata document."""
    services = services_of(request)
    headers = {"cache-control": f"public, max-age={services.settings.jwks_cache_seconds}"}
    scopes = {"scopes_supported": sorted({*_own_scopes(services), *services.scopes})}
    live: dict[str, Any] = {}
    for extension in services.extensions:
        live |= extension.live_metadata(services)
    return JSONResponse({**services.metadata, **scopes, **live}, headers=headers)


def build(services: Services, endpoints: tuple[Endpoint, ...]) -> dict[str, Any]:
    """Put the document together: the core's members, each endpoint's URL, each extension's members."""
    document: dict[str, Any] = {
        "issuer": services.settings.issuer,
        "response_types_supported": list(RESPONSE_TYPES),
        "grant_types_supported": [grant.GRANT_TYPE for grant in services.grants],
        "token_endpoint_auth_methods_supported": list(METHODS),
    }
    for endpoint in endpoints:
        if endpoint.is_announced:
            document[endpoint.name] = services.settings.url(endpoint.path)
    for extension in services.extensions:
        document |= extension.metadata(services)
    return document


def _own_scopes(services: Services) -> list[str]:
    return [name for extension in services.extensions for name in extension.scopes]
