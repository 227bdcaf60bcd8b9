"""Codes by e-mail: a second factor for people who switched it on, weaker than all others.

NIST SP 800-63B-4 section 3.1.3.1 does not let e-mail authenticate anybody: a mailbox is often open to whoever has the
password. A code therefore adds `otp` to `amr` and never `mfa`, and `acr` stays aal1: it satisfies the server's policy,
not a client that asks for aal2, and it changes no factor. Six digits, ten minutes, five tries, one use, and good only
in the sign-in that asked for it (`binding`).
"""

import hmac
import secrets

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import factor_binding, throttling
from server.accounts.throttling import Throttled
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.mail.outbox import Mail, enqueue
from server.settings import Settings
from server.storage import one_time, users
from server.tokens import opaque

KIND = "email_code"
PURPOSE = "email-code"
DIGITS = 6
LIFETIME_SECONDS = 600
MAX_TRIES = 5
EMAIL_CODE_AMR = ("otp",)
FACTOR_NAME = "E-mail"


def is_on(settings: Settings, user: User) -> bool:
    """Whether codes by e-mail are one of the person's factors: the server has them, and they switched it on."""
    return settings.email_codes and user.email_factor_at is not None and user.email_verified


def enable(
    db: Connection, sealer: Sealer, user: User, *, context: Context, now: int, except_session_id: str | None = None
) -> bool:
    """Switch codes by e-mail on in a session, and say whether this changed anything.

    Only a verified address can have them. The factor counts as bound in the session `except_session_id`.
    """
    if user.email_factor_at is not None or not user.email_verified:
        return False
    users.update_fields(db, user.id, {"email_factor_at": now}, now=now)
    record(db, Event.EMAIL_FACTOR_ENABLED, context, now=now, user_id=user.id)
    factor_binding.bound(
        db, sealer, user.id, FACTOR_NAME, context=context, now=now, except_session_id=except_session_id
    )
    return True


def disable(db: Connection, user: User, *, context: Context, now: int) -> bool:
    """Switch codes by e-mail off, and say whether this changed anything. `second_factor.remove` does the rest."""
    if user.email_factor_at is None:
        return False
    users.update_fields(db, user.id, {"email_factor_at": None}, now=now)
    one_time.remove(db, KIND, _digest(user.id))
    record(db, Event.EMAIL_FACTOR_DISABLED, context, now=now, user_id=user.id)
    return True


def send(
    db: Connection,
    sealer: Sealer,
    user: User,
    *,
    binding: str,
    context: Context,
    now: int,
    rate_limits: bool = True,
) -> Throttled | None:
    """Mail a new code; the one before it is dead. Throttled where the person asked for too many."""
    if rate_limits:
        throttled = throttling.reserve(db, (throttling.email_code_key(user.id),), now)
        if throttled is not None:
            return throttled
    users.lock(db, user.id)
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    payload = {"mac": _mac(sealer, user.id, binding, code), "tries": 0}
    one_time.remove(db, KIND, _digest(user.id))
    one_time.add(db, KIND, _digest(user.id), payload, now=now, expires_at=now + LIFETIME_SECONDS, user_id=user.id)
    mail = Mail(user.email, "email_code", user.language, {"code": code})
    enqueue(db, sealer, mail, user_id=user.id, now=now)
    record(db, Event.EMAIL_CODE_SENT, context, now=now, user_id=user.id)
    return None


def is_waiting(db: Connection, user_id: str, now: int) -> bool:
    """Whether a code was sent that can still be used."""
    return one_time.find_live(db, KIND, _digest(user_id), now) is not None


def accept(db: Connection, sealer: Sealer, user_id: str, code: str, *, binding: str, now: int) -> bool:
    """Use a code up; True for exactly one caller. The fifth wrong one kills the code. Commit in every case."""
    users.lock(db, user_id)  # tries made at once are counted one after the other
    row = one_time.find_live(db, KIND, _digest(user_id), now)
    if row is None:
        return False
    typed = "".join(code.split()).replace("-", "")
    if hmac.compare_digest(row["payload"]["mac"], _mac(sealer, user_id, binding, typed)):
        return one_time.consume(db, KIND, _digest(user_id), now) is not None
    tries = row["payload"]["tries"] + 1
    if tries >= MAX_TRIES:
        one_time.consume(db, KIND, _digest(user_id), now)
    else:
        payload = {**row["payload"], "tries": tries}
        one_time.replace_payload(db, KIND, _digest(user_id), payload, user_id=user_id, now=now)
    return False


def _digest(user_id: str) -> str:
    return opaque.digest(KIND, user_id)


def _mac(sealer: Sealer, user_id: str, binding: str, code: str) -> str:
    # keyed: a plain digest of six digits is read back in no time
    text = "\0".join((user_id, opaque.digest(KIND, binding), code))
    return hmac.digest(sealer.derive(PURPOSE), text.encode("utf-8", "surrogatepass"), "sha256").hex()
