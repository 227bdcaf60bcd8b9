"""The outbox: what must leave the server after its transaction has committed.

Whoever wants to send a row takes a lease on it: `next_try_at` moves to the lease's end, `tries` is counted, and the
last error is forgotten until there is a new one. A sender that dies leaves a row that is due again
when its lease is over.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.engine import RowMapping

from server.storage.schema import outbox

ERROR_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Item:
    """One row."""

    id: str
    topic: str
    sealed: str
    user_id: str | None
    created_at: int
    next_try_at: int
    tries: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How a topic's rows stand."""

    waiting: int
    """All rows."""
    failing: int
    """Those whose last try failed."""
    oldest: int | None
    """When the oldest was written."""


def _item(row: RowMapping) -> Item:
    return Item(**row)


def add(db: Connection, row: dict[str, Any]) -> None:
    """Store something to send."""
    db.execute(insert(outbox), row)


def count_due(db: Connection, topic: str, *, now: int, limit: int) -> int:
    """Return how many rows are due, `limit` at most. It takes no lock: a cheap look before `claim`."""
    due = select(outbox.c.id).where(outbox.c.topic == topic, outbox.c.next_try_at <= now).limit(limit).subquery()
    return int(db.execute(select(func.count()).select_from(due)).scalar_one())


def claim(db: Connection, topic: str, *, now: int, lease_until: int) -> Item | None:
    """Take a lease on the row that is due longest. Of parallel callers, on any node, each gets another row or None."""
    due = (
        select(outbox.c.id)
        .where(outbox.c.topic == topic, outbox.c.next_try_at <= now)
        .order_by(outbox.c.next_try_at, outbox.c.created_at, outbox.c.id)
        .limit(1)
        # SQLite has one writer and no such clause
        .with_for_update(skip_locked=True)
    )
    found = db.execute(due).scalar()
    if found is None:
        return None
    take = (
        update(outbox)
        .where(outbox.c.id == found, outbox.c.next_try_at <= now)
        .values(next_try_at=lease_until, tries=outbox.c.tries + 1, last_error=None)
        .returning(*outbox.c)
    )
    row = db.execute(take).mappings().one_or_none()
    return None if row is None else _item(row)


def remove(db: Connection, item: Item) -> bool:
    """Delete a row, and say whether it was still there with this claim on it."""
    own = (outbox.c.id == item.id) & (outbox.c.tries == item.tries)
    return db.execute(delete(outbox).where(own)).rowcount == 1


def remove_sent(db: Connection, item_id: str) -> None:
    """Delete a row that was sent: whoever else has a claim on it by now need not send it again."""
    db.execute(delete(outbox).where(outbox.c.id == item_id))


def postpone(db: Connection, item: Item, *, next_try_at: int, error: str) -> bool:
    """Write down why a try failed and when the next one is, and say whether the claim was still ours."""
    own = (outbox.c.id == item.id) & (outbox.c.tries == item.tries)
    values = {"next_try_at": next_try_at, "last_error": error[:ERROR_LENGTH]}
    return db.execute(update(outbox).where(own).values(**values)).rowcount == 1


def hasten(db: Connection, topic: str, *, now: int, item_id: str | None = None) -> int:
    """Let failed rows be tried at once and return how many there are. What is being sent right now is left alone."""
    failed = (outbox.c.topic == topic) & outbox.c.last_error.is_not(None)
    if item_id is not None:
        failed &= outbox.c.id == item_id
    return db.execute(update(outbox).where(failed).values(next_try_at=now)).rowcount


def list_items(db: Connection, topic: str | None = None) -> list[Item]:
    """Return the rows, the oldest first."""
    statement = select(outbox).order_by(outbox.c.created_at, outbox.c.id)
    if topic is not None:
        statement = statement.where(outbox.c.topic == topic)
    return [_item(row) for row in db.execute(statement).mappings()]


def counts(db: Connection, topic: str) -> Counts:
    """Return how many rows wait and fail."""
    statement = select(func.count(), func.count(outbox.c.last_error), func.min(outbox.c.created_at))
    waiting, failing, oldest = db.execute(statement.where(outbox.c.topic == topic)).one()
    return Counts(waiting, failing, oldest)


def replace_sealed(db: Connection, item: Item, sealed: str) -> bool:
    """Store a row's text sealed again, and say whether the row is still there."""
    same = (outbox.c.id == item.id) & (outbox.c.sealed == item.sealed)
    return db.execute(update(outbox).where(same).values(sealed=sealed)).rowcount == 1
