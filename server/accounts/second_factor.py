"""Proving a person by a second factor: a TOTP code or a recovery code, in one field."""

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import known_browser, recovery_codes, throttling, totp
from server.accounts.throttling import Throttled
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import totp_devices, users

SECOND_FACTOR_AMR = ("otp", "mfa")
"""RFC 8176: what a code adds to the methods of the session."""


def has_second_factor(db: Connection, user_id: str) -> bool:
    """Whether the person has enrolled one. Recovery codes alone are none."""
    return totp_devices.count_of_user(db, user_id) > 0


def verify(
    db: Connection,
    sealer: Sealer,
    user: User,
    code: str,
    *,
    context: Context,
    now: int,
    previous_steps: int,
    device_cookie: str | None = None,
    rate_limits: bool = True,
) -> tuple[str, ...] | Throttled | None:
    """Use a code up and return what it adds to `amr`; None where it is wrong or was used. Commit in every case.

    The caller allows five tries in one interaction; the account's counter is kept here.
    """
    browser_id = known_browser.browser_of(sealer, device_cookie, user.id, now)
    keys = (throttling.second_factor_key(user.id, browser_id),) if rate_limits else ()

    def on_block(seconds: int) -> None:
        record(db, Event.SIGN_IN_THROTTLED, context, now=now, user_id=user.id, retry_after=seconds)

    throttled = throttling.reserve(db, keys, now, on_block=on_block)
    if throttled is not None:
        return throttled
    method = _accepted_method(db, sealer, user, code, now=now, previous_steps=previous_steps)
    if method is None:
        record(db, Event.SECOND_FACTOR_FAILED, context, now=now, user_id=user.id, reason="wrong_code")
        return None
    throttling.succeeded(db, keys)
    if method == "recovery_code":
        left = recovery_codes.left(db, user.id)
        record(db, Event.RECOVERY_CODE_USED, context, now=now, user_id=user.id, actor=user.id, left=left)
    record(db, Event.SECOND_FACTOR_SUCCEEDED, context, now=now, user_id=user.id, actor=user.id, method=method)
    return SECOND_FACTOR_AMR


def _accepted_method(
    db: Connection, sealer: Sealer, user: User, code: str, *, now: int, previous_steps: int
) -> str | None:
    if not user.is_active or not has_second_factor(db, user.id):
        return None
    if totp.accept(db, sealer, user.id, code, now=now, previous_steps=previous_steps):
        return "totp"
    return "recovery_code" if recovery_codes.consume(db, user.id, code, now) else None


def postpone(db: Connection, user_id: str, now: int) -> None:
    """Note that the person does not want to enrol a second factor now."""
    users.update_fields(db, user_id, {"mfa_postponed_at": now}, now=now)
