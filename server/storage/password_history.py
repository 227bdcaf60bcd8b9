"""Rows of former password hashes, for refusing passwords that a person had before."""

from sqlalchemy import Connection, bindparam, delete, insert, select

from server.storage.schema import password_history

_OF_USER = password_history.c.user_id == bindparam("u")
_NEWEST_FIRST = (password_history.c.created_at.desc(), password_history.c.id.desc())
_INSERT = insert(password_history)
_LIST = select(password_history.c.password_hash).where(_OF_USER).order_by(*_NEWEST_FIRST).limit(bindparam("n"))
_KEPT = select(password_history.c.id).where(_OF_USER).order_by(*_NEWEST_FIRST).limit(bindparam("n"))
_PRUNE = delete(password_history).where(_OF_USER & password_history.c.id.not_in(_KEPT))


def add(db: Connection, row_id: str, *, user_id: str, password_hash: str, now: int) -> None:
    """Store a hash that was just replaced."""
    db.execute(_INSERT, {"id": row_id, "user_id": user_id, "password_hash": password_hash, "created_at": now})


def list_of_user(db: Connection, user_id: str, limit: int) -> list[str]:
    """Return a person's last former hashes, the newest first."""
    return list(db.execute(_LIST, {"u": user_id, "n": limit}).scalars())


def prune(db: Connection, user_id: str, keep: int) -> int:
    """Forget all former hashes of a person but the newest, and return how many went."""
    return db.execute(_PRUNE, {"u": user_id, "n": keep}).rowcount
