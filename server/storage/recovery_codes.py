"""Rows of recovery codes: digests only."""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from server.storage import users
from server.storage.schema import recovery_codes

_OF_USER = recovery_codes.c.user_id == bindparam("u")
_NOT_USED = recovery_codes.c.consumed_at.is_(None)
_DELETE = delete(recovery_codes).where(_OF_USER)
_INSERT = insert(recovery_codes)
_CONSUME = (
    update(recovery_codes)
    .where(_OF_USER & (recovery_codes.c.digest == bindparam("d")) & _NOT_USED)
    .values(consumed_at=bindparam("at"))
)
_COUNT = select(func.count()).select_from(recovery_codes).where(_OF_USER & _NOT_USED)


def replace_all(db: Connection, user_id: str, digests: Iterable[str], now: int) -> None:
    """Store a new set of codes; the codes of any set before are dead."""
    users.lock(db, user_id)  # two sets made at once must not both live
    db.execute(_DELETE, {"u": user_id})
    db.execute(_INSERT, [{"user_id": user_id, "digest": d, "created_at": now, "consumed_at": None} for d in digests])


def consume(db: Connection, user_id: str, digest: str, now: int) -> bool:
    """Use a code up; True for exactly one caller."""
    return db.execute(_CONSUME, {"u": user_id, "d": digest, "at": now}).rowcount == 1


def count_left(db: Connection, user_id: str) -> int:
    """Return how many codes can still be used."""
    return int(db.execute(_COUNT, {"u": user_id}).scalar_one())


def delete_of_user(db: Connection, user_id: str) -> int:
    """Forget all codes of a person, and return how many there were."""
    return db.execute(_DELETE, {"u": user_id}).rowcount
