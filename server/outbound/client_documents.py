"""The documents of clients that are named by a URL: fetched when somebody comes from them, kept as long as they say.

Bounded, because strangers decide when we fetch: a few at once, fewer at one host, one for each document. Failures are
not kept (section 6.6 of the draft); a document that was good goes on for a while when its address fails.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from clients.client import Client
from clients.metadata import InvalidClientMetadata
from clients.metadata_document import MAX_BYTES, is_document_url, read
from clients.registry import ClientStore
from clients.self_registration import UNVERIFIED, operators_members
from keys.decoding import decode_json_object
from server.clock import Clock
from server.observability.logging import logger
from server.outbound.client_keys import lifetime
from server.outbound.fetcher import Fetcher, FetchError
from server.outbound.lanes import Lane
from server.outbound.sector_identifier import check_sector

MAX_SECONDS = 3600
"""Who changes a redirect URI need not wait longer, whatever the address says."""
STALE_SECONDS = 3600
MAX_CLIENTS = 1000
MAX_AT_ONCE, MAX_AT_ONE_HOST = 16, 2
OK = 200


@dataclass(frozen=True, slots=True)
class _Entry:
    client: Client
    expires_at: int


class ClientDocuments:
    """A cache of clients by the URL of their document, for one server process."""

    def __init__(
        self,
        fetcher: Fetcher,
        clock: Clock,
        *,
        known_scopes: Callable[[], Collection[str]],
        defined_scopes: Callable[[], Collection[str]],
        allow_loopback: bool,
        max_clients: int = MAX_CLIENTS,
    ) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._known_scopes = known_scopes
        self._defined_scopes = defined_scopes
        self._allow_loopback = allow_loopback
        self._max_clients = max_clients
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._generation = 0
        self._running: dict[str, asyncio.Task[Client | None]] = {}

    def covers(self, client_id: str) -> bool:
        """Whether a client_id is the URL of a document."""
        return is_document_url(client_id, allow_loopback=self._allow_loopback)

    def cached(self, client_id: str) -> Client | None:
        """Return a client whose document is still good."""
        entry = self._entries.get(client_id)
        return entry.client if entry is not None and self._clock.now() < entry.expires_at else None

    async def find(self, client_id: str, store: ClientStore) -> Client | None:
        """Return the client. An operator's decision about it, and since somebody consented a row, is in the store."""
        found = self.cached(client_id)
        if found is not None:
            return found
        generation = self._generation
        row = await store.find_client(client_id)
        if row is not None and (row.disabled or not row.is_unverified):
            self._remember(row, MAX_SECONDS, generation)
            return row
        task = self._running.get(client_id)
        if task is None:
            if not self._may_start(client_id):
                logger().warning("client_document_not_fetched", client=client_id, cause="too many at once")
                return self._stale(client_id)
            task = self._running[client_id] = asyncio.create_task(self._fetch(client_id, row, generation))
            task.add_done_callback(lambda _: self._running.pop(client_id, None))
        # Whoever waits may go away; the others still want it.
        return await asyncio.shield(task) or self._stale(client_id)

    def forget(self) -> None:
        """Look at all documents, and at what is stored about their clients, again."""
        self._generation += 1
        self._entries.clear()

    def _may_start(self, client_id: str) -> bool:
        host = urlsplit(client_id).netloc
        at_host = sum(urlsplit(other).netloc == host for other in self._running)
        return len(self._running) < MAX_AT_ONCE and at_host < MAX_AT_ONE_HOST

    def _stale(self, client_id: str) -> Client | None:
        entry = self._entries.get(client_id)
        is_usable = entry is not None and self._clock.now() < entry.expires_at + STALE_SECONDS
        return entry.client if entry is not None and is_usable else None

    async def _fetch(self, client_id: str, row: Client | None, generation: int) -> Client | None:
        try:
            fetched = await self._fetcher.get(client_id, lane=Lane.CLIENT_DOCUMENTS)
            if fetched.status != OK or len(fetched.body) > MAX_BYTES:
                raise FetchError(f"{client_id} answers {fetched.status}, {len(fetched.body)} bytes")  # noqa: TRY301  one outcome with the others
            operators = {UNVERIFIED: True} if row is None else operators_members(row.metadata)
            document = _document_in(fetched.body)
            metadata = read(
                client_id,
                document,
                operators=operators,
                scopes_known=self._known_scopes(),
                scopes_defined=self._defined_scopes(),
            )
            self._check_fetched(metadata.get("jwks_uri"))
            await check_sector(self._fetcher, metadata)
        except (FetchError, InvalidClientMetadata, ValueError) as error:
            logger().warning("client_document_refused", client=client_id, cause=str(error))
            return None
        client = Client(client_id, metadata, (), disabled=False, created_at=self._clock.now())
        self._remember(client, min(lifetime(fetched.cache_control), MAX_SECONDS), generation)
        return client

    def _remember(self, client: Client, seconds: int, generation: int) -> None:
        if generation != self._generation:
            return  # an operator may have decided otherwise while we looked
        self._entries[client.client_id] = _Entry(client, self._clock.now() + seconds)
        self._entries.move_to_end(client.client_id)
        if len(self._entries) > self._max_clients:
            self._entries.popitem(last=False)

    def _check_fetched(self, uri: str | None) -> None:
        problem = None if uri is None else self._fetcher.problem_of(uri)
        if problem is not None:
            raise InvalidClientMetadata(f"jwks_uri cannot be fetched: {problem}")


def _document_in(body: bytes) -> dict[str, Any]:
    try:
        return decode_json_object(body)
    except ValueError as error:
        raise InvalidClientMetadata(f"it is no JSON object: {error}") from None
