"""Opaque secrets: 256 random bits with a prefix that says what they are, stored as digests only."""

import base64
import hashlib
import secrets

IDENTIFIER_BYTES = 16


def mint(prefix: str) -> str:
    """Return a new secret: the prefix and 256 random bits, base64url (RFC 6819 section 5.1.4.2.2)."""
    return prefix + secrets.token_urlsafe(32)


def digest(kind: str, token: str) -> str:
    """Return what is stored and looked up instead of the token: SHA-256 over kind, a zero byte and the token.

    The kind is inside, so that a token of one kind can never match a row of another.
    """
    return hashlib.sha256(kind.encode() + b"\0" + token.encode("utf-8", "surrogatepass")).hexdigest()


def new_identifier(prefix: str) -> str:
    """Return a new name for something, such as `usr_...`: unique, not secret."""
    random = base64.b32encode(secrets.token_bytes(IDENTIFIER_BYTES)).decode("ascii")
    return prefix + random.rstrip("=").lower()
