"""Browser sign-ins: an opaque cookie with a new value at every change of strength, two limits, and an end.

The cookie's value is a secret of which only the digest is stored; the session's id is the `sid` of ID tokens and stays
the same when the cookie changes. Ending a session revokes what was authorized in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Connection

from server.accounts import logout_notices
from server.events.audit import record
from server.events.context import ADDRESS_LENGTH, USER_AGENT_LENGTH, Context
from server.events.names import Event
from server.settings import Settings
from server.storage import authorizations, sessions, users
from server.tokens import opaque

KIND = "session"
COOKIE_PREFIX = "ost_"
ID_PREFIX = "ses_"
AAL1, AAL2 = "aal1", "aal2"
MULTIPLE_FACTORS = "mfa"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session lasts without use, and in any case, in seconds."""

    idle_seconds: int
    absolute_seconds: int

    @classmethod
    def of(cls, settings: Settings, *, remember: bool) -> Self:
        """Return the lifetime of a session, or of one that the person asked to keep."""
        if remember:
            return cls(settings.remember_me_seconds, settings.remember_me_seconds)
        return cls(settings.session_idle_seconds, settings.session_absolute_seconds)


@dataclass(frozen=True, slots=True)
class Session:
    """A live sign-in. `id` is the `sid`; `expires_at` the absolute end; `authenticated_at` the `auth_time`."""

    id: str
    user_id: str
    created_at: int
    authenticated_at: int
    last_used_at: int
    idle_seconds: int
    expires_at: int
    amr: tuple[str, ...]
    acr: str
    address: str
    user_agent: str


def acr_of(amr: Iterable[str]) -> str:
    """Return the strength that authentication methods (RFC 8176) amount to."""
    return AAL2 if MULTIPLE_FACTORS in amr else AAL1


def combined_amr(*methods: Iterable[str]) -> tuple[str, ...]:
    """Return all the methods, each once, in their order: what a session has after a step-up."""
    return tuple(dict.fromkeys(method for some in methods for method in some))


def begin(
    db: Connection, user_id: str, *, amr: Sequence[str], lifetime: Lifetime, context: Context, now: int
) -> tuple[Session, str]:
    """Sign a person in and return the session and the cookie's value."""
    cookie_value = opaque.mint(COOKIE_PREFIX)
    session = Session(
        id=opaque.new_identifier(ID_PREFIX),
        user_id=user_id,
        created_at=now,
        authenticated_at=now,
        last_used_at=now,
        idle_seconds=lifetime.idle_seconds,
        expires_at=now + lifetime.absolute_seconds,
        amr=tuple(amr),
        acr=acr_of(amr),
        address=context.address[:ADDRESS_LENGTH],
        user_agent=context.user_agent[:USER_AGENT_LENGTH],
    )
    row = {name: getattr(session, name) for name in Session.__slots__}
    sessions.insert_session(db, {**row, "amr": list(amr), "digest": opaque.digest(KIND, cookie_value)})
    return session, cookie_value


def find(db: Connection, cookie_value: str, now: int, *, touch: bool = True) -> Session | None:
    """Return the live session of a cookie; None where it ended, lay idle, is over, or its person is not active.

    Notes the use, at most once a minute; with `touch=False` nothing is written.
    """
    row = sessions.find_by_digest(db, opaque.digest(KIND, cookie_value), now)
    if row is None:
        return None
    if touch and row["last_used_at"] <= now - sessions.TOUCH_SECONDS:
        sessions.touch(db, row["id"], now)
    return _session(row)


def _session(row: Any) -> Session:
    values = {name: row[name] for name in Session.__slots__}
    return Session(**{**values, "amr": tuple(row["amr"])})


def elevate(
    db: Connection, cookie_value: str, *, amr: Sequence[str], now: int, authenticated_at: int | None = None
) -> tuple[Session, str] | None:
    """Note a step-up or re-authentication: same `sid`, new cookie, strength and `auth_time`; the old cookie is dead.

    The absolute end stays. `authenticated_at` is the `auth_time` where it is not now. None where the old cookie is dead
    already: of two calls at once, one succeeds.
    """
    new_value = opaque.mint(COOKIE_PREFIX)
    row = sessions.rotate(
        db,
        opaque.digest(KIND, cookie_value),
        opaque.digest(KIND, new_value),
        amr=amr,
        acr=acr_of(amr),
        authenticated_at=now if authenticated_at is None else authenticated_at,
        now=now,
    )
    return None if row is None else (_session(row), new_value)


def hold(db: Connection, session_id: str, now: int) -> bool:
    """Say whether a session is live; it stays so until this transaction has committed what it hands out in it."""
    return sessions.hold(db, session_id, now)


def find_owner(db: Connection, session_id: str) -> str | None:
    """Return whose session it is or was, None where nobody remembers it."""
    return sessions.find_owner(db, session_id)


def end(db: Connection, session_id: str, *, user_id: str, context: Context, now: int) -> bool:
    """End a person's own session, and say whether it was on. What it authorized is revoked, except offline access."""
    if not sessions.end(db, session_id, user_id, now):
        return False
    authorizations.revoke_of_session(db, session_id, now)
    logout_notices.enqueue(db, [session_id], user_id=user_id, now=now)
    record(db, Event.SESSION_ENDED, context, now=now, user_id=user_id, session_id=session_id)
    return True


def end_device(db: Connection, session_id: str, *, user_id: str, context: Context, now: int) -> bool:
    """End a person's session because they no longer want it: offline access that began in it is revoked as well."""
    if not end(db, session_id, user_id=user_id, context=context, now=now):
        return False
    sessions.revoke_of_one(db, user_id, session_id, now)
    return True


def end_all(db: Connection, user_id: str, *, context: Context, now: int, except_id: str | None = None) -> int:
    """End all sessions of a person but one, and return how many.

    What the person authorized anywhere else is revoked, offline access and long ended sessions included.
    """
    users.lock(db, user_id)  # or two of these at once could wait for each other in a circle
    ended = sessions.end_others(db, user_id, except_id or "", now)
    revoked = sessions.revoke_of_others(db, user_id, except_id or "", now)
    logout_notices.enqueue(db, ended, user_id=user_id, now=now)
    record(db, Event.SESSIONS_ENDED, context, now=now, user_id=user_id, sessions=len(ended), authorizations=revoked)
    return len(ended)


def list_live(db: Connection, user_id: str, now: int) -> list[Session]:
    """Return a person's live sessions, the last used first."""
    return [_session(row) for row in sessions.list_of_user(db, user_id, now)]
