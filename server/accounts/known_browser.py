"""A signed cookie that says: this browser has signed in to this account before.

It proves nothing about who is in front of the browser and replaces no factor. It only gives the browser a throttle
counter of its own, so that a stranger's guesses cannot lock the owner out (OWASP ASVS 5.0, 6.1.1). Set it only after a
whole sign-in, second factor included.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass

from keys.sealing import Sealer
from server.tokens import opaque

PURPOSE = "known-browser"
LIFETIME_SECONDS = 31_536_000
MAX_LENGTH = 512
ID_PREFIX = "brw_"


@dataclass(frozen=True, slots=True)
class DeviceCookie:
    """What the cookie says: who signed in, in which browser, and when (Unix seconds)."""

    user_id: str
    browser_id: str
    issued_at: int


def issue(sealer: Sealer, user_id: str, now: int) -> str:
    """Return the cookie's value for a browser in which the person has just signed in. Good for a year."""
    text = f"{user_id}.{opaque.new_identifier(ID_PREFIX)}.{now}"
    return f"{text}.{_signature(sealer, text)}"


def read(sealer: Sealer, cookie_value: str | None, now: int) -> DeviceCookie | None:
    """Return what a cookie says, None where it is missing, forged or older than a year."""
    if cookie_value is None or len(cookie_value) > MAX_LENGTH or not cookie_value.isascii():
        return None
    text, _, signature = cookie_value.rpartition(".")
    if not hmac.compare_digest(signature, _signature(sealer, text)):
        return None
    user_id, browser_id, issued_at = text.split(".")
    cookie = DeviceCookie(user_id, browser_id, int(issued_at))
    return cookie if cookie.issued_at <= now < cookie.issued_at + LIFETIME_SECONDS else None


def browser_of(sealer: Sealer, cookie_value: str | None, user_id: str | None, now: int) -> str | None:
    """Return the browser's id if it is known at this very account."""
    cookie = read(sealer, cookie_value, now)
    return cookie.browser_id if cookie is not None and cookie.user_id == user_id else None


def _signature(sealer: Sealer, text: str) -> str:
    mac = hmac.digest(sealer.derive(PURPOSE), text.encode("ascii"), hashlib.sha256)
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")
