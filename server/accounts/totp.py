"""Time-based one-time passwords: RFC 6238 with its defaults (SHA-1, six digits, 30 seconds)."""

import hmac
from dataclasses import dataclass
from html import escape

import pyotp
import segno
from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import factor_binding
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.languages import Message as _
from server.storage import totp_devices, users
from server.tokens import opaque

STEP_SECONDS = 30
DIGITS = 6
SECRET_CHARACTERS = 32
"""160 bits in base32 (RFC 4226 section 4, R6)."""
MAX_DEVICES = 10
MAX_NAME_LENGTH = 64
DEFAULT_NAME = "Authenticator app"
"""Stored in English; `server.languages.given_names` says it in the reader's language."""
QR_LABEL = _("QR code for your authenticator app")


@dataclass(frozen=True, slots=True)
class TOTPDevice:
    """One of a person's authenticator apps. Times are Unix seconds; `last_used_at` is None until it was used."""

    id: str
    name: str
    created_at: int
    last_used_at: int | None


def new_secret() -> str:
    """Return a new secret: 160 bits, base32."""
    return pyotp.random_base32(SECRET_CHARACTERS)


def provisioning_uri(secret: str, account: str, issuer: str) -> str:
    """Return the `otpauth:` URI that authenticator apps read."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def qr_svg(uri: str, label: str = QR_LABEL) -> str:
    """Return the URI as a QR code: an `svg` element for an HTML page, black on white in any colour scheme."""
    code = segno.make_qr(uri, error="m")
    svg = str(code.svg_inline(scale=4, border=4, dark="#000", light="#fff", title=label, omitsize=True))
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)


def normalize_code(code: str) -> str | None:
    """Return the six digits of what somebody typed, None where it is something else."""
    digits = "".join(code.split()).replace("-", "")
    return digits if len(digits) == DIGITS and digits.isascii() and digits.isdigit() else None


def _matching_step(secret: str, code: str, *, now: int, previous_steps: int) -> int | None:
    current = now // STEP_SECONDS
    generator = pyotp.HOTP(secret)
    found = None
    for step in range(current - previous_steps, current + 1):  # all of them, whichever matches: constant time
        if hmac.compare_digest(generator.at(step), code):
            found = step
    return found


def enrol(
    db: Connection,
    sealer: Sealer,
    user_id: str,
    secret: str,
    code: str,
    *,
    context: Context,
    now: int,
    previous_steps: int,
    except_session_id: str | None = None,
    name: str = "",
) -> str | None:
    """Store a device once a code has proved it, and return its id; None for a wrong code.

    The code counts as used, and the factor as bound in the session `except_session_id`. None as well where the person
    has as many devices as one may have.
    """
    digits = normalize_code(code)
    step = None if digits is None else _matching_step(secret, digits, now=now, previous_steps=previous_steps)
    users.lock(db, user_id)  # or two at once could pass the limit
    if step is None or totp_devices.count_of_user(db, user_id) >= MAX_DEVICES:
        return None
    device_id = opaque.new_identifier("totp_")
    device_name = clean_name(name) or _default_name(db, user_id)
    totp_devices.insert_device(
        db,
        device_id,
        user_id=user_id,
        name=device_name,
        sealed_secret=sealer.seal(secret.encode("ascii"), context=_sealing_context(device_id)),
        last_step=step,
        now=now,
    )
    record(db, Event.TOTP_ENROLLED, context, now=now, user_id=user_id, device_id=device_id)
    factor_binding.bound(
        db, sealer, user_id, device_name, context=context, now=now, except_session_id=except_session_id
    )
    return device_id


def clean_name(name: str) -> str:
    """Return a name as it is stored: printable, trimmed, bounded; empty where nothing is left."""
    return "".join(character for character in name if character.isprintable()).strip()[:MAX_NAME_LENGTH]


def _default_name(db: Connection, user_id: str) -> str:
    taken = {row["name"] for row in totp_devices.list_of_user(db, user_id)}
    numbered = (f"{DEFAULT_NAME} {number}" for number in range(2, MAX_DEVICES + 2))
    return next(name for name in (DEFAULT_NAME, *numbered) if name not in taken)


def is_full(db: Connection, user_id: str) -> bool:
    """Whether the person has as many devices as one may have."""
    return totp_devices.count_of_user(db, user_id) >= MAX_DEVICES


def list_of_user(db: Connection, user_id: str) -> list[TOTPDevice]:
    """Return a person's authenticator apps, the oldest first."""
    return [
        TOTPDevice(row["id"], row["name"], row["created_at"], row["last_used_at"])
        for row in totp_devices.list_of_user(db, user_id)
    ]


def rename(db: Connection, user_id: str, device_id: str, name: str) -> bool:
    """Give a person's own device another name, and say whether it is there and the name is one."""
    wanted = clean_name(name)
    return bool(wanted) and totp_devices.rename(db, device_id, user_id, wanted)


def remove(db: Connection, user_id: str, device_id: str, *, context: Context, now: int) -> bool:
    """Remove a person's own device, and say whether it was there. `second_factor.remove` does all that goes with it."""
    if not totp_devices.delete_one(db, device_id, user_id):
        return False
    record(db, Event.TOTP_REMOVED, context, now=now, user_id=user_id, device_id=device_id)
    return True


def accept(db: Connection, sealer: Sealer, user_id: str, code: str, *, now: int, previous_steps: int) -> bool:
    """Whether the code is right and its time step was not used before; uses the step up (RFC 6238 section 5.2)."""
    digits = normalize_code(code)
    if digits is None:
        return False
    matches = []
    for device in totp_devices.list_of_user(db, user_id):
        secret = sealer.unseal(device["sealed_secret"], context=_sealing_context(device["id"])).decode("ascii")
        step = _matching_step(secret, digits, now=now, previous_steps=previous_steps)
        if step is not None:
            matches.append((device["id"], step))
    return bool(matches) and totp_devices.accept_step(db, user_id, *matches[0], now)


def _sealing_context(device_id: str) -> str:
    return f"totp:{device_id}"
