"""Fixtures that every test may use."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from keys.sealing import generate_root_key
from server.settings import Settings
from server.storage import migrations
from server.storage.database import Database, PostgreSQLDatabase, SQLiteDatabase
from tests.support.chromium import Chromium
from tests.support.person import Person
from tests.support.postgresql import Cluster
from tests.support.process import ServerProcess
from tests.support.receiver import Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import FakeClock, RunningServer

SettingsFor = Callable[..., Settings]
Serve = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL cluster for the whole run."""
    with Cluster() as running:
        yield running


@pytest.fixture(scope="session")
def migrated_template(cluster: Cluster) -> str:
    """A database with all migrations, to copy from."""
    import asyncio  # noqa: PLC0415  only here

    name = cluster.create_database()

    async def migrate() -> None:
        database = PostgreSQLDatabase(cluster.url(name), pool_size=1)
        await database.run(migrations.upgrade)
        await database.close()

    asyncio.run(migrate())
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """The two databases: what uses this runs on both."""
    return str(request.param)


@pytest.fixture
def settings_for(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SettingsFor]:
    """Make settings for a server on the test's own database."""
    created: list[str] = []
    url = ""
    if backend == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        created.append(cluster.create_database(request.getfixturevalue("migrated_template")))
        url = cluster.url(created[0])
    secret_key = generate_root_key()

    def make(**overrides: Any) -> Settings:
        defaults = {
            "data_dir": tmp_path / "data",
            "database_url": url,
            "secret_key": secret_key,
            "argon2_time_cost": 1,
            "argon2_memory_kib": 8,
            "access_log": False,
            "log_level": "error",
            "encryption_algorithms": (),  # a test of encryption names its own: making RSA keys takes time
            "issuer": "https://login.example.com",
        }
        return Settings(**{**defaults, **overrides})

    yield make
    for name in created:
        request.getfixturevalue("cluster").drop_database(name)


@pytest.fixture
async def database(backend: str, settings_for: SettingsFor) -> AsyncIterator[Database]:
    """A migrated database."""
    settings = settings_for()
    opened: Database
    if backend == "sqlite":
        opened = SQLiteDatabase(settings.sqlite_path, is_server=True)
        await opened.run(migrations.upgrade)
    else:
        opened = PostgreSQLDatabase(settings.database_url, pool_size=20)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test moves."""
    return FakeClock()


@pytest.fixture
def overrides(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of all tests in a file, its `OVERRIDES`, and of one: `@pytest.mark.parametrize("overrides", [...])`."""
    return {**getattr(request.module, "OVERRIDES", {}), **getattr(request, "param", {})}


@pytest.fixture
async def server(
    settings_for: SettingsFor, clock: FakeClock, overrides: dict[str, Any]
) -> AsyncIterator[RunningServer]:
    """A running server with nobody in it."""
    async with RunningServer(settings_for(**overrides), clock) as running:
        yield running


@pytest.fixture
async def person(server: RunningServer) -> AsyncIterator[Person]:
    """Alice, who has an account, and her browser."""
    await server.add_person()
    async with Person(server) as alice:
        yield alice


@pytest.fixture
async def rp(server: RunningServer) -> RelyingParty:
    """A registered confidential web application."""
    secret = await server.add_client(client_name="Web Shop")
    return RelyingParty(server, client_secret=secret)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start `ostiary serve` processes, with the settings given; they end with the test."""
    started: list[ServerProcess] = []

    def start(**settings: Any) -> ServerProcess:
        process = ServerProcess(tmp_path, **settings)
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.kill()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A client's own web server, which keeps what the server tells it."""
    async with Receiver() as running:
        yield running


@pytest.fixture
async def chromium() -> AsyncIterator[Chromium]:
    """A browser with JavaScript."""
    async with Chromium() as browser:
        yield browser


@pytest.fixture
async def chromium_page(chromium: Chromium) -> Page:
    """A page of it."""
    return await chromium.new_page()
