"""CORS for the JSON API: only scripts of first-party clients may read its answers, and no cookie is ever involved.

A first-party client is one that people are not asked about (`skip_consent`); its origins are those of its redirect
URIs.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from sqlalchemy import Connection
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request

from clients.client import Client
from server.middleware.cross_origin import READERS
from server.protocol.services import Services
from server.storage import clients, versions

ALLOWED_HEADERS = "authorization, content-type, accept, accept-language, dpop"
EXPOSED_HEADERS = "www-authenticate, dpop-nonce, retry-after, x-request-id"
MAX_AGE_SECONDS = "600"
PAGE = 500
DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(uri: str) -> str | None:
    """Return a URI's origin as browsers write it (RFC 6454 section 6.2), None where it has no web origin."""
    parts = urlsplit(uri)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_default = parts.port in (None, DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{parts.port}")


def origins_of(registered: Iterable[Client]) -> frozenset[str]:
    """Return the origins of the first-party clients among some clients."""
    uris = (uri for client in registered if client.skip_consent and not client.disabled for uri in client.redirect_uris)
    return frozenset(origin for uri in uris if (origin := origin_of(uri)) is not None)


class FirstPartyOrigins:
    """The origins of all first-party clients, read again when anything about clients has changed."""

    def __init__(self) -> None:
        self._version = -1
        self._origins: frozenset[str] = frozenset()

    def knew(self, origin: str) -> bool:
        """Whether scripts of an origin could read answers the last time that the database was asked."""
        return origin in self._origins

    async def allow(self, services: Services, origin: str) -> bool:
        """Whether scripts of an origin may read answers. A change made on any node counts at once."""
        version, origins = await services.database.read(self._read)
        self._version, self._origins = version, origins
        return origin in origins

    def _read(self, db: Connection) -> tuple[int, frozenset[str]]:
        version = versions.current(db)
        if version == self._version:
            return version, self._origins
        found: list[Client] = []
        while page := clients.list_clients(db, after=found[-1].client_id if found else "", limit=PAGE):
            found += page
        return version, origins_of(found)


def let_read(request: Request, origin: str | None) -> None:
    """Let scripts of this origin read the answer, also where an accident gives it; None for nobody's."""
    headers = {"vary": "origin"}
    if origin is not None:
        headers["access-control-allow-origin"] = origin
        headers["access-control-expose-headers"] = EXPOSED_HEADERS
    request.scope[READERS] = Headers(headers).raw


def write_preflight(headers: MutableHeaders, methods: Iterable[str]) -> None:
    """Say what scripts may ask for."""
    headers["access-control-allow-methods"] = ", ".join(methods)
    headers["access-control-allow-headers"] = ALLOWED_HEADERS
    headers["access-control-max-age"] = MAX_AGE_SECONDS
