"""Disabling, enabling, deleting, restoring and erasing people, and taking away their second factors.

A deleted person is shut out at once and erased some time later; until then an administrator can restore them.
"""

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import credentials, sessions, throttling
from server.accounts.user import User
from server.events.audit import record
from server.events.context import SYSTEM, Context
from server.events.names import Event
from server.mail.outbox import Mail, enqueue
from server.storage import one_time, passkeys, purge, recovery_codes, totp_devices, trusted_browsers, users

ERASE_BATCH = 20
"""People who are erased in one transaction."""


def disable(db: Connection, user: User, *, context: Context, now: int) -> bool:
    """Shut a person out at once, tokens included, and say whether this changed anything."""
    if not users.disable(db, user.id, now):
        return False
    _cut_off(db, user.id, context, now)
    record(db, Event.USER_DISABLED, context, now=now, user_id=user.id)
    return True


def enable(db: Connection, user: User, *, context: Context, now: int) -> bool:
    """Let a disabled person sign in again, and say whether this changed anything. No old session comes back."""
    if not users.enable(db, user.id, now):
        return False
    record(db, Event.USER_ENABLED, context, now=now, user_id=user.id)
    return True


def delete(db: Connection, user: User, *, grace_seconds: int, sealer: Sealer, context: Context, now: int) -> bool:
    """Delete a person, and say whether this changed anything: shut out at once, erased after `grace_seconds`.

    A mail tells them. Whoever tries to sign in gets the answer of an unknown account.
    """
    erase_at = now + grace_seconds
    if not users.mark_deleted(db, user.id, erase_at=erase_at, now=now):
        return False
    _cut_off(db, user.id, context, now)
    purge.forget_short_lived(db, user.id)
    mail = Mail(user.email, "account_deleted", user.language, {"name": user.name or "", "erase_time": erase_at})
    enqueue(db, sealer, mail, user_id=user.id, now=now)
    record(db, Event.USER_DELETED, context, now=now, user_id=user.id, erase_at=erase_at)
    return True


def restore(db: Connection, user: User, *, context: Context, now: int) -> bool:
    """Take a deletion back within its time, and say whether this changed anything. No old session comes back.

    `server.accounts.user.find_deleted` finds whom to restore.
    """
    if not users.restore(db, user.id, now):
        return False
    record(db, Event.USER_RESTORED, context, now=now, user_id=user.id)
    return True


def erase(db: Connection, user: User, *, context: Context, now: int) -> bool:
    """Erase what is known about a person, deleted before or not, and say whether this changed anything.

    The id is never given again, the e-mail address and the username are free, the audit log stays.
    """
    users.lock(db, user.id)
    if not users.erase(db, user.id, now):
        return False
    if not user.is_deleted:
        _cut_off(db, user.id, context, now)
    purge.erase_rows(db, user.id)
    record(db, Event.USER_ERASED, context, now=now, user_id=user.id)
    return True


def erase_due(db: Connection, now: int) -> int:
    """Erase deleted people whose time has come, a batch at most, and return how many."""
    return sum(_erase_if_due(db, user_id, now) for user_id in users.due_for_erasure(db, now, limit=ERASE_BATCH))


def _erase_if_due(db: Connection, user_id: str, now: int) -> bool:
    users.lock(db, user_id)  # another node may be erasing or restoring the same person
    user = users.find_by_id(db, user_id)
    if user is None or user.erase_at is None or user.erase_at > now:
        return False
    return erase(db, user, context=SYSTEM, now=now)


def reset_mfa(db: Connection, user: User, *, context: Context, now: int) -> int:
    """Take away a person's second factors and recovery codes, end all sessions, and return how many factors went."""
    users.lock(db, user.id)  # first, as whoever checks a code does: or the two wait for each other
    throttling.forgive_account(db, user.id)
    devices = totp_devices.delete_of_user(db, user.id) + passkeys.delete_of_user(db, user.id)
    trusted_browsers.delete_of_user(db, user.id)
    recovery_codes.delete_of_user(db, user.id)
    users.update_fields(db, user.id, {"mfa_postponed_at": None, "email_factor_at": None}, now=now)
    sessions.end_all(db, user.id, context=context, now=now)
    record(db, Event.SECOND_FACTORS_RESET, context, now=now, user_id=user.id, devices=devices)
    return devices


def _cut_off(db: Connection, user_id: str, context: Context, now: int) -> None:
    trusted_browsers.delete_of_user(db, user_id)
    one_time.consume_all_of_user(db, credentials.LINK_KIND, user_id, now)
    sessions.end_all(db, user_id, context=context, now=now)
