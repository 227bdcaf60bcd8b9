"""Applying the migrations in `migrations/`: from zero, and from every earlier state."""

from enum import Enum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from server.storage.database import DatabaseRefusedError, lock_for_transaction

DIRECTORY = Path(__file__).resolve().parents[2] / "migrations"
LOCK_NUMBER = 0x05_71_A2


class NewerDatabaseError(DatabaseRefusedError):
    """A newer version of Ostiary has migrated the database."""

    def __init__(self, revision: str | None) -> None:
        super().__init__(
            f"the database is at migration {revision}, which this version of Ostiary does not know: "
            "run the version that made it, or restore a backup from before the upgrade"
        )


class State(Enum):
    """How the database's migrations compare with this version's."""

    MISSING = "missing"
    APPLIED = "applied"
    NEWER = "newer"
    """A newer version has been here. Its migrations keep what an older one needs, so that nodes can be replaced one by
    one: a running node goes on, but none is started."""


def _config(db: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(DIRECTORY).replace("%", "%%"))
    config.attributes["connection"] = db
    return config


def newest() -> str:
    """Return the revision that this version of the code needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def applied(db: Connection) -> str | None:
    """Return the revision that the database has, None for an empty one."""
    return MigrationContext.configure(db).get_current_revision()


def state(db: Connection) -> State:
    """Compare the database with this version of the code."""
    revision = applied(db)
    if revision == newest():
        return State.APPLIED
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return State.MISSING if revision is None or revision in known else State.NEWER


def check_applied(db: Connection) -> bool:
    """Say whether nothing is missing. Raises NewerDatabaseError."""
    found = state(db)
    if found is State.NEWER:
        raise NewerDatabaseError(applied(db))
    return found is State.APPLIED


def upgrade(db: Connection) -> None:
    """Apply what is missing, in this transaction; of several processes one does it and the others find it done.

    Raises NewerDatabaseError.
    """
    lock_for_transaction(db, LOCK_NUMBER)
    if check_applied(db):
        return
    command.upgrade(_config(db), "head")
