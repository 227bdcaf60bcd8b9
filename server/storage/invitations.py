"""Invitations that are open, for those who manage them. Accepting one is `one_time.consume`."""

from sqlalchemy import Connection, select, update

from server.storage.rows import Row
from server.storage.schema import one_time

KIND = "invitation"
_OPEN = (one_time.c.kind == KIND) & one_time.c.consumed_at.is_(None)


def list_open(db: Connection, now: int, *, limit: int = 1000) -> list[Row]:
    """Return the invitations that can still be accepted, the newest first."""
    statement = select(one_time).where(_OPEN & (one_time.c.expires_at > now))
    ordered = statement.order_by(one_time.c.created_at.desc(), one_time.c.digest).limit(limit)
    return [{str(name): value for name, value in row.items()} for row in db.execute(ordered).mappings()]


def revoke(db: Connection, digest_prefix: str, now: int) -> bool:
    """Use up the open invitation whose digest begins so, and say whether there was one."""
    is_it = one_time.c.digest.startswith(digest_prefix, autoescape=True)
    statement = update(one_time).where(_OPEN & is_it & (one_time.c.expires_at > now)).values(consumed_at=now)
    return db.execute(statement).rowcount > 0
