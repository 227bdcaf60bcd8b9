"""Finding clients, with a cache in the process that is emptied when anything about clients changes."""

import re
from collections import OrderedDict
from typing import Protocol

from clients.client import Client

MAX_CLIENT_ID_CHARACTERS = 255
_CLIENT_ID = re.compile(rf"[!-~]{{1,{MAX_CLIENT_ID_CHARACTERS}}}\Z")  # RFC 6749 appendix A.1, without spaces


class ClientStore(Protocol):
    """Where clients are kept."""

    async def find_client(self, client_id: str) -> Client | None:
        """Return a client, disabled or not."""
        ...


class ClientDocuments(Protocol):
    """Clients that are named by the URL of their metadata document. They have a cache of their own."""

    def covers(self, client_id: str) -> bool:
        """Whether a client_id is the URL of a document."""
        ...

    def cached(self, client_id: str) -> Client | None:
        """Return a client whose document is still good."""
        ...

    async def find(self, client_id: str, store: ClientStore) -> Client | None:
        """Return the client. What the store has under its name is what operators have decided about it."""
        ...

    def forget(self) -> None:
        """Look at all documents again."""
        ...


class ClientRegistry:
    """A bounded cache over a store; unknown ids are remembered too.

    They are remembered apart, so that whoever sends made-up ids cannot push the real clients out of memory.
    """

    def __init__(
        self, store: ClientStore, *, documents: ClientDocuments | None = None, max_entries: int = 10_000
    ) -> None:
        self._store = store
        self._documents = documents
        self._max_entries = max_entries
        self._clients: OrderedDict[str, Client] = OrderedDict()
        self._unknown: OrderedDict[str, None] = OrderedDict()
        self._generation = 0

    async def find(self, client_id: str) -> Client | None:
        """Return a client, disabled or not; None where there is none."""
        known = self._clients.get(client_id)
        if known is not None:
            self._clients.move_to_end(client_id)
            return known
        if client_id in self._unknown or not _CLIENT_ID.match(client_id):
            return None
        if self._documents is not None and self.is_document(client_id):
            return await self._documents.find(client_id, self._store)
        generation = self._generation
        client = await self._store.find_client(client_id)
        if generation == self._generation:  # else something changed while we read
            self._remember(client_id, client)
        return client

    def is_document(self, client_id: str) -> bool:
        """Whether a client_id is the URL of a metadata document, which describes the client."""
        return self._documents is not None and self._documents.covers(client_id)

    def _remember(self, client_id: str, client: Client | None) -> None:
        if client is None:
            self._unknown[client_id] = None
        else:
            self._clients[client_id] = client
        for cache in (self._clients, self._unknown):
            if len(cache) > self._max_entries:
                cache.popitem(last=False)

    def cached(self, client_id: str) -> Client | None:
        """Return a client that was found before and has not changed since."""
        known = self._clients.get(client_id)
        return known if known is not None or self._documents is None else self._documents.cached(client_id)

    def clear(self) -> None:
        """Forget everything: something has changed."""
        self._generation += 1
        self._clients.clear()
        self._unknown.clear()
        if self._documents is not None:
            self._documents.forget()
