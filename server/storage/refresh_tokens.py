"""Rows of refresh tokens. Tokens of one authorization are a family; at most one of them is unused."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from server.storage.rows import Row, first
from server.storage.schema import refresh_tokens

_INSERT = insert(refresh_tokens)
_FIND = select(refresh_tokens).where(refresh_tokens.c.digest == bindparam("d"))
_CONSUME = (
    update(refresh_tokens)
    .where(
        (refresh_tokens.c.digest == bindparam("d"))
        & refresh_tokens.c.consumed_at.is_(None)
        & (refresh_tokens.c.expires_at > bindparam("at"))
    )
    .values(consumed_at=bindparam("at"), successor_salt=bindparam("salt"))
)

_PROLONG = (
    update(refresh_tokens)
    .where(
        (refresh_tokens.c.digest == bindparam("d"))
        & refresh_tokens.c.consumed_at.is_(None)
        & (refresh_tokens.c.expires_at > bindparam("at"))
    )
    .values(expires_at=bindparam("new_expires_at"))
)


def add(db: Connection, row: Mapping[str, Any]) -> None:
    """Store a new refresh token."""
    db.execute(_INSERT, {"consumed_at": None, "successor_salt": None, **row})


def find(db: Connection, digest: str) -> Row | None:
    """Return the token's row in whatever state it is."""
    return first(db.execute(_FIND, {"d": digest}))


def prolong(db: Connection, digest: str, *, expires_at: int, now: int) -> bool:
    """Move the end of an unused token; False if it is used or over."""
    return db.execute(_PROLONG, {"d": digest, "at": now, "new_expires_at": expires_at}).rowcount == 1


def consume(db: Connection, digest: str, *, salt: str, now: int) -> bool:
    """Use the token up and leave the salt that makes its successor; False if it is used or over."""
    return db.execute(_CONSUME, {"d": digest, "at": now, "salt": salt}).rowcount == 1
