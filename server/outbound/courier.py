"""Emptying one topic of the outbox: claim and commit, deliver, commit again; any number of processes may do so.

What was delivered is deleted afterwards, so a crash in between delivers it a second time and never loses it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from server.clock import Clock
from server.observability.logging import logger
from server.storage import outbox
from server.storage.database import Database, DatabaseUnavailableError
from server.storage.outbox import Item

STOP_SECONDS = 5.0


class Courier:
    """Delivers what is due, a bounded number at a time: what hangs leaves the others their way.

    `deliver` tries one item, and deletes or postpones it. The lease must be longer than that can take: a process that
    dies leaves its items to others after this time.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        topic: str,
        deliver: Callable[[Item], Awaitable[None]],
        *,
        parallel: int,
        lease_seconds: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._topic = topic
        self._deliver = deliver
        self._parallel = parallel
        self._lease_seconds = lease_seconds
        self._running: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def start_due(self) -> None:
        """Start delivering what is due, without waiting for it."""
        free = self._parallel - len(self._running)
        if free <= 0:
            return
        now = self._clock.now()
        due = await self._database.read(lambda db: outbox.count_due(db, self._topic, now=now, limit=free))
        for _ in range(due):
            task = asyncio.create_task(self._drain())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def run_due(self) -> None:
        """Deliver what is due, and return when everything was tried."""
        await self.start_due()
        await asyncio.gather(*self._running)

    async def stop(self) -> None:
        """Give what is on its way a little time; what is not delivered then is delivered again after its lease."""
        self._is_stopping = True
        if not self._running:
            return
        _done, late = await asyncio.wait(set(self._running), timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _drain(self) -> None:
        try:
            while not self._is_stopping and (item := await self._claim()) is not None:
                await self._deliver(item)
        except DatabaseUnavailableError as error:
            logger().warning("the database does not answer", cause=str(error))
        except Exception:  # noqa: BLE001  the lease ends by itself: the item is tried again
            logger().exception("a delivery failed", topic=self._topic)

    async def _claim(self) -> Item | None:
        now = self._clock.now()
        return await self._database.run(
            lambda db: outbox.claim(db, self._topic, now=now, lease_until=now + self._lease_seconds)
        )
