"""Giving a client a secret: shown once, kept as a digest; sealed as well where its method needs it back.

`client_secret_jwt` is an HMAC under the secret itself, so that a digest cannot check it (docs/decisions/0005).
"""

from sqlalchemy import Connection

from clients import secrets
from keys.sealing import Sealer
from server.storage import clients
from server.tokens import opaque

METHODS = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})
"""The methods that need a secret."""
SEALED_METHOD = "client_secret_jwt"


def context_of(secret_id: str) -> str:
    """Return the identity that a secret is sealed for."""
    return f"client_secret:{secret_id}"


def give(db: Connection, sealer: Sealer, client_id: str, method: str, *, now: int) -> str | None:
    """Store a new secret of 256 bits and return it; None for a method without one."""
    if method not in METHODS:
        return None
    secret, secret_id = secrets.new_secret(), opaque.new_identifier("sec_")
    sealed = sealer.seal(secret.encode(), context=context_of(secret_id)) if method == SEALED_METHOD else None
    clients.insert_secret(db, client_id, secret_id, secrets.digest(secret), now=now, sealed=sealed)
    return secret
