"""Proving a person by password: count the guess, check it outside any transaction, write down what came of it.

`prepare` in one transaction, `PasswordHasher.verify` with what it gave, `complete` in another. A wrong password, an
unknown account, one without a password and a disabled one get the same answer after the same work.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import known_browser, throttling
from server.accounts.throttling import Throttled, ThrottleKey
from server.accounts.user import User, find_by_login
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import users

PASSWORD_AMR = ("pwd",)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A guess that is counted and may now be checked against `password_hash` (None: against nothing)."""

    user: User | None
    password_hash: str | None = field(repr=False)
    keys: tuple[ThrottleKey, ...]


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """A person whose password was right; whether that is enough is for the caller to say."""

    user: User
    amr: tuple[str, ...] = PASSWORD_AMR


def prepare(
    db: Connection,
    identifier: str,
    *,
    context: Context,
    sealer: Sealer,
    device_cookie: str | None,
    now: int,
    rate_limits: bool = True,
) -> Prepared | Throttled:
    """Find the account of an e-mail address or username and count the guess. Commit before checking it."""
    user = find_by_login(db, identifier)
    keys = _keys(identifier, user, context, sealer, device_cookie, now) if rate_limits else ()

    def on_block(seconds: int) -> None:
        record(db, Event.SIGN_IN_THROTTLED, context, now=now, user_id=_id(user), retry_after=seconds)

    throttled = throttling.reserve(db, keys, now, on_block=on_block)
    if throttled is not None:
        return throttled
    return Prepared(user, None if user is None else user.password_hash, keys)


def prepare_confirmation(
    db: Connection,
    user: User,
    *,
    context: Context,
    sealer: Sealer,
    device_cookie: str | None,
    now: int,
    rate_limits: bool = True,
) -> Prepared | Throttled:
    """Count a guess of somebody who is signed in and must show the password again: the same counters."""
    return prepare(
        db,
        user.email,
        context=context,
        sealer=sealer,
        device_cookie=device_cookie,
        now=now,
        rate_limits=rate_limits,
    )


def _keys(
    identifier: str, user: User | None, context: Context, sealer: Sealer, device_cookie: str | None, now: int
) -> tuple[ThrottleKey, ...]:
    user_id = _id(user)
    browser_id = known_browser.browser_of(sealer, device_cookie, user_id, now)
    if user_id is not None and browser_id is not None:
        return (throttling.known_browser_key(user_id, browser_id),)
    return (throttling.address_key(context.address), throttling.account_key(user_id, identifier))


def _id(user: User | None) -> str | None:
    return None if user is None else user.id


def complete(db: Connection, prepared: Prepared, *, is_valid: bool, context: Context, now: int) -> SignedInUser | None:
    """Write down what came of the check; None where the person may not sign in. Commit in either case.

    Begin the session in the same transaction: a new password that comes in between then ends it.
    """
    user_id = "" if prepared.user is None else prepared.user.id
    if is_valid:
        users.lock(db, user_id)
    user = users.find_by_id(db, user_id)  # asked for nobody as well: an unknown account takes as long
    reason = _refusal(prepared, user, is_valid=is_valid)
    if reason is not None or user is None:
        record(db, Event.SIGN_IN_FAILED, context, now=now, user_id=_id(prepared.user), reason=reason)
        return None
    throttling.succeeded(db, prepared.keys)
    record(db, Event.SIGN_IN_SUCCEEDED, context, now=now, user_id=user.id, actor=user.id, amr=list(PASSWORD_AMR))
    return SignedInUser(user)


def _refusal(prepared: Prepared, user: User | None, *, is_valid: bool) -> str | None:
    # What was typed is not recorded: people type passwords into the wrong field.
    if user is None:
        return "unknown_account"
    if not is_valid:
        return "wrong_password" if prepared.password_hash is not None else "no_password"
    if not user.is_active:
        return "disabled_account"
    if user.password_hash != prepared.password_hash and user.password_changed_at != _changed_at(prepared):
        return "password_changed_meanwhile"
    return None


def _changed_at(prepared: Prepared) -> int | None:
    return None if prepared.user is None else prepared.user.password_changed_at


def store_rehash(db: Connection, prepared: Prepared, new_hash: str) -> bool:
    """Store the same password hashed with the present parameters, unless it was changed meanwhile."""
    if prepared.user is None or prepared.password_hash is None:
        return False
    return users.replace_password_hash(db, prepared.user.id, prepared.password_hash, new_hash)
