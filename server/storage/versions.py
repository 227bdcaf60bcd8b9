"""Counters that tell every process when to forget what it has cached."""

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from server.storage.schema import versions

REGISTRY = "registry"
"""Clients, scopes and signing keys."""

_SELECT = select(versions.c.value).where(versions.c.name == bindparam("n"))
_ROW = {"name": bindparam("n"), "value": 1}
_NEXT = {"value": versions.c.value + 1}
_BUMP = {
    "sqlite": sqlite.insert(versions).values(_ROW).on_conflict_do_update(index_elements=["name"], set_=_NEXT),
    "postgresql": postgresql.insert(versions).values(_ROW).on_conflict_do_update(index_elements=["name"], set_=_NEXT),
}


def bump(db: Connection, name: str = REGISTRY) -> None:
    """Tell every process, once this transaction commits, that the named things have changed."""
    db.execute(_BUMP[db.dialect.name], {"n": name})


def current(db: Connection, name: str = REGISTRY) -> int:
    """Return the counter's value."""
    return int(db.execute(_SELECT, {"n": name}).scalar() or 0)
