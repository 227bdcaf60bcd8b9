"""Rows of what clients ask people elsewhere (CIBA).

Each change is one conditional update: of any number of parallel callers exactly one decides a request, and one gets its
tokens. Polls write columns of their own and undo nothing.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from server.storage.rows import Row, first
from server.storage.schema import backchannel_requests as requests

PENDING, APPROVED, DENIED, USED = "pending", "approved", "denied", "used"

_LIVE = requests.c.expires_at > bindparam("at")
_PENDING = (requests.c.status == PENDING) & _LIVE
_OF_USER = requests.c.user_id == bindparam("u")
_INSERT = insert(requests)
_FIND = select(requests).where(requests.c.digest == bindparam("d"))
_FIND_OF_USER = select(requests).where((requests.c.id == bindparam("i")) & _OF_USER)
_LIST = select(requests).where(_OF_USER & _PENDING).order_by(requests.c.created_at, requests.c.id)
_COUNT = select(requests.c.client_id, func.count()).where(_OF_USER & _PENDING).group_by(requests.c.client_id)
_DECIDE = (
    update(requests)
    .where((requests.c.id == bindparam("i")) & _OF_USER & _PENDING)
    .values(status=bindparam("new_status"), sealed=None)
)
_SET_AUTHORIZATION = (
    update(requests).where(requests.c.id == bindparam("i")).values(authorization_id=bindparam("new_authorization_id"))
)
_CONSUME = (
    update(requests)
    .where((requests.c.digest == bindparam("d")) & (requests.c.status == APPROVED) & _LIVE)
    .values(status=USED)
)
_PACE = (
    update(requests)
    .where(requests.c.digest == bindparam("d"))
    .values(last_poll_at=bindparam("at"), poll_interval=bindparam("new_interval"))
)
_SEALED = select(requests.c.digest, requests.c.sealed).where(requests.c.sealed.is_not(None))
_RESEAL = (
    update(requests)
    .where((requests.c.digest == bindparam("d")) & (requests.c.sealed == bindparam("old")))
    .values(sealed=bindparam("new_sealed"))
)


def add(db: Connection, row: Mapping[str, Any]) -> None:
    """Store a new request."""
    db.execute(_INSERT, {"status": PENDING, "authorization_id": None, "last_poll_at": None, **row})


def find(db: Connection, digest: str) -> Row | None:
    """Return a request in whatever state it is."""
    return first(db.execute(_FIND, {"d": digest}))


def find_of_user(db: Connection, request_id: str, user_id: str) -> Row | None:
    """Return a person's request in whatever state it is; nobody else's."""
    return first(db.execute(_FIND_OF_USER, {"i": request_id, "u": user_id}))


def list_pending(db: Connection, user_id: str, now: int) -> list[Row]:
    """Return what waits for a person's decision, the oldest first."""
    return [dict(row) for row in db.execute(_LIST, {"u": user_id, "at": now}).mappings()]


def count_pending(db: Connection, user_id: str, now: int) -> dict[str, int]:
    """Return how many requests wait for a person's decision, by client."""
    return {str(client_id): int(count) for client_id, count in db.execute(_COUNT, {"u": user_id, "at": now})}


def decide(db: Connection, request_id: str, user_id: str, status: str, now: int) -> bool:
    """Note the person's decision, and say whether it was the first and came in time."""
    return db.execute(_DECIDE, {"i": request_id, "u": user_id, "new_status": status, "at": now}).rowcount == 1


def set_authorization(db: Connection, request_id: str, authorization_id: str) -> None:
    """Note what the person authorized."""
    db.execute(_SET_AUTHORIZATION, {"i": request_id, "new_authorization_id": authorization_id})


def consume(db: Connection, digest: str, now: int) -> bool:
    """Use an approved request up: True for exactly one caller."""
    return db.execute(_CONSUME, {"d": digest, "at": now}).rowcount == 1


def pace(db: Connection, digest: str, *, interval: int, now: int) -> None:
    """Note a poll, and how long the client must wait before the next one."""
    db.execute(_PACE, {"d": digest, "new_interval": interval, "at": now})


def list_sealed(db: Connection) -> list[tuple[str, str]]:
    """Return digests and sealed texts."""
    return [(digest, sealed) for digest, sealed in db.execute(_SEALED)]


def replace_sealed(db: Connection, digest: str, old: str, new: str) -> bool:
    """Store a text sealed again, and say whether the row still had the old one."""
    return db.execute(_RESEAL, {"d": digest, "old": old, "new_sealed": new}).rowcount == 1
