"""The `mfa_token`: the password was right, and the second factor is still owed.

It is bound to the person and the password that was given, lives for five minutes and allows five tries; the throttle
of the account's second factors counts besides. Where the person must set up a factor first, it opens nothing but that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from server.accounts import email_codes, second_factor
from server.accounts.throttling import Throttled
from server.accounts.user import User, find
from server.api import errors
from server.api.call import Call
from server.api.errors import ApiError
from server.settings import Mfa
from server.storage import one_time, users
from server.tokens import opaque

KIND = "api_mfa"
PREFIX = "omf_"
LIFETIME_SECONDS = 300
MAX_TRIES = 5

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["mfa_required", "mfa_token", "methods"],
    "properties": {
        "mfa_required": {"type": "boolean", "const": True},
        "mfa_token": {"type": "string", "description": f"Good for {LIFETIME_SECONDS} seconds and {MAX_TRIES} tries."},
        "methods": {
            "type": "array",
            "items": {"type": "string"},
            "description": (
                "What the person has: `totp`, `email` (a code was mailed) and `recovery_code` are taken here, "
                "`passkey` only on the pages."
            ),
        },
        "mfa_setup_required": {
            "type": "boolean",
            "description": "True where the person has no second factor yet and must set one up.",
        },
    },
}
EXAMPLE: Mapping[str, Any] = {
    "mfa_required": True,
    "mfa_token": "omf_5cN2mYF1J0vQe8rW7xk3h4Zs9tLbPqUoAiDgCjEnKdM",
    "methods": ["totp", "recovery_code"],
}


@dataclass(frozen=True, slots=True)
class Owing:
    """Who gave the password and owes the factor."""

    user: User
    tries: int
    is_enrolling: bool


def demand(db: Connection, call: Call, user: User) -> dict[str, Any] | ApiError | None:
    """Return what is owed beside the password; None where the person may have tokens now.

    A refusal is returned rather than raised, so that what the password did lasts.
    """
    settings = call.services.settings
    policy = second_factor.policy_of(settings, user, None)
    factors = second_factor.factors_of(db, settings, user)
    if policy is Mfa.OFF:
        return None
    if factors.has_any:
        token = _mint(db, call, user)
        if factors.email and not factors.totp:  # no call asks for the mail
            throttled = _send_code(db, call, user, token)
            if throttled is not None:
                return errors.throttled(throttled.retry_after)
        return {"mfa_required": True, "mfa_token": token, "methods": list(factors.methods)}
    if policy is Mfa.REQUIRED:
        token = _mint(db, call, user, is_enrolling=True)
        return {"mfa_required": True, "mfa_token": token, "methods": [], "mfa_setup_required": True}
    return None


def _send_code(db: Connection, call: Call, user: User, token: str) -> Throttled | None:
    """Mail a code that is good with this token alone, unless there were too many."""
    return email_codes.send(
        db,
        call.services.sealer,
        user,
        binding=token,
        context=call.context,
        now=call.now,
        rate_limits=call.services.settings.rate_limits,
    )


def _mint(db: Connection, call: Call, user: User, *, is_enrolling: bool = False) -> str:
    token = opaque.mint(PREFIX)
    payload = _payload(user.password_changed_at, 0, is_enrolling=is_enrolling)
    expires_at = call.now + LIFETIME_SECONDS
    one_time.add(db, KIND, digest(token), payload, now=call.now, expires_at=expires_at, user_id=user.id)
    return token


def _payload(password_changed_at: int | None, tries: int, *, is_enrolling: bool) -> dict[str, Any]:
    return {"password_changed_at": password_changed_at, "tries": tries, "is_enrolling": is_enrolling}


def digest(token: str) -> str:
    """Return what is stored instead of the token."""
    return opaque.digest(KIND, token)


def find_owing(db: Connection, token: str, now: int) -> Owing | None:
    """Return who owes the factor, None where the token is over or the password was changed since."""
    row = one_time.find_live(db, KIND, digest(token), now)
    user = None if row is None else find(db, row["user_id"])
    if row is None or user is None or not user.is_active:
        return None
    if user.password_changed_at != row["payload"]["password_changed_at"]:
        return None
    return Owing(user, row["payload"]["tries"], row["payload"]["is_enrolling"])


def hold(db: Connection, token: str, now: int) -> Owing | None:
    """Return who owes the factor: no new password and no new factor slips in before this transaction has committed."""
    owing = find_owing(db, token, now)
    if owing is None:
        return None
    users.lock(db, owing.user.id)
    return find_owing(db, token, now)


def count_try(db: Connection, token: str, owing: Owing, now: int) -> None:
    """Count a wrong code; the last one ends the token. The throttle's counter keeps other tries waiting meanwhile."""
    if owing.tries + 1 >= MAX_TRIES:
        consume(db, token, now)
        return
    payload = _payload(owing.user.password_changed_at, owing.tries + 1, is_enrolling=owing.is_enrolling)
    one_time.replace_payload(db, KIND, digest(token), payload, user_id=owing.user.id, now=now)


def consume(db: Connection, token: str, now: int) -> bool:
    """Use the token up; True for exactly one caller."""
    return one_time.consume(db, KIND, digest(token), now) is not None
