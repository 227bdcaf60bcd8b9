"""Who may hold how much of the way out: one kind of fetch never waits for another.

Whoever runs a slow host decides how long we wait there, so each kind has room of its own, and each host a part of it.
What somebody needs anyway waits for its turn, within the time of the fetch. What a stranger can start with a link, and
repeat, is refused at once: waiting would keep their requests, and no time of theirs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from weakref import WeakValueDictionary

MAX_AT_ONE_HOST = 4
"""For each kind of fetch, so that what strangers start keeps nobody else from the same host."""


class Lane(Enum):
    """A kind of fetch: its name, how many there may be at once, and whether the next one waits."""

    KEYS = ("keys", 16, True)
    """Keys of clients that an operator vouched for."""
    UNVERIFIED_KEYS = ("unverified_keys", 8, True)
    """Keys of clients that made themselves known: strangers can have any number of them, with a host each."""
    REQUEST_OBJECTS = ("request_objects", 8, False)
    UNVERIFIED_REQUEST_OBJECTS = ("unverified_request_objects", 8, False)
    CLIENT_DOCUMENTS = ("client_documents", 16, True)
    """Documents that a client_id names; `client_documents.py` refuses more."""
    DOCUMENTS = ("documents", 8, True)
    """Documents of sectors, logos."""
    DELIVERIES = ("deliveries", 16, True)
    """Logout notices and pings. The outbox has them again where they get no turn."""

    def __init__(self, _name: str, at_once: int, waits: bool) -> None:  # noqa: FBT001  a row of the table above
        self.at_once = at_once
        self.waits = waits


class BusyError(Exception):
    """No turn now."""


class Turns:
    """The turns of one lane."""

    def __init__(self, lane: Lane) -> None:
        self._waits = lane.waits
        self._all = asyncio.Semaphore(lane.at_once)
        self._hosts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, host: str) -> AsyncIterator[None]:
        """Hold a turn. Raises BusyError in a lane that does not wait."""
        at_host = self._hosts.get(host)
        if at_host is None:
            at_host = self._hosts[host] = asyncio.Semaphore(MAX_AT_ONE_HOST)
        if not self._waits and (at_host.locked() or self._all.locked()):
            raise BusyError
        # The host first: who waits for a slow one must not hold a turn that others could use.
        async with at_host, self._all:
            yield
