"""Applying the migrations in `migrations/`: from zero, and from every earlier state."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from server.storage.database import lock_for_transaction

DIRECTORY = Path(__file__).resolve().parents[2] / "migrations"
LOCK_NUMBER = 0x05_71_A2


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


def upgrade(db: Connection) -> None:
    """Apply what is missing, in this transaction; of several processes one does it and the others find it done."""
    lock_for_transaction(db, LOCK_NUMBER)
    command.upgrade(_config(db), "head")
