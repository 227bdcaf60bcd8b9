"""The state of a browser's sign-in as clients may compare it: OpenID Connect Session Management 1.0 section 3.2."""

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from keys.sealing import Sealer

PURPOSE = "session_state"


def browser_state(sealer: Sealer, session_id: str) -> str:
    """Return what the browser's readable cookie holds: another for each sign-in, and nothing to sign in with."""
    return hmac.digest(sealer.derive(PURPOSE), session_id.encode(), "sha256").hex()


def session_state(client_id: str, redirect_uri: str, state: str) -> str | None:
    """Return the `session_state` of an answer; None where the client has no web origin that could ask about it."""
    origin = origin_of(redirect_uri)
    if origin is None:
        return None
    salt = secrets.token_hex(8)
    return f"{digest(client_id, origin, state, salt)}.{salt}"


def digest(client_id: str, origin: str, state: str, salt: str) -> str:
    """Return what `check_session.js` computes as well."""
    return hashlib.sha256(f"{client_id} {origin} {state} {salt}".encode()).hexdigest()


def origin_of(uri: str) -> str | None:
    """Return the origin as browsers write it: lower case, without the scheme's own port (RFC 6454 section 6.2)."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_default = parts.port in (None, {"https": 443, "http": 80}[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{parts.port}")
