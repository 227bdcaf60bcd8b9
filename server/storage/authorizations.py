"""Rows of authorizations: the decision behind a code and every token that came from it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, insert, literal, select, update

from server.storage.rows import Row, first
from server.storage.schema import authorizations, users

_INSERT = insert(authorizations)
_IS_LIVE = authorizations.c.revoked_at.is_(None) & users.c.disabled_at.is_(None) & users.c.deleted_at.is_(None)
_FIND_LIVE = (
    select(authorizations)
    .join(users, users.c.id == authorizations.c.user_id)
    .where((authorizations.c.id == bindparam("i")) & _IS_LIVE & (authorizations.c.expires_at > bindparam("at")))
)
_FIND_ANY = select(authorizations).where(authorizations.c.id == bindparam("i"))
_NOT_REVOKED = authorizations.c.revoked_at.is_(None)
_REVOKE = update(authorizations).values(revoked_at=bindparam("at"))
_REVOKE_ONE = _REVOKE.where((authorizations.c.id == bindparam("i")) & _NOT_REVOKED)
_REVOKE_OF_SESSION = _REVOKE.where(
    (authorizations.c.session_id == bindparam("s"))
    & _NOT_REVOKED
    # OpenID Connect Core section 11: offline access means access while the person is not signed in.
    & ~(literal(" ") + authorizations.c.scope + " ").like("% offline\\_access %", escape="\\")
)
_REVOKE_OF_USER = _REVOKE.where((authorizations.c.user_id == bindparam("u")) & _NOT_REVOKED)
_REVOKE_OF_USER_CLIENT = _REVOKE_OF_USER.where(authorizations.c.client_id == bindparam("c"))
_REVOKE_OF_CLIENT = _REVOKE.where((authorizations.c.client_id == bindparam("c")) & _NOT_REVOKED)
_EXTEND = (
    update(authorizations).where(authorizations.c.id == bindparam("i")).values(expires_at=bindparam("new_expires_at"))
)
_SET_DETAILS = (
    update(authorizations)
    .where(authorizations.c.id == bindparam("i"))
    .values(details=bindparam("new_details", type_=authorizations.c.details.type))
)


def add(db: Connection, row: Mapping[str, Any]) -> None:
    """Store a new authorization."""
    db.execute(_INSERT, dict(row))


def find_live(db: Connection, authorization_id: str, now: int) -> Row | None:
    """Return the authorization unless it is revoked or over, or its person is disabled or deleted."""
    return first(db.execute(_FIND_LIVE, {"i": authorization_id, "at": now}))


def find(db: Connection, authorization_id: str) -> Row | None:
    """Return the authorization in whatever state it is."""
    return first(db.execute(_FIND_ANY, {"i": authorization_id}))


def extend(db: Connection, authorization_id: str, expires_at: int) -> None:
    """Move the end of an authorization, when a refresh token family is born from its code."""
    db.execute(_EXTEND, {"i": authorization_id, "new_expires_at": expires_at})


def set_details(db: Connection, authorization_id: str, details: Mapping[str, Any]) -> None:
    """Replace what extensions keep with an authorization."""
    db.execute(_SET_DETAILS, {"i": authorization_id, "new_details": dict(details)})


def add_details(db: Connection, authorization_id: str, more: Mapping[str, Any]) -> None:
    """Add to what extensions keep with an authorization: to what is there now, for others add to it as well."""
    row = find(db, authorization_id)
    if row is not None:
        set_details(db, authorization_id, {**row["details"], **more})


def revoke(db: Connection, authorization_id: str, now: int) -> bool:
    """Revoke one authorization, and say whether it was live."""
    return db.execute(_REVOKE_ONE, {"i": authorization_id, "at": now}).rowcount == 1


def revoke_of_session(db: Connection, session_id: str, now: int) -> int:
    """Revoke what a sign-in authorized, except offline access."""
    return db.execute(_REVOKE_OF_SESSION, {"s": session_id, "at": now}).rowcount


def revoke_of_user(db: Connection, user_id: str, now: int) -> int:
    """Revoke everything a person authorized, offline access included."""
    return db.execute(_REVOKE_OF_USER, {"u": user_id, "at": now}).rowcount


def revoke_of_user_client(db: Connection, user_id: str, client_id: str, now: int) -> int:
    """Revoke everything a person authorized for one client."""
    return db.execute(_REVOKE_OF_USER_CLIENT, {"u": user_id, "c": client_id, "at": now}).rowcount


def revoke_of_client(db: Connection, client_id: str, now: int) -> int:
    """Revoke everything anybody authorized for one client."""
    return db.execute(_REVOKE_OF_CLIENT, {"c": client_id, "at": now}).rowcount
