"""A real server process, the people and clients in it, and a person's browser that reaches it over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Serve, SettingsFor
from tests.interop.npm import Library
from tests.support.listening import ListeningServer, WallClock
from tests.support.person import Person
from tests.support.process import ServerProcess, free_port
from tests.support.server import PASSWORD, RunningServer

CALLBACK = "http://localhost:9/callback"


@dataclass(frozen=True)
class Origin:
    """The one setting that a browser knows."""

    origin: str


class OverHttp:
    """What a person's browser needs of a server that it reaches over HTTP."""

    def __init__(self, process: ServerProcess | RunningServer) -> None:
        parts = urlsplit(process.issuer)
        self.issuer = process.issuer
        self.settings = Origin(f"{parts.scheme}://{parts.netloc}")
        self.clock = WallClock()

    def http(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.issuer, timeout=15, **options)


class Visitor(Person):
    """Alice, who also walks through other people's sites on localhost with the same cookies."""

    def __init__(self, process: ServerProcess | RunningServer) -> None:
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

    async def set_up_second_factor(self, url: str) -> str:
        """Open a URL that needs a second factor, set it up, and return the URL that the browser is sent to."""
        await self.visit(url)
        await self.enrol()
        return await self.finish(url)


def with_alice(process: ServerProcess) -> ServerProcess:
    """Give a server process Alice."""
    options = ("--name", "Alice Ample", "--verified", "--password-stdin")
    process.cli("user", "create", "alice@example.com", *options, stdin=PASSWORD + "\n")
    return process


@pytest.fixture
def issuer(serve: Serve) -> ServerProcess:
    """A server process with Alice in it."""
    return with_alice(serve())


@pytest.fixture
async def visitor(issuer: ServerProcess) -> AsyncIterator[Visitor]:
    """Alice's browser."""
    async with Visitor(issuer) as alice:
        yield alice


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    """SQLite, where a test does not name the databases itself: foreign clients see no difference."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
async def listening(settings_for: SettingsFor, overrides: dict[str, Any]) -> AsyncIterator[ListeningServer]:
    """A server in this process, with a port of its own and Alice in it."""
    port = free_port()
    settings = settings_for(port=port, issuer=f"http://localhost:{port}", **overrides)
    async with ListeningServer(settings) as server:
        await server.add_person(email_verified=True)
        yield server


@pytest.fixture(params=["openid_client", "oauth4webapi"])
async def library(request: pytest.FixtureRequest, listening: ListeningServer) -> AsyncIterator[Library]:
    """Each of the two npm libraries, with Alice's browser."""
    async with Visitor(listening) as alice:
        yield Library(str(request.param), listening, alice)
