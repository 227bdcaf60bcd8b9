"""Scopes that operators define, with the words of the consent page."""

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from server.storage import versions
from server.storage.schema import clients, scopes

_PUT = {
    "sqlite": sqlite.insert(scopes).on_conflict_do_update(
        index_elements=["name"], set_={"description": bindparam("new_description")}
    ),
    "postgresql": postgresql.insert(scopes).on_conflict_do_update(
        index_elements=["name"], set_={"description": bindparam("new_description")}
    ),
}
_ADD = {
    "sqlite": sqlite.insert(scopes).on_conflict_do_nothing(index_elements=["name"]),
    "postgresql": postgresql.insert(scopes).on_conflict_do_nothing(index_elements=["name"]),
}


def list_scopes(db: Connection) -> dict[str, str]:
    """Return every defined scope with its description."""
    return {row.name: row.description for row in db.execute(select(scopes).order_by(scopes.c.name))}


def put_scope(db: Connection, name: str, description: str, *, now: int) -> None:
    """Define a scope, or give it another description."""
    row = {"name": name, "description": description, "created_at": now, "new_description": description}
    db.execute(_PUT[db.dialect.name], row)
    versions.bump(db)


def add_missing(db: Connection, names: list[str], *, now: int) -> list[str]:
    """Define the scopes that are not defined yet, without a description, and return them."""
    added = []
    for name in names:
        row = {"name": name, "description": "", "created_at": now}
        if db.execute(_ADD[db.dialect.name], row).rowcount == 1:
            added.append(name)
    if added:
        versions.bump(db)
    return added


def clients_using(db: Connection, name: str) -> list[str]:
    """Return the ids of the clients that may ask for a scope."""
    rows = db.execute(select(clients.c.client_id, clients.c.metadata))
    return [row.client_id for row in rows if name in str(row.metadata.get("scope", "")).split()]


def remove_scope(db: Connection, name: str) -> bool:
    """Delete a scope's definition, and say whether it existed."""
    versions.bump(db)
    return db.execute(delete(scopes).where(scopes.c.name == name)).rowcount == 1
