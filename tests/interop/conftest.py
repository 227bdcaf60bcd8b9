"""A real server process, the people and clients in it, and a person's browser that reaches it over HTTP."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Serve
from tests.support.person import Person
from tests.support.process import ServerProcess
from tests.support.server import PASSWORD, RunningServer

CALLBACK = "http://localhost:9/callback"


class WallClock:
    """The clock that a server process has."""

    def now(self) -> int:
        return int(time.time())


@dataclass(frozen=True)
class Origin:
    """The one setting that a browser knows."""

    origin: str


class OverHttp:
    """What a person's browser needs of a server, here a process."""

    def __init__(self, process: ServerProcess) -> None:
        parts = urlsplit(process.issuer)
        self.issuer = process.issuer
        self.settings = Origin(f"{parts.scheme}://{parts.netloc}")
        self.clock = WallClock()

    def http(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.issuer, timeout=15, **options)


class Visitor(Person):
    """Alice, who also walks through other people's sites on localhost with the same cookies."""

    def __init__(self, process: ServerProcess) -> None:
        super().__init__(cast("RunningServer", OverHttp(process)))

    async def finish(self, url: str) -> str:
        """Open a URL, do whatever the issuer asks for, and return the URL that the browser is sent to in the end."""
        await self.visit(url)
        for _ in range(4):
            if self.left_for is not None:
                return self.left_for
            if self.title == "Sign in":
                await self.sign_in()
            elif self.title == "Protect your account":
                await self.postpone()
            else:
                await self.consent()
        assert self.left_for is not None, self.text
        return self.left_for


@pytest.fixture
def issuer(serve: Serve) -> ServerProcess:
    """A server process with Alice in it."""
    process = serve()
    options = ("--name", "Alice Ample", "--verified", "--password-stdin")
    process.cli("user", "create", "alice@example.com", *options, stdin=PASSWORD + "\n")
    return process


@pytest.fixture
async def visitor(issuer: ServerProcess) -> AsyncIterator[Visitor]:
    """Alice's browser."""
    async with Visitor(issuer) as alice:
        yield alice
