"""The keys of clients that publish them at their `jwks_uri`: fetched when needed, kept for as long as they say.

Bounded in every way, because strangers decide when we fetch: one fetch a client at a time and at most one a minute,
a limited number of clients in memory, and what was fetched last goes on for a while when the address fails.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clients.certificate import thumbprints_of
from clients.client import Client
from keys.decoding import decode_json_object
from keys.jose import JoseError, VerificationKey, import_client_jwks
from server.clock import Clock
from server.observability.logging import logger
from server.outbound.fetcher import Fetcher, FetchError
from server.outbound.lanes import Lane
from server.outbound.media import KEY_SET

MIN_SECONDS, DEFAULT_SECONDS, MAX_SECONDS = 60, 300, 86_400
RETRY_SECONDS = 60
"""The least time between two fetches for one client, whatever asks for them."""
STALE_SECONDS = 3600
"""How much longer old keys go on when new ones cannot be had."""
MAX_CLIENTS = 500
OK = 200
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})\"?(?:$|[\s,;])", re.IGNORECASE)
_NO_CACHE = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,;=])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """What a client publishes, read."""

    jwks: Mapping[str, Any]
    """The JWK Set as it came, for keys that encrypt to the client."""
    keys: tuple[VerificationKey, ...]
    certificates: tuple[str, ...]
    """Thumbprints of the certificates among them (RFC 8705 section 2.2.2)."""


NOTHING = PublishedKeys({}, (), ())


@dataclass(slots=True)
class _Entry:
    uri: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    published: PublishedKeys | None = None
    expires_at: int = 0
    next_try_at: int = 0


class ClientKeys:
    """A cache of published keys for one server process."""

    def __init__(self, fetcher: Fetcher, clock: Clock, *, max_clients: int = MAX_CLIENTS) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._max_clients = max_clients
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def find(self, client: Client, kid: str | None = None) -> PublishedKeys | None:
        """Return what a client publishes, None where its keys are in its metadata. Never raises: no keys, no proof.

        A `kid` that is unknown makes us look again, for the client may have changed its keys.
        """
        if client.jwks_uri is None:
            return None
        entry = self._entry(client.client_id, client.jwks_uri)
        if self._lacks(entry, kid):
            async with entry.lock:  # where somebody else is fetching, their answer is ours
                if self._lacks(entry, kid) and self._clock.now() >= entry.next_try_at:
                    await self._fetch(entry, Lane.UNVERIFIED_KEYS if client.is_unverified else Lane.KEYS)
        return self._known(entry)

    def cached(self, client: Client) -> PublishedKeys | None:
        """Return what `find` would without fetching: for code inside a transaction, after `find` before it."""
        if client.jwks_uri is None:
            return None
        entry = self._entries.get(client.client_id)
        if entry is None or entry.uri != client.jwks_uri:
            return NOTHING
        return self._known(entry)

    def _known(self, entry: _Entry) -> PublishedKeys:
        if entry.published is None or self._clock.now() >= entry.expires_at + STALE_SECONDS:
            return NOTHING
        return entry.published

    def _entry(self, client_id: str, uri: str) -> _Entry:
        entry = self._entries.get(client_id)
        if entry is None or entry.uri != uri:
            entry = self._entries[client_id] = _Entry(uri)
            if len(self._entries) > self._max_clients:
                self._entries.popitem(last=False)
        self._entries.move_to_end(client_id)
        return entry

    def _lacks(self, entry: _Entry, kid: str | None) -> bool:
        if entry.published is None or self._clock.now() >= entry.expires_at:
            return True
        return kid is not None and not any(key.kid == kid for key in entry.published.keys)

    async def _fetch(self, entry: _Entry, lane: Lane) -> None:
        entry.next_try_at = self._clock.now() + RETRY_SECONDS
        try:
            fetched = await self._fetcher.get(entry.uri, media=KEY_SET, lane=lane)
            if fetched.status != OK:
                raise FetchError(f"{entry.uri} answers {fetched.status}")  # noqa: TRY301  one outcome with the others
            entry.published = _read(fetched.body)
            entry.expires_at = self._clock.now() + lifetime(fetched.cache_control)
        except (FetchError, JoseError, ValueError) as error:
            logger().warning("client_keys_unavailable", cause=str(error))


def _read(body: bytes) -> PublishedKeys:
    jwks = decode_json_object(body)
    return PublishedKeys(jwks, import_client_jwks(jwks), thumbprints_of(jwks))


def lifetime(cache_control: str) -> int:
    """Return for how many seconds an answer is good (RFC 9111 section 5.2.2), within our bounds."""
    if _NO_CACHE.search(cache_control):
        return MIN_SECONDS
    max_age = _MAX_AGE.search(cache_control)
    return DEFAULT_SECONDS if max_age is None else max(MIN_SECONDS, min(int(max_age[1]), MAX_SECONDS))
