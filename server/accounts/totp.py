"""Time-based one-time passwords: RFC 6238 with its defaults (SHA-1, six digits, 30 seconds)."""

import hmac
from html import escape

import pyotp
import segno
from sqlalchemy import Connection

from keys.sealing import Sealer
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import totp_devices
from server.tokens import opaque

STEP_SECONDS = 30
DIGITS = 6
SECRET_CHARACTERS = 32
"""160 bits in base32 (RFC 4226 section 4, R6)."""
MAX_DEVICES = 10
MAX_NAME_LENGTH = 64


def new_secret() -> str:
    """Return a new secret: 160 bits, base32."""
    return pyotp.random_base32(SECRET_CHARACTERS)


def provisioning_uri(secret: str, account: str, issuer: str) -> str:
    """Return the `otpauth:` URI that authenticator apps read."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def qr_svg(uri: str) -> str:
    """Return the URI as a QR code: an `svg` element for an HTML page, black on white in any colour scheme."""
    label = "QR code for your authenticator app"
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
    name: str = "",
) -> str | None:
    """Store a device once a code has proved it and return its id; None where the code is wrong.

    The code counts as used. None as well where the person has as many devices as one may have.
    """
    digits = normalize_code(code)
    step = None if digits is None else _matching_step(secret, digits, now=now, previous_steps=previous_steps)
    if step is None or totp_devices.count_of_user(db, user_id) >= MAX_DEVICES:
        return None
    device_id = opaque.new_identifier("totp_")
    totp_devices.insert_device(
        db,
        device_id,
        user_id=user_id,
        name=name[:MAX_NAME_LENGTH],
        sealed_secret=sealer.seal(secret.encode("ascii"), context=_sealing_context(device_id)),
        last_step=step,
        now=now,
    )
    record(db, Event.TOTP_ENROLLED, context, now=now, user_id=user_id, device_id=device_id)
    return device_id


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
