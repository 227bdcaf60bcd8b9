"""Rows of registered clients and their secrets. Every change moves the registry's version."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping

from clients.client import Client, ClientSecret
from server.storage import versions
from server.storage.rows import Row, first
from server.storage.schema import client_secrets, clients

_FIND = select(clients).where(clients.c.client_id == bindparam("c"))
_LOCK = select(clients.c.client_id).where(clients.c.client_id == bindparam("c")).with_for_update()
_SECRETS = (
    select(client_secrets).where(client_secrets.c.client_id == bindparam("c")).order_by(client_secrets.c.created_at)
)
_LIST = (
    select(clients).where(clients.c.client_id > bindparam("after")).order_by(clients.c.client_id).limit(bindparam("n"))
)


def _client(row: RowMapping, secrets: list[RowMapping]) -> Client:
    return Client(
        client_id=row["client_id"],
        metadata=row["metadata"],
        secrets=tuple(
            ClientSecret(
                id=s["id"],
                digest=s["digest"],
                created_at=s["created_at"],
                expires_at=s["expires_at"],
                sealed=s["sealed"],
            )
            for s in secrets
        ),
        disabled=row["disabled_at"] is not None,
        created_at=row["created_at"],
    )


def find_client(db: Connection, client_id: str) -> Client | None:
    """Return the client, disabled or not, with all its secrets."""
    row = db.execute(_FIND, {"c": client_id}).mappings().first()
    if row is None:
        return None
    return _client(row, list(db.execute(_SECRETS, {"c": client_id}).mappings()))


def lock(db: Connection, client_id: str) -> None:
    """Keep others from changing a client until this transaction is over: before what is to be replaced is read."""
    db.execute(_LOCK, {"c": client_id})


def list_clients(db: Connection, *, after: str = "", limit: int = 100) -> list[Client]:
    """Return clients in the order of their ids, those after `after`, without secrets."""
    return [_client(row, []) for row in db.execute(_LIST, {"after": after, "n": limit}).mappings()]


def insert_client(db: Connection, client_id: str, metadata: Mapping[str, Any], *, now: int) -> None:
    """Store a new client."""
    row = {"client_id": client_id, "metadata": dict(metadata), "created_at": now, "updated_at": now}
    db.execute(insert(clients), row)
    versions.bump(db)


_KEEP = {
    "sqlite": sqlite.insert(clients).on_conflict_do_nothing(index_elements=["client_id"]),
    "postgresql": postgresql.insert(clients).on_conflict_do_nothing(index_elements=["client_id"]),
}


def keep_client(db: Connection, client_id: str, metadata: Mapping[str, Any], *, now: int) -> None:
    """Store a client that nobody registered, unless it is there already: what people consent to hangs on its row."""
    row = {"client_id": client_id, "metadata": dict(metadata), "created_at": now, "updated_at": now}
    if db.execute(_KEEP[db.dialect.name], row).rowcount == 1:
        versions.bump(db)


def update_metadata(db: Connection, client_id: str, metadata: Mapping[str, Any], *, now: int) -> bool:
    """Replace a client's metadata, and say whether it exists."""
    statement = update(clients).where(clients.c.client_id == client_id).values(metadata=dict(metadata), updated_at=now)
    versions.bump(db)
    return db.execute(statement).rowcount == 1


def set_disabled(db: Connection, client_id: str, disabled_at: int | None, *, now: int) -> bool:
    """Disable a client (a time) or enable it (None), and say whether it exists."""
    statement = update(clients).where(clients.c.client_id == client_id).values(disabled_at=disabled_at, updated_at=now)
    versions.bump(db)
    return db.execute(statement).rowcount == 1


def remove_client(db: Connection, client_id: str) -> bool:
    """Delete a client with everything that hangs on it, and say whether it existed."""
    versions.bump(db)
    return db.execute(delete(clients).where(clients.c.client_id == client_id)).rowcount == 1


def insert_secret(
    db: Connection, client_id: str, secret_id: str, digest: str, *, now: int, sealed: str | None = None
) -> None:
    """Add a secret's digest beside the ones the client has; `sealed` is the secret itself, for `client_secret_jwt`."""
    row = {"id": secret_id, "client_id": client_id, "digest": digest, "sealed": sealed, "created_at": now}
    db.execute(insert(client_secrets), row)
    versions.bump(db)


def find_secret(db: Connection, digest: str) -> Row | None:
    """Return whose secret it is, and when it was made and ends."""
    columns = (client_secrets.c.client_id, client_secrets.c.created_at, client_secrets.c.expires_at)
    return first(db.execute(select(*columns).where(client_secrets.c.digest == digest)))


def list_sealed_secrets(db: Connection) -> list[tuple[str, str]]:
    """Return id and sealed text of every secret that can be read back."""
    statement = select(client_secrets.c.id, client_secrets.c.sealed).where(client_secrets.c.sealed.is_not(None))
    return [(row.id, row.sealed) for row in db.execute(statement)]


def replace_sealed_secret(db: Connection, secret_id: str, sealed: str) -> None:
    """Store the same secret under another root key."""
    db.execute(update(client_secrets).where(client_secrets.c.id == secret_id).values(sealed=sealed))
    versions.bump(db)


def expire_secrets(db: Connection, client_id: str, expires_at: int) -> None:
    """Let the secrets that have no end, or a later one, end at a time: the overlap of a rotation."""
    lasts_longer = client_secrets.c.expires_at.is_(None) | (client_secrets.c.expires_at > expires_at)
    statement = update(client_secrets).where((client_secrets.c.client_id == client_id) & lasts_longer)
    db.execute(statement.values(expires_at=expires_at))
    versions.bump(db)
