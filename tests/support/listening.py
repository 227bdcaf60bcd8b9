"""A server in this process that listens on a port as well: for programs that speak HTTP, at the price of a test."""

import time
from types import TracebackType
from typing import Self

import uvicorn

from server.middleware.deadline import BoundedConfig
from server.settings import Settings
from tests.support.server import FakeClock, RunningServer


class WallClock(FakeClock):
    """The time that other programs have, and what a test has added to it."""

    def __init__(self) -> None:
        super().__init__(0)

    def now(self) -> int:
        return int(time.time()) + self._now


class ListeningServer(RunningServer):
    """A node at `settings.host` and `settings.port`, with the arguments of `ostiary serve`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, WallClock())
        config = BoundedConfig(
            self.app,
            host=settings.host,
            port=settings.port,
            request_seconds=settings.request_seconds,
            access_log=False,
            server_header=False,
            log_level="warning",
            lifespan="off",  # it is ours already
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        config.load()
        self._listener = uvicorn.Server(config)
        self._listener.lifespan = config.lifespan_class(config)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self._listener.startup()  # without its loop, which waits for signals
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._listener.shutdown()
        await super().__aexit__(kind, error, trace)
