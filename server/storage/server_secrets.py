"""Rows of secrets that the server makes once and keeps for ever, sealed."""

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from server.storage.schema import server_secrets

_FIND = select(server_secrets.c.sealed).where(server_secrets.c.name == bindparam("n"))
_ADD = {
    "sqlite": sqlite.insert(server_secrets).on_conflict_do_nothing(index_elements=["name"]),
    "postgresql": postgresql.insert(server_secrets).on_conflict_do_nothing(index_elements=["name"]),
}
_REPLACE = update(server_secrets).where(server_secrets.c.name == bindparam("n")).values(sealed=bindparam("new_sealed"))


def find(db: Connection, name: str) -> str | None:
    """Return a sealed secret."""
    sealed = db.execute(_FIND, {"n": name}).scalar()
    return None if sealed is None else str(sealed)


def add_missing(db: Connection, name: str, sealed: str, *, now: int) -> None:
    """Store a secret unless there is one: what another node made first stays."""
    db.execute(_ADD[db.dialect.name], {"name": name, "sealed": sealed, "created_at": now})


def list_all(db: Connection) -> list[tuple[str, str]]:
    """Return all names with their sealed secrets."""
    rows = db.execute(select(server_secrets.c.name, server_secrets.c.sealed).order_by(server_secrets.c.name))
    return [(str(name), str(sealed)) for name, sealed in rows]


def remove(db: Connection, name: str) -> None:
    """Forget a secret for ever."""
    db.execute(delete(server_secrets).where(server_secrets.c.name == name))


def replace_sealed(db: Connection, name: str, sealed: str) -> None:
    """Store the same secret under another seal."""
    db.execute(_REPLACE, {"n": name, "new_sealed": sealed})
