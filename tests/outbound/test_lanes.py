"""Room on the way out: no kind of fetch starves another, no host its kind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from server.outbound.fetcher import BusyFetchError, Fetcher, FetchError
from server.outbound.lanes import MAX_AT_ONE_HOST, BusyError, Lane, Turns
from server.outbound.media import REQUEST_OBJECT


class Tarpit:
    """Takes connections, counts those that are open, and never says anything."""

    def __init__(self) -> None:
        self.most = 0
        self._open = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        self.most = max(self.most, self._open)
        try:
            await reader.read()
        finally:
            self._open -= 1
            writer.close()


@asynccontextmanager
async def tarpit() -> AsyncIterator[tuple[Tarpit, str]]:
    pit = Tarpit()
    listening = await asyncio.start_server(pit, "127.0.0.1", 0)
    async with listening:
        yield pit, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"


async def test_where_nobody_waits_the_host_and_then_the_lane_is_busy_at_once() -> None:
    turns = Turns(Lane.REQUEST_OBJECTS)
    async with AsyncExitStack() as held:
        for _ in range(MAX_AT_ONE_HOST):
            await held.enter_async_context(turns.take("a.example"))
        with pytest.raises(BusyError):
            await held.enter_async_context(turns.take("a.example"))
        for _ in range(Lane.REQUEST_OBJECTS.at_once - MAX_AT_ONE_HOST):
            await held.enter_async_context(turns.take("b.example"))
        with pytest.raises(BusyError):
            await held.enter_async_context(turns.take("c.example"))
    async with turns.take("a.example"), turns.take("c.example"):
        pass  # all were given back


async def test_who_waits_for_a_slow_host_holds_no_turn_of_the_others() -> None:
    turns = Turns(Lane.KEYS)
    reached: list[str] = []

    async def hold(host: str, seconds: float) -> None:
        async with turns.take(host):
            reached.append(host)
            await asyncio.sleep(seconds)

    slow = [asyncio.create_task(hold("slow.example", 0.3)) for _ in range(Lane.KEYS.at_once + MAX_AT_ONE_HOST)]
    await asyncio.sleep(0)
    await asyncio.wait_for(hold("quick.example", 0), 0.2)
    assert reached == ["slow.example"] * MAX_AT_ONE_HOST + ["quick.example"]
    await asyncio.gather(*slow)
    assert len(reached) == len(slow) + 1


async def test_a_turn_that_was_waited_for_in_vain_is_not_lost() -> None:
    turns = Turns(Lane.DELIVERIES)
    async with AsyncExitStack() as held:
        for _ in range(MAX_AT_ONE_HOST):
            await held.enter_async_context(turns.take("a.example"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), turns.take("a.example"):
                pass
    async with AsyncExitStack() as held:
        for _ in range(MAX_AT_ONE_HOST):
            await asyncio.wait_for(held.enter_async_context(turns.take("a.example")), 1)


async def test_a_tarpit_for_one_kind_keeps_no_other_kind_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at the same host: logout notices reach it while strangers have it asked for request objects."""
    monkeypatch.setattr("server.outbound.fetcher.TOTAL_SECONDS", 2.0)
    fetcher = Fetcher(allow_private=True)
    async with tarpit() as (pit, url):
        asking = [
            asyncio.create_task(fetcher.get(url, media=REQUEST_OBJECT, lane=Lane.REQUEST_OBJECTS)) for _ in range(50)
        ]
        async with asyncio.timeout(1.5):
            while pit.most < MAX_AT_ONE_HOST:
                await asyncio.sleep(0.01)
        busy = [task for task in asking if task.done() and isinstance(task.exception(), BusyFetchError)]
        assert len(busy) == 50 - MAX_AT_ONE_HOST
        assert pit.most == MAX_AT_ONE_HOST
        with pytest.raises(FetchError, match="did not answer within"):
            await fetcher.post(url, b"", content_type="text/plain")
        assert pit.most == MAX_AT_ONE_HOST + 1
        await asyncio.gather(*asking, return_exceptions=True)
    await fetcher.close()
