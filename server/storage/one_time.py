"""Things that live for a short while and are used once: codes, interactions, mailed links, `jti` values.

The kind is part of the key, so that one kind can never be presented as another. Consuming is one conditional UPDATE:
of any number of parallel callers, on any number of nodes, exactly one gets the row.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from server.storage.rows import Row, first
from server.storage.schema import one_time

_KEY = (one_time.c.kind == bindparam("k")) & (one_time.c.digest == bindparam("d"))
_LIVE = one_time.c.consumed_at.is_(None) & (one_time.c.expires_at > bindparam("at"))
_INSERT = insert(one_time)
_CONSUME = update(one_time).where(_KEY & _LIVE).values(consumed_at=bindparam("at")).returning(*one_time.c)
_FIND = select(one_time).where(_KEY)
_FIND_LIVE = select(one_time).where(_KEY & _LIVE)
_UPDATE = (
    update(one_time).where(_KEY & _LIVE).values(payload=bindparam("new_payload"), user_id=bindparam("new_user_id"))
)
_CONSUME_OF_USER = (
    update(one_time)
    .where(
        (one_time.c.kind == bindparam("k")) & (one_time.c.user_id == bindparam("u")) & one_time.c.consumed_at.is_(None)
    )
    .values(consumed_at=bindparam("at"))
)
_LIST_OF_CLIENT = select(one_time).where(
    (one_time.c.kind == bindparam("k"))
    & (one_time.c.client_id == bindparam("c"))
    & (one_time.c.created_at == bindparam("at"))
)
_DELETE = delete(one_time).where(_KEY)


def add(
    db: Connection,
    kind: str,
    digest: str,
    payload: Mapping[str, Any],
    *,
    now: int,
    expires_at: int,
    user_id: str | None = None,
    client_id: str | None = None,
    purge_at: int | None = None,
) -> None:
    """Store a new one-time thing. `purge_at` keeps it beyond its expiry, so that a second use is recognised."""
    row = {
        "kind": kind,
        "digest": digest,
        "payload": dict(payload),
        "user_id": user_id,
        "client_id": client_id,
        "created_at": now,
        "expires_at": expires_at,
        "consumed_at": None,
        "purge_at": expires_at if purge_at is None else purge_at,
    }
    db.execute(_INSERT, row)


_ADD_ONCE = {
    "sqlite": sqlite.insert(one_time).on_conflict_do_nothing(index_elements=["kind", "digest"]),
    "postgresql": postgresql.insert(one_time).on_conflict_do_nothing(index_elements=["kind", "digest"]),
}


def consume_foreign(db: Connection, kind: str, digest: str, *, now: int, expires_at: int) -> bool:
    """Use up a value that somebody else made, such as the `jti` of an assertion: True the first time only."""
    row = {
        "kind": kind,
        "digest": digest,
        "payload": {},
        "created_at": now,
        "expires_at": expires_at,
        "consumed_at": now,
        "purge_at": expires_at,
    }
    return db.execute(_ADD_ONCE[db.dialect.name], row).rowcount == 1


def consume(db: Connection, kind: str, digest: str, now: int) -> Row | None:
    """Use the thing up and return it; None where it is unknown, expired or used."""
    return first(db.execute(_CONSUME, {"k": kind, "d": digest, "at": now}))


def find(db: Connection, kind: str, digest: str) -> Row | None:
    """Return the thing in whatever state it is."""
    return first(db.execute(_FIND, {"k": kind, "d": digest}))


def find_live(db: Connection, kind: str, digest: str, now: int) -> Row | None:
    """Return the thing if it can still be used, and leave it usable."""
    return first(db.execute(_FIND_LIVE, {"k": kind, "d": digest, "at": now}))


def list_of_client(db: Connection, kind: str, client_id: str, *, created_at: int) -> list[Row]:
    """Return a client's things of one kind that were made in one second, in whatever state; for support work only.

    There is no index for it.
    """
    rows = db.execute(_LIST_OF_CLIENT, {"k": kind, "c": client_id, "at": created_at}).mappings()
    return [dict(row) for row in rows]


def replace_payload(
    db: Connection, kind: str, digest: str, payload: Mapping[str, Any], *, user_id: str | None, now: int
) -> bool:
    """Write a new payload, and say whether the thing was still usable."""
    parameters = {"k": kind, "d": digest, "at": now, "new_payload": dict(payload), "new_user_id": user_id}
    return db.execute(_UPDATE, parameters).rowcount == 1


def consume_all_of_user(db: Connection, kind: str, user_id: str, now: int) -> int:
    """Use up all things of one kind that belong to a person, and return how many there were."""
    return db.execute(_CONSUME_OF_USER, {"k": kind, "u": user_id, "at": now}).rowcount


def remove(db: Connection, kind: str, digest: str) -> None:
    """Forget the thing."""
    db.execute(_DELETE, {"k": kind, "d": digest})
