import argon2
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


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Argon2 hashes that were verified in earnest so far."""
    found: list[str] = []
    real = argon2.PasswordHasher.verify

    def spy(self: argon2.PasswordHasher, stored: str | bytes, password: str | bytes) -> bool:
        found.append(str(stored))
        return real(self, stored, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", spy)
    return found
