import pytest

from keys.sealing import Sealer
from server.accounts.user import User
from server.storage.database import Database
from tests.accounts.rows import add_user


@pytest.fixture
def sealer() -> Sealer:
    return Sealer([bytes(range(32))])


@pytest.fixture
async def ada(database: Database) -> User:
    return await database.run(lambda db: add_user(db, "Ada@Example.com", username="Countess", name="Ada Lovelace"))


@pytest.fixture
async def grace(database: Database) -> User:
    return await database.run(lambda db: add_user(db, "grace@example.com", name="Grace Hopper"))
