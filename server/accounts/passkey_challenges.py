"""Challenges of WebAuthn: 256 random bits each, bound to a purpose, a page and a person, used up by one attempt."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from webauthn.helpers import base64url_to_bytes

from server.languages import Message as _
from server.settings import Settings
from server.storage import one_time
from server.tokens import opaque

KIND = "passkey_challenge"
REGISTRATION, SIGN_IN, SECOND_FACTOR = "registration", "sign-in", "second-factor"


class PasskeyError(Exception):
    """The passkey cannot be used; `message` is for the person, the text of the exception is the cause for the log."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.message = message


def unusable(reason: str) -> PasskeyError:
    """Return the error of an answer that no browser would send, or that does not fit."""
    return PasskeyError(reason[:200], _("The passkey could not be checked. Try again."))


def read(credential: str) -> dict[str, Any]:
    """Return what a browser sent: an object with a `response`. Raises PasskeyError."""
    try:
        sent = json.loads(credential)
    except (ValueError, RecursionError):
        raise unusable("malformed") from None
    if not isinstance(sent, dict) or not isinstance(sent.get("response"), dict):
        raise unusable("malformed")
    return sent


def _client_data(sent: Mapping[str, Any]) -> dict[str, Any]:
    try:
        data = json.loads(base64url_to_bytes(sent["response"]["clientDataJSON"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise unusable("malformed client data") from None
    if not isinstance(data, dict) or not isinstance(data.get("challenge"), str):
        raise unusable("malformed client data")
    return data


def new(db: Connection, purpose: str, binding: str, user_id: str | None, settings: Settings, now: int) -> bytes:
    """Store a new challenge for one attempt and return it."""
    secret = opaque.mint("")
    payload = {"purpose": purpose, "binding": opaque.digest(KIND, binding)}
    expires_at = now + settings.interaction_seconds
    one_time.add(db, KIND, opaque.digest(KIND, secret), payload, now=now, expires_at=expires_at, user_id=user_id)
    return base64url_to_bytes(secret)


def consume(
    db: Connection, sent: Mapping[str, Any], purpose: str, binding: str, user_id: str | None, now: int
) -> bytes:
    """Use the challenge in an answer up and return it. Raises PasskeyError where it is not the one for this place."""
    data = _client_data(sent)
    presented = data["challenge"].rstrip("=")
    row = one_time.consume(db, KIND, opaque.digest(KIND, presented), now)
    bound = {"purpose": purpose, "binding": opaque.digest(KIND, binding)}
    if row is None or row["payload"] != bound or row["user_id"] != user_id:
        raise PasskeyError("challenge", _("This took too long, or it was used already. Try again."))
    if data.get("crossOrigin") is True:  # the library does not look at it
        raise unusable("cross-origin")
    return base64url_to_bytes(presented)
