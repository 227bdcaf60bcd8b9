"""Fixtures that every test may use."""

import asyncio
import shutil
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
from tests.support.made_keys import MadeKeys
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


async def _migrate(database: Database) -> None:
    await database.run(migrations.upgrade)
    await database.close()


@pytest.fixture(scope="session")
def migrated_template(cluster: Cluster) -> str:
    """A database with all migrations, to copy from."""
    name = cluster.create_database()
    asyncio.run(_migrate(PostgreSQLDatabase(cluster.url(name), pool_size=1)))
    return name


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all migrations, to copy from."""
    path = tmp_path_factory.mktemp("migrated") / "ostiary.db"
    asyncio.run(_migrate(SQLiteDatabase(path, is_server=True)))
    return path


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
def migrated(backend: str, settings_for: SettingsFor, migrated_file: Path) -> SettingsFor:
    """Make settings for a server on the test's own database, which has all migrations."""
    if backend == "sqlite":
        path = settings_for().sqlite_path
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            shutil.copy(migrated_file, path)
    return settings_for


@pytest.fixture
async def database(backend: str, migrated: SettingsFor) -> AsyncIterator[Database]:
    """A migrated database."""
    settings = migrated()
    opened: Database
    if backend == "sqlite":
        opened = SQLiteDatabase(settings.sqlite_path, is_server=True)
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


@pytest.fixture(autouse=True)
def mails_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mails stay in the outbox of a server in this process until a `Mailbox` opens: none goes while a test looks."""
    monkeypatch.setattr("server.background.MAIL_SECONDS", 3600.0)


@pytest.fixture(autouse=True)
def made_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server in this process gets RSA keys that were made before, for another test."""
    monkeypatch.setattr("server.tokens.key_rotation.generate", MadeKeys().generate)


@pytest.fixture
async def server(migrated: SettingsFor, clock: FakeClock, overrides: dict[str, Any]) -> AsyncIterator[RunningServer]:
    """A running server with nobody in it."""
    async with RunningServer(migrated(**overrides), clock) as running:
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
