"""Another e-mail address: asked for by the signed-in person, confirmed from the new mailbox, told to the old one.

The caller asks for a fresh sign-in first. The link is bound to the person, to this purpose, to the address that it
replaces and to the password: a new password kills what whoever had the old one began.
"""

from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from keys.sealing import Sealer
from server.accounts import credentials, identifiers, mailing, throttling, verification
from server.accounts.throttling import Throttled
from server.accounts.user import User, find, find_by_email
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.mail.outbox import Mail, enqueue
from server.settings import Settings
from server.storage import one_time, users
from server.tokens import opaque

KIND = "change_email"
PREFIX = "oce_"
PATH = "/account/confirm-email"


@dataclass(frozen=True, slots=True)
class EmailChange:
    """A change that a link confirms: whose, and to which address."""

    user: User
    new_email: str


def request(
    db: Connection, user: User, new_email: str, *, sealer: Sealer, settings: Settings, context: Context, now: int
) -> Throttled | None:
    """Mail a link to the new address; if somebody has it already, tell them instead, and the asker nothing.

    Throttled where this person asked too often. Raises InvalidIdentifierError.
    """
    cleaned = identifiers.clean_email(new_email)
    if settings.rate_limits:
        # Not the network's counter as well: others take it after a mailbox's, and they could wait for each other.
        throttled = throttling.reserve(db, (mailing.asker_key(user.id),), now)
        if throttled is not None:
            return throttled
    record(db, Event.EMAIL_CHANGE_REQUESTED, context, now=now, user_id=user.id)
    one_time.consume_all_of_user(db, KIND, user.id, now)  # the last wish counts
    holder = find_by_email(db, cleaned)
    if holder is not None and holder.id != user.id:
        mailing.tell_holder(db, holder, sealer=sealer, settings=settings, now=now)
    else:
        _send(db, user, cleaned, sealer=sealer, settings=settings, now=now)
    return None


def _send(db: Connection, user: User, email: str, *, sealer: Sealer, settings: Settings, now: int) -> None:
    token = opaque.mint(PREFIX)
    payload = {"email": email, "old_email": user.email, "password_changed_at": user.password_changed_at}
    expires_at = now + settings.verification_seconds
    one_time.add(db, KIND, opaque.digest(KIND, token), payload, now=now, expires_at=expires_at, user_id=user.id)
    link = settings.url(f"{PATH}?token={token}")
    mail = Mail(email, "confirm_new_email", user.language, {"link": link, "name": user.name or ""})
    enqueue(db, sealer, mail, user_id=user.id, now=now)


def find_link(db: Connection, token: str, now: int) -> EmailChange | None:
    """Return what the link confirms, and leave it usable."""
    row = one_time.find_live(db, KIND, opaque.digest(KIND, token), now)
    user = None if row is None else find(db, row["user_id"])
    if row is None or user is None or not user.is_active:
        return None
    payload = row["payload"]
    is_as_it_was = (payload["old_email"], payload["password_changed_at"]) == (user.email, user.password_changed_at)
    return EmailChange(user, payload["email"]) if is_as_it_was else None


def confirm(db: Connection, token: str, *, sealer: Sealer, context: Context, now: int) -> User | None:
    """Use the link up and change the address, which is verified then. The old address is told.

    None where the link is over or the address was taken meanwhile. Links that were sent to the old address die.
    """
    found = find_link(db, token, now)
    if found is None:
        return None
    users.lock(db, found.user.id)  # or two links used at once could wait for each other in a circle
    change = find_link(db, token, now)
    if change is None or one_time.consume(db, KIND, opaque.digest(KIND, token), now) is None:
        return None
    if not _store(db, change, now):
        return None
    user = change.user
    for kind in (KIND, verification.KIND, credentials.LINK_KIND):
        one_time.consume_all_of_user(db, kind, user.id, now)
    values = {"name": user.name or "", "new_email": change.new_email}
    enqueue(db, sealer, Mail(user.email, "email_changed", user.language, values), user_id=user.id, now=now)
    record(db, Event.EMAIL_CHANGED, context, now=now, user_id=user.id)
    return find(db, user.id)


def _store(db: Connection, change: EmailChange, now: int) -> bool:
    columns = {
        "email": change.new_email,
        "email_normalized": identifiers.normalize_email(change.new_email),
        "email_verified": True,
    }
    try:
        with db.begin_nested():
            users.update_fields(db, change.user.id, columns, now=now)
    except IntegrityError:
        return False
    return True
