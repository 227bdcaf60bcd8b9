"""Setting passwords, and the links with which people set their own.

A link is bound to a person and to this purpose, lives for a while, works once, and dies with all others of that person
when one is used or the password is set in another way. Opening it uses nothing up: mail scanners open links.
"""

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import sessions, throttling
from server.accounts.foreign_hashes import UNSALTED_PREFIX
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.mail.outbox import Mail, enqueue
from server.storage import authorizations, one_time, password_history, trusted_browsers, users
from server.tokens import opaque

LINK_KIND = "set_password"
LINK_PREFIX = "opw_"
HISTORY_PREFIX = "pwh_"
MAX_HISTORY = 24
"""As many former passwords as the settings can ask for."""


def set_password(
    db: Connection,
    user: User,
    password_hash: str,
    *,
    context: Context,
    now: int,
    except_session_id: str | None = None,
    notify: Sealer | None = None,
    history: int = MAX_HISTORY,
) -> None:
    """Store a new password. All other sessions end, every token is revoked, links die, wrong guesses are forgiven.

    `except_session_id` is the session in which the person has just shown the old password. With `notify` a mail tells
    them, and from which device, by the User-Agent. `history` is how many former passwords are kept.
    """
    users.lock(db, user.id)
    present = users.find_by_id(db, user.id)
    _keep(db, user.id, None if present is None else present.password_hash, history, now)
    users.update_fields(db, user.id, {"password_hash": password_hash, "password_changed_at": now}, now=now)
    one_time.consume_all_of_user(db, LINK_KIND, user.id, now)
    sessions.end_all(db, user.id, context=context, now=now, except_id=except_session_id)
    trusted_browsers.delete_of_user(db, user.id)
    authorizations.revoke_of_user(db, user.id, now)
    throttling.forgive_password(db, user.id)
    record(db, Event.PASSWORD_CHANGED, context, now=now, user_id=user.id)
    if notify is not None:
        values: dict[str, str | int] = {"name": user.name or "", "device": context.user_agent, "time": now}
        enqueue(db, notify, Mail(user.email, "password_changed", user.language, values), user_id=user.id, now=now)


def change_password(
    db: Connection,
    user: User,
    new_hash: str,
    *,
    session_id: str,
    verified_hash: str,
    notify: Sealer,
    context: Context,
    now: int,
    history: int = MAX_HISTORY,
) -> bool:
    """Store the new password of somebody who is signed in and has shown the old one; this session stays.

    `verified_hash` is the one that the old password was checked against, outside any transaction. False, and nothing
    is changed, where the password was changed by somebody else meanwhile or the person is shut out.
    """
    users.lock(db, user.id)
    present = users.find_by_id(db, user.id)
    if present is None or not present.is_active or present.password_hash != verified_hash:
        return False
    set_password(
        db,
        present,
        new_hash,
        context=context,
        now=now,
        except_session_id=session_id,
        notify=notify,
        history=history,
    )
    return True


def former_hashes(db: Connection, user: User, count: int) -> list[str]:
    """Return the hashes of passwords that the person may not choose again: the present one and `count` before it.

    With a count of 0 there are none.
    """
    if count == 0:
        return []
    present = [] if user.password_hash is None else [user.password_hash]
    return [*present, *password_history.list_of_user(db, user.id, count)]


def _keep(db: Connection, user_id: str, old_hash: str | None, history: int, now: int) -> None:
    # An unsalted hash is not worth keeping: whoever reads it can look the password up.
    if history and old_hash is not None and not old_hash.startswith(UNSALTED_PREFIX):
        password_history.add(
            db, opaque.new_identifier(HISTORY_PREFIX), user_id=user_id, password_hash=old_hash, now=now
        )
    password_history.prune(db, user_id, history)


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
