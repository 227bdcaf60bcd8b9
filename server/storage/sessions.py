"""Rows of browser sign-ins. The cookie's value is stored as a digest; `id` is the `sid` of ID tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.engine import RowMapping

from server.storage.schema import authorizations, sessions, users

TOUCH_SECONDS = 60
"""A session's last use is written at most this often."""

_AT = bindparam("at", type_=sessions.c.expires_at.type)
_IS_LIVE = (
    sessions.c.ended_at.is_(None)
    & (sessions.c.expires_at > _AT)
    & (sessions.c.last_used_at + sessions.c.idle_seconds > _AT)
)
_IS_OF_ACTIVE_USER = users.c.disabled_at.is_(None) & users.c.deleted_at.is_(None)
_SELECT_LIVE = select(sessions).join(users, users.c.id == sessions.c.user_id).where(_IS_LIVE & _IS_OF_ACTIVE_USER)
_BY_DIGEST = sessions.c.digest == bindparam("d")
_OF_USER = sessions.c.user_id == bindparam("u")
_INSERT = insert(sessions)
_FIND = _SELECT_LIVE.where(_BY_DIGEST)
_HOLD = select(sessions.c.id).where((sessions.c.id == bindparam("i")) & _IS_LIVE).with_for_update()
_FIND_ANY = select(sessions).where(sessions.c.id == bindparam("i"))
_OWNER = select(sessions.c.user_id).where(sessions.c.id == bindparam("i"))
_LIST = _SELECT_LIVE.where(_OF_USER).order_by(sessions.c.last_used_at.desc(), sessions.c.id)
_TOUCH = (
    update(sessions)
    .where((sessions.c.id == bindparam("i")) & (sessions.c.last_used_at <= _AT - TOUCH_SECONDS))
    .values(last_used_at=_AT)
)
_ROTATE = (
    update(sessions)
    .where(_BY_DIGEST & _IS_LIVE)
    .values(
        digest=bindparam("new_digest"),
        amr=bindparam("new_amr", type_=sessions.c.amr.type),
        acr=bindparam("new_acr"),
        authenticated_at=bindparam("new_authenticated_at"),
        last_used_at=_AT,
    )
    .returning(*sessions.c)
)
_NOT_ENDED = sessions.c.ended_at.is_(None)
_END = update(sessions).where(_OF_USER & _NOT_ENDED & (sessions.c.id == bindparam("i"))).values(ended_at=_AT)
_END_OTHERS = (
    update(sessions)
    .where(_OF_USER & _NOT_ENDED & (sessions.c.id != bindparam("i")))
    .values(ended_at=_AT)
    .returning(sessions.c.id)
)
_REVOKE_OTHERS = (
    update(authorizations)
    .where(
        (authorizations.c.user_id == bindparam("u"))
        & authorizations.c.revoked_at.is_(None)
        & (authorizations.c.session_id != bindparam("i"))
    )
    .values(revoked_at=_AT)
)
_REVOKE_OF_ONE = (
    update(authorizations)
    .where(
        (authorizations.c.user_id == bindparam("u"))
        & authorizations.c.revoked_at.is_(None)
        & (authorizations.c.session_id == bindparam("i"))
    )
    .values(revoked_at=_AT)
)
_CLIENTS_OF_USER = (
    select(authorizations.c.session_id, authorizations.c.client_id)
    .where((authorizations.c.user_id == bindparam("u")) & authorizations.c.revoked_at.is_(None))
    .distinct()
    .order_by(authorizations.c.session_id, authorizations.c.client_id)
)


def insert_session(db: Connection, row: Mapping[str, Any]) -> None:
    """Store a new session."""
    db.execute(_INSERT, dict(row))


def find_by_digest(db: Connection, digest: str, now: int) -> RowMapping | None:
    """Return the session unless it ended, lay idle, reached its absolute end, or its person is not active."""
    return db.execute(_FIND, {"d": digest, "at": now}).mappings().first()


def hold(db: Connection, session_id: str, now: int) -> bool:
    """Say whether a session is live, and keep it from ending before this transaction has."""
    return db.execute(_HOLD, {"i": session_id, "at": now}).first() is not None


def find_by_id(db: Connection, session_id: str) -> RowMapping | None:
    """Return a session in whatever state it is."""
    return db.execute(_FIND_ANY, {"i": session_id}).mappings().first()


def find_owner(db: Connection, session_id: str) -> str | None:
    """Return whose session it is or was."""
    owner = db.execute(_OWNER, {"i": session_id}).scalar()
    return None if owner is None else str(owner)


def list_of_user(db: Connection, user_id: str, now: int) -> list[RowMapping]:
    """Return a person's live sessions, the last used first."""
    return list(db.execute(_LIST, {"u": user_id, "at": now}).mappings())


def touch(db: Connection, session_id: str, now: int) -> bool:
    """Note that the session is in use, and say whether that was due."""
    return db.execute(_TOUCH, {"i": session_id, "at": now}).rowcount == 1


def rotate(
    db: Connection, old_digest: str, new_digest: str, *, amr: Sequence[str], acr: str, authenticated_at: int, now: int
) -> RowMapping | None:
    """Give a live session another cookie and strength; None where the old cookie is dead. One caller succeeds."""
    parameters = {
        "d": old_digest,
        "at": now,
        "new_digest": new_digest,
        "new_amr": list(amr),
        "new_acr": acr,
        "new_authenticated_at": authenticated_at,
    }
    return db.execute(_ROTATE, parameters).mappings().first()


def end(db: Connection, session_id: str, user_id: str, now: int) -> bool:
    """End a person's own session, and say whether it was still on."""
    return db.execute(_END, {"i": session_id, "u": user_id, "at": now}).rowcount == 1


def end_others(db: Connection, user_id: str, except_id: str, now: int) -> list[str]:
    """End all sessions of a person but one (none is spared where `except_id` is empty), and return their ids."""
    return list(db.execute(_END_OTHERS, {"u": user_id, "i": except_id, "at": now}).scalars())


def revoke_of_others(db: Connection, user_id: str, except_id: str, now: int) -> int:
    """Revoke what a person authorized, offline access included, in any session but one."""
    return db.execute(_REVOKE_OTHERS, {"u": user_id, "i": except_id, "at": now}).rowcount


def revoke_of_one(db: Connection, user_id: str, session_id: str, now: int) -> int:
    """Revoke what a person authorized in one session, offline access included."""
    return db.execute(_REVOKE_OF_ONE, {"u": user_id, "i": session_id, "at": now}).rowcount


def clients_of_user(db: Connection, user_id: str) -> dict[str, list[str]]:
    """Return the clients that have access from each session of a person, by the session's id."""
    found: dict[str, list[str]] = {}
    for session_id, client_id in db.execute(_CLIENTS_OF_USER, {"u": user_id}):
        found.setdefault(session_id, []).append(client_id)
    return found
