"""The forgotten password: a mailed link with which the person sets a new one.

Asking has one answer and takes one time, whoever has the account and however many asked before. The link replaces the
password and no other factor: after it the person signs in as always.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import credentials, identifiers, mailing, verification
from server.accounts.user import User, find_by_email
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.mail.outbox import Mail, enqueue
from server.settings import Settings
from server.storage import one_time, users
from server.tokens import opaque

PATH = "/account/set-password"
NOBODY = "nobody"
"""Rows under this name are never committed."""


@dataclass(frozen=True, slots=True)
class _Addressee:
    """Who gets the mail: the person, or the stand-in of somebody whom nobody knows."""

    id: str
    email: str
    name: str
    language: str | None


def request(db: Connection, email: str, *, sealer: Sealer, settings: Settings, context: Context, now: int) -> None:
    """Mail a link for a new password to whoever has this e-mail address, in any of its spellings; say nothing of it.

    For an address that nobody has the same is done and taken back. Raises InvalidIdentifierError where the text is no
    e-mail address: that depends on the text alone.
    """
    normalized = identifiers.normalize_email(email)
    user = find_by_email(db, email)
    known = user if user is not None and user.is_active else None
    user_id = None if known is None else known.id
    key = mailing.unknown_mailbox_key(normalized) if known is None else mailing.mailbox_key(known.id)
    is_allowed = not settings.rate_limits or mailing.allow(db, key, context=context, now=now)
    record(db, Event.PASSWORD_RESET_REQUESTED, context, now=now, user_id=user_id, is_throttled=not is_allowed)
    if not is_allowed:
        return
    to = _Addressee(NOBODY, email, email, None) if known is None else _addressee(known)
    with db.begin_nested() as savepoint:
        _send(db, to, sealer=sealer, settings=settings, now=now)
        if known is None:
            savepoint.rollback()


def _addressee(user: User) -> _Addressee:
    # To the stored address, never to the spelling that somebody typed: that may be another mailbox.
    return _Addressee(user.id, user.email, user.name or "", user.language)


def _send(db: Connection, to: _Addressee, *, sealer: Sealer, settings: Settings, now: int) -> None:
    token = opaque.mint(credentials.LINK_PREFIX)
    one_time.add(
        db,
        credentials.LINK_KIND,
        opaque.digest(credentials.LINK_KIND, token),
        {"email": identifiers.normalize_email(to.email)},
        now=now,
        expires_at=now + settings.password_link_seconds,
        user_id=to.id,
    )
    values = {"link": settings.url(f"{PATH}?token={token}"), "name": to.name}
    enqueue(db, sealer, Mail(to.email, "reset_password", to.language, values), user_id=to.id, now=now)


def find(db: Connection, token: str, now: int) -> User | None:
    """Return whose password the link can set, mailed or given by an operator, and leave it usable."""
    user = credentials.find_password_link(db, token, now)
    if user is None:
        return None
    mailed_to = _mailed_to(db, token)
    return user if mailed_to in (None, identifiers.normalize_email(user.email)) else None


def _mailed_to(db: Connection, token: str) -> str | None:
    row = one_time.find(db, credentials.LINK_KIND, opaque.digest(credentials.LINK_KIND, token))
    return None if row is None else row["payload"].get("email")


def consume(
    db: Connection,
    token: str,
    password_hash: str,
    *,
    sealer: Sealer,
    settings: Settings,
    context: Context,
    now: int,
) -> User | None:
    """Set the password and use the link up, with all others of the person; of several calls at once one succeeds.

    All sign-ins and tokens of the person end, and a mail tells them. A mailed link also proves the address.
    The caller has held the new password against the policy.
    """
    found = find(db, token, now)
    if found is None:
        return None
    users.lock(db, found.id)
    user = find(db, token, now)  # the address may have changed while we waited
    if user is None or credentials.consume_password_link(db, token, now) is None:
        return None
    if _mailed_to(db, token) is not None:
        verification.mark_verified(db, user, context=context, now=now)
    credentials.set_password(
        db,
        user,
        password_hash,
        context=context,
        now=now,
        notify=sealer,
        history=settings.password_history,
    )
    return user
