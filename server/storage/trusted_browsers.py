"""Rows of browsers that a person trusts. The cookie's value is stored as a digest."""

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from server.storage.schema import trusted_browsers, users

_OF_USER = trusted_browsers.c.user_id == bindparam("u")
_LIVE = trusted_browsers.c.expires_at > bindparam("at")
_IS_ACTIVE = users.c.disabled_at.is_(None) & users.c.deleted_at.is_(None)
# The password may be set anywhere; whatever was trusted before that is not trusted any more.
_IS_AFTER_PASSWORD = trusted_browsers.c.created_at >= func.coalesce(users.c.password_changed_at, 0)
_INSERT = insert(trusted_browsers)
_FIND = (
    select(trusted_browsers.c.digest)
    .join(users, users.c.id == trusted_browsers.c.user_id)
    .where(_OF_USER & _LIVE & (trusted_browsers.c.digest == bindparam("d")) & _IS_ACTIVE & _IS_AFTER_PASSWORD)
)
_COUNT = select(func.count()).select_from(trusted_browsers).where(_OF_USER & _LIVE)
_DELETE = delete(trusted_browsers).where(_OF_USER)


def insert_browser(db: Connection, digest: str, *, user_id: str, user_agent: str, now: int, expires_at: int) -> None:
    """Store a browser that a person trusts."""
    row = {
        "digest": digest,
        "user_id": user_id,
        "user_agent": user_agent,
        "created_at": now,
        "expires_at": expires_at,
    }
    db.execute(_INSERT, row)


def is_live(db: Connection, digest: str, user_id: str, now: int) -> bool:
    """Whether the browser is trusted by this active person, since their password was set last."""
    return db.execute(_FIND, {"d": digest, "u": user_id, "at": now}).first() is not None


def count_of_user(db: Connection, user_id: str, now: int) -> int:
    """Return how many browsers a person trusts."""
    return int(db.execute(_COUNT, {"u": user_id, "at": now}).scalar_one())


def delete_of_user(db: Connection, user_id: str) -> int:
    """Trust none of a person's browsers any more, and return how many there were."""
    return db.execute(_DELETE, {"u": user_id}).rowcount
