from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keys.sealing import Sealer
from server.accounts.user import User
from server.events.context import Context
from server.storage import schema
from server.storage.database import Database, SQLiteDatabase
from tests.accounts.rows import CONTEXT, add_user


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = SQLiteDatabase(tmp_path / "ostiary.db", is_server=True)
    await opened.run(schema.metadata.create_all)
    yield opened
    await opened.close()


@pytest.fixture
def context() -> Context:
    return CONTEXT


@pytest.fixture
def sealer() -> Sealer:
    return Sealer([bytes(range(32))])


@pytest.fixture
async def ada(database: Database) -> User:
    return await database.run(lambda db: add_user(db, "Ada@Example.com", username="Countess", name="Ada Lovelace"))


@pytest.fixture
async def grace(database: Database) -> User:
    return await database.run(lambda db: add_user(db, "grace@example.com", name="Grace Hopper"))
