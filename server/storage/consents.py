"""Rows of consents: which scopes a person has allowed a client."""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping

from server.storage.schema import consents

_OF_USER = consents.c.user_id == bindparam("u")
_KEY = _OF_USER & (consents.c.client_id == bindparam("c"))
_SCOPE = select(consents.c.scope).where(_KEY)
_SCOPE_LOCKED = _SCOPE.with_for_update()
_LIST = select(consents).where(_OF_USER).order_by(consents.c.client_id)
_ADD = {
    "sqlite": sqlite.insert(consents).on_conflict_do_nothing(index_elements=["user_id", "client_id"]),
    "postgresql": postgresql.insert(consents).on_conflict_do_nothing(index_elements=["user_id", "client_id"]),
}
_UPDATE = update(consents).where(_KEY).values(scope=bindparam("new_scope"), updated_at=bindparam("at"))
_DELETE = delete(consents).where(_KEY)
_DELETE_OF_USER = delete(consents).where(_OF_USER)


def find_scopes(db: Connection, user_id: str, client_id: str) -> frozenset[str] | None:
    """Return the scopes that the person has allowed the client, None where they were never asked."""
    scope = db.execute(_SCOPE, {"u": user_id, "c": client_id}).scalar()
    return None if scope is None else frozenset(str(scope).split())


def list_of_user(db: Connection, user_id: str) -> list[RowMapping]:
    """Return a person's consents."""
    return list(db.execute(_LIST, {"u": user_id}).mappings())


def merge(db: Connection, user_id: str, client_id: str, scopes: Iterable[str], now: int) -> frozenset[str]:
    """Add scopes to the person's consent, and return all that it now covers.

    The row is made first and locked then, so that two consents at once both last.
    """
    row = {"user_id": user_id, "client_id": client_id, "scope": "", "created_at": now, "updated_at": now}
    db.execute(_ADD[db.dialect.name], row)
    stored = str(db.execute(_SCOPE_LOCKED, {"u": user_id, "c": client_id}).scalar_one())
    merged = frozenset(stored.split()) | frozenset(scopes)
    db.execute(_UPDATE, {"u": user_id, "c": client_id, "new_scope": " ".join(sorted(merged)), "at": now})
    return merged


def remove(db: Connection, user_id: str, client_id: str) -> bool:
    """Forget a consent, and say whether there was one."""
    return db.execute(_DELETE, {"u": user_id, "c": client_id}).rowcount == 1


def delete_of_user(db: Connection, user_id: str) -> int:
    """Forget all consents of a person, and return how many there were."""
    return db.execute(_DELETE_OF_USER, {"u": user_id}).rowcount
