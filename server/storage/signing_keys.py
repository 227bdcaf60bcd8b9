"""Rows of signing keys. Every change moves the registry's version."""

from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.engine import RowMapping

from keys.signing_key import KeyState, SigningKey
from server.storage import versions
from server.storage.schema import signing_keys


def _signing_key(row: RowMapping) -> SigningKey:
    return SigningKey(**{**row, "state": KeyState(row["state"])})


def list_keys(db: Connection) -> list[SigningKey]:
    """Return all keys, oldest first."""
    rows = db.execute(
        select(signing_keys).order_by(signing_keys.c.created_at, signing_keys.c.activate_at, signing_keys.c.kid)
    ).mappings()
    return [_signing_key(row) for row in rows]


def add(db: Connection, key: SigningKey) -> None:
    """Store a new key."""
    row = {column.name: getattr(key, column.name) for column in signing_keys.c}
    db.execute(insert(signing_keys), {**row, "state": key.state.value})
    versions.bump(db)


def change(db: Connection, kid: str, **values: Any) -> bool:
    """Write new values of a key's columns, and say whether it exists."""
    versions.bump(db)
    return db.execute(update(signing_keys).where(signing_keys.c.kid == kid).values(**values)).rowcount == 1


def remove(db: Connection, kid: str) -> bool:
    """Delete a key, and say whether it existed."""
    versions.bump(db)
    return db.execute(delete(signing_keys).where(signing_keys.c.kid == kid)).rowcount == 1
