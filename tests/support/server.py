"""A whole server in this process: its lifespan runs, and requests reach it through ASGI."""

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from sqlalchemy import Connection
from starlette.applications import Starlette

from clients.metadata import validate
from server.accounts import registration
from server.accounts.user import User
from server.app import create_app
from server.background import Background
from server.events.context import CLI
from server.protocol import client_secrets
from server.protocol.services import Services
from server.settings import Settings
from server.storage import authorization_detail_types as detail_types
from server.storage import clients, resources, scopes
from server.storage.authorization_detail_types import DetailType
from server.storage.resources import Resource

T = TypeVar("T")
START = 1_790_000_000
PASSWORD = "correct horse battery staple"


class FakeClock:
    """A clock that moves when it is told to."""

    def __init__(self, now: int = START) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def advance(self, seconds: int) -> None:
        self._now += seconds


class RunningServer:
    """One node. Several on one PostgreSQL database are several nodes."""

    def __init__(self, settings: Settings, clock: FakeClock) -> None:
        self.settings = settings
        self.clock = clock
        self.app: Starlette = create_app(settings, clock=clock)
        self._stopping = asyncio.Event()
        self._ready: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live())
        await self._ready
        return self

    async def _live(self) -> None:
        assert self._ready is not None
        try:
            async with self.app.router.lifespan_context(self.app):
                self._ready.set_result(None)
                await self._stopping.wait()
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
                return
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._task is not None:
            await self._task

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    @property
    def issuer(self) -> str:
        return self.settings.issuer

    def http(self, *, address: str = "192.0.2.1", **options: Any) -> httpx.AsyncClient:
        """Return a client of this node; an exception in the server is a 500, as it would be outside."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(address, 1234))
        return httpx.AsyncClient(transport=transport, base_url=self.issuer, **options)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run work in a transaction of the server's database."""
        return await self.services.database.run(work)

    async def add_person(self, email: str = "alice@example.com", password: str = PASSWORD, **values: Any) -> User:
        """Make a person who can sign in."""
        password_hash = await self.services.hasher.hash(password)
        values.setdefault("name", "Alice Ample")
        return await self.run(
            lambda db: registration.register(
                db, email=email, password_hash=password_hash, context=CLI, now=self.clock.now(), **values
            )
        )

    async def add_client(self, client_id: str = "web", **metadata: Any) -> str:
        """Register a client and return its secret ("" for one without)."""
        metadata.setdefault("redirect_uris", ["https://client.example/cb"])
        metadata.setdefault("grant_types", ["authorization_code", "refresh_token"])
        metadata.setdefault("scope", "openid profile email address phone offline_access roles")
        valid = validate(metadata)
        now = self.clock.now()

        def work(db: Connection) -> str | None:
            clients.insert_client(db, client_id, valid, now=now)
            method = valid["token_endpoint_auth_method"]
            secret = client_secrets.give(db, self.services.sealer, client_id, method, now=now)
            scopes.add_missing(db, [name for name in valid.get("scope", "").split() if ":" in name], now=now)
            return secret

        secret = await self.run(work)
        self.services.registry.clear()
        return secret or ""

    async def add_resources(self, *known: Resource) -> None:
        """Register protected resources, and let the server know them at once."""
        await self._define(resources.put, known)

    async def add_scopes(self, *names: str) -> None:
        """Define scopes without a description, and let the server know them at once."""
        await self._define(scopes.add_missing, [list(names)])

    async def add_detail_types(self, *known: DetailType) -> None:
        """Define types of `authorization_details`, or change them, and let the server know them at once."""
        await self._define(detail_types.put, known)

    async def _define(self, put: Callable[..., object], known: Iterable[object]) -> None:
        def work(db: Connection) -> None:
            for one in known:
                put(db, one, now=self.clock.now())

        await self.run(work)
        await self.refresh()

    async def refresh(self) -> None:
        """Let the server notice at once what was changed, as it does by itself within a second."""
        await Background(self.services).refresh()

    async def change_client(self, client_id: str, **metadata: Any) -> None:
        """Change some of a client's metadata."""

        def work(db: Connection) -> None:
            client = clients.find_client(db, client_id)
            assert client is not None
            clients.update_metadata(db, client_id, {**client.metadata, **metadata}, now=self.clock.now())

        await self.run(work)
        self.services.registry.clear()

    async def disable_client(self, client_id: str) -> None:
        """Disable a client as the command line does: the server finds out by itself."""
        now = self.clock.now()
        await self.run(lambda db: clients.set_disabled(db, client_id, now, now=now))

    async def add_service(self, client_id: str = "service", **metadata: Any) -> str:
        """Register a backend service and return its secret."""
        metadata = {"grant_types": ["client_credentials"], "response_types": [], "scope": "read:things", **metadata}
        return await self.add_client(client_id, redirect_uris=[], **metadata)
