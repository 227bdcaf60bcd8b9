"""Client secrets: 256 random bits, shown once, kept as digests.

SHA-256 is enough for a random secret; a slow hash would only let callers keep the token endpoint busy.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from clients.client import ClientSecret

PREFIX = "ocs_"


def new_secret() -> str:
    """Return a new secret (RFC 6819 section 5.1.4.1.3)."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is stored instead of the secret."""
    return hashlib.sha256(b"client_secret\0" + secret.encode("utf-8", "surrogatepass")).hexdigest()


def matches(secret: str, stored: Iterable[ClientSecret], now: int) -> bool:
    """Whether a secret is one of those that are still valid. Takes as long for a wrong one as for a right one."""
    given = digest(secret)
    is_right = False
    for candidate in stored:
        is_same = hmac.compare_digest(given, candidate.digest)
        is_right |= is_same and (candidate.expires_at is None or candidate.expires_at > now)
    return is_right
