"""The logos of clients: fetched by us and served from our own origin, so that no page tells a stranger who looks at it.

Bounded as the keys of clients are: one fetch a client at a time and at most one in ten minutes, and a limited number in
memory.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from clients.client import Client
from server.clock import Clock
from server.observability.logging import logger
from server.outbound.fetcher import Fetcher, FetchError
from server.outbound.media import IMAGE

KEPT_SECONDS = 86_400
RETRY_SECONDS = 600
MAX_LOGOS = 200
OK = 200
_WEBP = slice(8, 12)
_FORMS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
"""What browsers only ever show. No SVG: it may hold script."""


@dataclass(frozen=True, slots=True)
class Logo:
    """An image."""

    content_type: str
    body: bytes


@dataclass(slots=True)
class _Entry:
    uri: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    logo: Logo | None = None
    expires_at: int = 0


class ClientLogos:
    """A cache of logos for one server process."""

    def __init__(self, fetcher: Fetcher, clock: Clock, *, max_logos: int = MAX_LOGOS) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._max_logos = max_logos
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def find(self, client: Client) -> Logo | None:
        """Return a client's logo, None where it has none that we can show. Never raises."""
        if not has_logo(client) or client.logo_uri is None:
            return None
        entry = self._entry(client.client_id, client.logo_uri)
        async with entry.lock:  # where somebody else is fetching, their answer is ours
            if self._clock.now() >= entry.expires_at:
                entry.logo = await self._fetch(client.client_id, entry.uri) or entry.logo
                entry.expires_at = self._clock.now() + (RETRY_SECONDS if entry.logo is None else KEPT_SECONDS)
        return entry.logo

    def _entry(self, client_id: str, uri: str) -> _Entry:
        entry = self._entries.get(client_id)
        if entry is None or entry.uri != uri:
            entry = self._entries[client_id] = _Entry(uri)
        self._entries.move_to_end(client_id)
        if len(self._entries) > self._max_logos:
            self._entries.popitem(last=False)
        return entry

    async def _fetch(self, client_id: str, uri: str) -> Logo | None:
        try:
            fetched = await self._fetcher.get(uri, media=IMAGE)
        except FetchError as error:
            logger().warning("client_logo_not_fetched", client=client_id, cause=str(error))
            return None
        found = _form_of(fetched.body) if fetched.status == OK else None
        if found is None:
            logger().warning("client_logo_refused", client=client_id, cause="no PNG, JPEG, WebP or GIF")
            return None
        return Logo(found, fetched.body)


def has_logo(client: Client) -> bool:
    """Whether a logo may be shown. Not that of a client that nobody has vouched for: it may be anybody's logo."""
    return client.logo_uri is not None and not client.is_unverified


def _form_of(body: bytes) -> str | None:
    if body.startswith(b"RIFF") and body[_WEBP] == b"WEBP":
        return "image/webp"
    return next((name for start, name in _FORMS if body.startswith(start)), None)
