"""Disabling, enabling and deleting people, and taking away their second factors."""

from sqlalchemy import Connection

from server.accounts import credentials, sessions, throttling
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import consents, one_time, recovery_codes, totp_devices, users


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


def delete(db: Connection, user: User, *, context: Context, now: int) -> bool:
    """Erase what is known about a person, and say whether this changed anything. The id is never given again."""
    if not users.erase(db, user.id, now):
        return False
    _cut_off(db, user.id, context, now)
    totp_devices.delete_of_user(db, user.id)
    recovery_codes.delete_of_user(db, user.id)
    consents.delete_of_user(db, user.id)
    record(db, Event.USER_DELETED, context, now=now, user_id=user.id)
    return True


def reset_mfa(db: Connection, user: User, *, context: Context, now: int) -> int:
    """Take away a person's second factors and recovery codes, end all sessions, and return how many devices went."""
    users.lock(db, user.id)  # first, as whoever checks a code does: or the two wait for each other
    throttling.forgive_account(db, user.id)
    devices = totp_devices.delete_of_user(db, user.id)
    recovery_codes.delete_of_user(db, user.id)
    users.update_fields(db, user.id, {"mfa_postponed_at": None}, now=now)
    sessions.end_all(db, user.id, context=context, now=now)
    record(db, Event.SECOND_FACTORS_RESET, context, now=now, user_id=user.id, devices=devices)
    return devices


def _cut_off(db: Connection, user_id: str, context: Context, now: int) -> None:
    one_time.consume_all_of_user(db, credentials.LINK_KIND, user_id, now)
    sessions.end_all(db, user_id, context=context, now=now)
