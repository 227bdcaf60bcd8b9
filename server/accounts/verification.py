"""Proving that an e-mail address is the person's: a mailed link that works once.

The link is bound to the person, to this purpose and to the address: a changed address kills it, and using one kills
all of the person's. Opening it uses nothing up: mail scanners open links.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import identifiers, mailing
from server.accounts.user import User, find
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.mail.outbox import Mail, enqueue
from server.settings import EmailVerification, Settings
from server.storage import one_time, users
from server.storage.rows import Row
from server.tokens import opaque

KIND = "verify_email"
PREFIX = "ove_"
PATH = "/account/verify-email"


@dataclass(frozen=True, slots=True)
class Origin:
    """The browser that proved the password and waits for the link, so that the link can sign it in."""

    browser: str
    """Digest of the browser's cookie."""
    interaction_id: str | None = None
    """The sign-in that goes on after the link; it travels in the link and is not stored."""


@dataclass(frozen=True, slots=True)
class Verified:
    """Whom a link belongs to. `browser` is the digest of the one browser that it signs in, None where it does not."""

    user: User
    browser: str | None = None


def must_verify_first(settings: Settings, user: User) -> bool:
    """Whether the person may not sign in before the address is verified, whatever they prove."""
    return settings.email_verification is EmailVerification.REQUIRED and not user.email_verified


def send(
    db: Connection,
    user: User,
    *,
    sealer: Sealer,
    settings: Settings,
    context: Context,
    now: int,
    origin: Origin | None = None,
) -> bool:
    """Mail a link to the person's address; False where it is verified already or too many mails went there.

    Nobody is told which it was.
    """
    if user.email_verified or not user.is_active:
        return False
    if settings.rate_limits and not mailing.allow(db, mailing.mailbox_key(user.id), context=context, now=now):
        return False
    token = opaque.mint(PREFIX)
    payload = {
        "email": identifiers.normalize_email(user.email),
        "browser": None if origin is None else origin.browser,
        "password_changed_at": user.password_changed_at,
    }
    expires_at = now + settings.verification_seconds
    one_time.add(db, KIND, opaque.digest(KIND, token), payload, now=now, expires_at=expires_at, user_id=user.id)
    link = settings.url(f"{PATH}?token={token}")
    if origin is not None and origin.interaction_id is not None:
        link += f"&interaction={origin.interaction_id}"
    mail = Mail(user.email, "verify_email", user.language, {"link": link, "name": user.name or ""})
    enqueue(db, sealer, mail, user_id=user.id, now=now)
    record(db, Event.EMAIL_VERIFICATION_SENT, context, now=now, user_id=user.id)
    return True


def find_link(db: Connection, token: str, now: int) -> Verified | None:
    """Return whose address the link verifies, and leave it usable."""
    row = one_time.find_live(db, KIND, opaque.digest(KIND, token), now)
    user = None if row is None else find(db, row["user_id"])
    if row is None or user is None or not _fits(row, user):
        return None
    # A password that was changed since is not the one that the waiting browser had proved.
    is_same_password = row["payload"]["password_changed_at"] == user.password_changed_at
    return Verified(user, row["payload"]["browser"] if is_same_password else None)


def _fits(row: Row, user: User) -> bool:
    return user.is_active and row["payload"]["email"] == identifiers.normalize_email(user.email)


def confirm(db: Connection, token: str, *, context: Context, now: int) -> Verified | None:
    """Use the link up, with all others of the person; of several calls at once one gets the person."""
    found = find_link(db, token, now)
    if found is None:
        return None
    users.lock(db, found.user.id)  # or two links used at once could wait for each other in a circle
    found = find_link(db, token, now)  # the address may have changed while we waited
    if found is None or one_time.consume(db, KIND, opaque.digest(KIND, token), now) is None:
        return None
    mark_verified(db, found.user, context=context, now=now)
    user = find(db, found.user.id)
    return None if user is None else Verified(user, found.browser)


def mark_verified(db: Connection, user: User, *, context: Context, now: int) -> None:
    """Note that the person has read a mail at their address; links that would prove the same die."""
    one_time.consume_all_of_user(db, KIND, user.id, now)
    if not user.email_verified:
        users.update_fields(db, user.id, {"email_verified": True}, now=now)
        record(db, Event.EMAIL_VERIFIED, context, now=now, user_id=user.id)
