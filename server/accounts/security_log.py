"""The audit log as the person it is about reads it: their own events, in words, the newest first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from sqlalchemy import Connection
from sqlalchemy.engine import RowMapping

from server.events.names import Event
from server.languages import Message
from server.languages import Message as _
from server.storage import audit

PAGE = 25
"""Entries on a page."""
READ_AT_ONCE = 10 * PAGE
"""Events for one page: an application may sign somebody in again and again, which is one entry."""
WORDS: Mapping[Event, Message] = {
    Event.USER_CREATED: _("The account was created"),
    Event.USER_UPDATED: _("The profile was changed"),
    Event.USER_DISABLED: _("The account was disabled"),
    Event.USER_ENABLED: _("The account was enabled again"),
    Event.USER_DELETED: _("The account was deleted"),
    Event.USER_RESTORED: _("The account was restored"),
    Event.ACCOUNT_UNLOCKED: _("The wait after wrong passwords was lifted"),
    Event.PASSWORD_CHANGED: _("The password was changed"),
    Event.PASSWORD_LINK_CREATED: _("A link for a new password was made"),
    Event.PASSWORD_RESET_REQUESTED: _("A new password was asked for"),
    Event.EMAIL_VERIFICATION_SENT: _("A link to verify the e-mail address was sent"),
    Event.EMAIL_VERIFIED: _("The e-mail address was verified"),
    Event.EMAIL_CHANGE_REQUESTED: _("Another e-mail address was asked for"),
    Event.EMAIL_CHANGED: _("The e-mail address was changed"),
    Event.INVITATION_ACCEPTED: _("An invitation was accepted"),
    Event.DATA_EXPORTED: _("A copy of the account's data was downloaded"),
    Event.SIGN_IN_SUCCEEDED: _("Signed in"),
    Event.SIGN_IN_FAILED: _("Sign-in failed"),
    Event.SIGN_IN_THROTTLED: _("Sign-in was refused after too many attempts"),
    Event.SECOND_FACTOR_SUCCEEDED: _("The second step was confirmed"),
    Event.SECOND_FACTOR_FAILED: _("The second step failed"),
    Event.TOTP_ENROLLED: _("An authenticator app was added"),
    Event.TOTP_REMOVED: _("An authenticator app was removed"),
    Event.PASSKEY_ADDED: _("A passkey was added"),
    Event.PASSKEY_REMOVED: _("A passkey was removed"),
    Event.PASSKEY_COUNTER_REGRESSED: _("A passkey was refused: it may have been copied"),
    Event.EMAIL_FACTOR_ENABLED: _("Codes by e-mail were turned on"),
    Event.EMAIL_FACTOR_DISABLED: _("Codes by e-mail were turned off"),
    Event.EMAIL_CODE_SENT: _("A code was sent by e-mail"),
    Event.BROWSER_TRUSTED: _("A browser was trusted"),
    Event.TRUSTED_BROWSERS_FORGOTTEN: _("Trusted browsers were forgotten"),
    Event.RECOVERY_CODES_GENERATED: _("New recovery codes were made"),
    Event.RECOVERY_CODE_USED: _("A recovery code was used"),
    Event.SECOND_FACTORS_RESET: _("Two-step sign-in was taken off the account"),
    Event.SESSION_ENDED: _("A sign-in was ended"),
    Event.SESSIONS_ENDED: _("Sign-ins were ended"),
    Event.CONSENT_GRANTED: _("An application was given access"),
    Event.CONSENT_DENIED: _("An application was denied access"),
    Event.CONSENT_REVOKED: _("An application's access was taken back"),
    Event.DEVICE_APPROVED: _("A device was connected"),
    Event.DEVICE_DENIED: _("A device was refused"),
    Event.BACKCHANNEL_REQUESTED: _("An application asked for your approval"),
    Event.BACKCHANNEL_APPROVED: _("An application's request was approved"),
    Event.BACKCHANNEL_DENIED: _("An application's request was denied"),
    Event.CODE_ISSUED: _("Signed in to an application"),
    Event.CODE_REPLAYED: _("An application's access was ended: a code was used twice"),
    Event.REFRESH_TOKEN_REUSED: _("An application's access was ended: a token was used twice"),
    Event.MEMBERSHIP_CHANGED: _("The place in an organization was changed"),
    Event.MEMBERSHIP_ENDED: _("The place in an organization ended"),
}
_ALARMS = frozenset(
    {
        Event.SIGN_IN_FAILED,
        Event.SIGN_IN_THROTTLED,
        Event.SECOND_FACTOR_FAILED,
        Event.PASSKEY_COUNTER_REGRESSED,
        Event.CODE_REPLAYED,
        Event.REFRESH_TOKEN_REUSED,
    }
)
UNSEEN = frozenset(
    # What programs do among themselves, what is not about one person, and what comes after the account.
    {
        Event.CODE_REDEEMED,
        Event.TOKEN_REVOKED,
        Event.USER_ERASED,
        Event.MAIL_FAILED,
        Event.PING_FAILED,
        Event.LOGOUT_NOTICE_FAILED,
        Event.TOKEN_EXCHANGED,
        Event.ASSERTION_ACCEPTED,
        Event.ASSERTION_REFUSED,
    }
)


class Doer(Enum):
    """Who did it, as far as the person is told."""

    ANYBODY = "anybody"
    """The person, or somebody who is not known: the device and the address tell which."""
    ADMINISTRATOR = "administrator"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, or sign-ins to one application that followed each other. Times are Unix seconds."""

    id: int
    """The oldest event's."""
    at: int
    """When the newest happened."""
    text: Message
    is_alarming: bool
    doer: Doer
    client_id: str | None
    address: str
    user_agent: str
    count: int = 1

    def is_like(self, other: "Entry") -> bool:
        """Whether another event says the same but for its time."""
        return replace(other, id=self.id, at=self.at, count=self.count) == self


def read(db: Connection, user_id: str, *, before_id: int | None = None) -> tuple[list[Entry], int | None]:
    """Return a page of a person's events, and from where the next one begins (None: this was the last)."""
    names = [event.value for event in WORDS]
    rows = audit.list_rows(db, user_id=user_id, events=names, before_id=before_id, limit=READ_AT_ONCE + 1)
    entries: list[Entry] = []
    for row in rows[:READ_AT_ONCE]:
        entry = _entry(row, user_id)
        if row["event"] == Event.CODE_ISSUED.value and entries and entries[-1].is_like(entry):
            entries[-1] = replace(entries[-1], id=entry.id, count=entries[-1].count + 1)
        elif len(entries) < PAGE:
            entries.append(entry)
        else:
            break
    return entries, entries[-1].id if rows and rows[-1]["id"] < entries[-1].id else None


def _entry(row: RowMapping, user_id: str) -> Entry:
    event = Event(row["event"])
    return Entry(
        id=row["id"],
        at=row["at"],
        text=WORDS[event],
        is_alarming=event in _ALARMS,
        doer=_doer(row["actor"], user_id),
        client_id=row["client_id"],
        address=row["address"],
        user_agent=row["user_agent"] or "",
    )


def _doer(actor: str, user_id: str) -> Doer:
    if actor == "system":
        return Doer.SERVER
    if actor == "cli" or (actor.startswith("usr_") and actor != user_id):
        return Doer.ADMINISTRATOR
    return Doer.ANYBODY
