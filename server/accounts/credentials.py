"""Setting passwords, and the links with which people set their own.

A link is bound to a person and to this purpose, lives for a while, works once, and dies with all others of that person
when one is used or the password is set in another way. Opening it uses nothing up: mail scanners open links.
"""

from sqlalchemy import Connection

from server.accounts import sessions, throttling
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import authorizations, one_time, users
from server.tokens import opaque

LINK_KIND = "set_password"
LINK_PREFIX = "opw_"


def set_password(
    db: Connection, user: User, password_hash: str, *, context: Context, now: int, except_session_id: str | None = None
) -> None:
    """Store a new password. All other sessions end, every token is revoked, links die, throttles are forgiven.

    `except_session_id` is the session in which the person has just shown the old password.
    """
    users.update_fields(db, user.id, {"password_hash": password_hash, "password_changed_at": now}, now=now)
    one_time.consume_all_of_user(db, LINK_KIND, user.id, now)
    sessions.end_all(db, user.id, context=context, now=now, except_id=except_session_id)
    authorizations.revoke_of_user(db, user.id, now)
    throttling.forgive_account(db, user.id)
    record(db, Event.PASSWORD_CHANGED, context, now=now, user_id=user.id)


def create_password_link(db: Connection, user: User, *, context: Context, now: int, seconds: int) -> str:
    """Return the secret of a new link, to be shown or sent to the person and to nobody else."""
    token = opaque.mint(LINK_PREFIX)
    expires_at = now + seconds
    digest = opaque.digest(LINK_KIND, token)
    one_time.add(db, LINK_KIND, digest, {}, now=now, expires_at=expires_at, user_id=user.id)
    record(db, Event.PASSWORD_LINK_CREATED, context, now=now, user_id=user.id, expires_at=expires_at)
    return token


def find_password_link(db: Connection, token: str, now: int) -> User | None:
    """Return whose password the link can set, and leave it usable."""
    row = one_time.find_live(db, LINK_KIND, opaque.digest(LINK_KIND, token), now)
    user = None if row is None else users.find_by_id(db, row["user_id"])
    return user if user is not None and user.is_active else None


def consume_password_link(db: Connection, token: str, now: int) -> User | None:
    """Use the link up, with all others of the person; of several calls at once one gets the person."""
    user = find_password_link(db, token, now)
    if user is None:
        return None
    users.lock(db, user.id)  # or two links used at once could wait for each other in a circle
    if one_time.consume(db, LINK_KIND, opaque.digest(LINK_KIND, token), now) is None:
        return None
    one_time.consume_all_of_user(db, LINK_KIND, user.id, now)
    return user
