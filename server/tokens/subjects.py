"""By which name a client knows a person: the public one, or one of its own sector (OpenID Connect Core section 8).

The same for the person's sign-ins: by one `sid`, clients of two sectors would find that their people are one.
"""

import base64
import hashlib
import hmac
import secrets

from sqlalchemy import Connection

from clients.client import Client
from keys.aliases import Aliases
from keys.sealing import Sealer
from server.storage import server_secrets

NAME = "pairwise_subjects"
SECRET_BYTES = 32


def context_of(name: str) -> str:
    """Return the context in which a server secret is sealed."""
    return f"server_secret:{name}"


class Subjects:
    """Gives the name by which a client knows a person."""

    def __init__(self) -> None:
        self._secret: bytes | None = None
        self._sessions: Aliases | None = None

    def use(self, secret: bytes) -> None:
        """Take the secret that all pairwise identifiers come from."""
        self._secret = secret
        self._sessions = Aliases(secret)

    def of(self, client: Client, user_id: str) -> str:
        """Return the `sub` of a person for a client: the same for ever, and within a sector."""
        if client.sector is None:
            return user_id
        if self._secret is None:
            raise RuntimeError("the secret of pairwise identifiers is not loaded yet")
        # Section 8.1: without the secret nobody gets from one sector's identifiers to another's, nor to the person.
        mac = hmac.digest(self._secret, f"{client.sector}\0{user_id}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")

    def sid_of(self, sector: str | None, session_id: str) -> str:
        """Return the `sid` of a sign-in for the clients of a sector."""
        return session_id if sector is None else self._aliases().alias_of(session_id, context=sector)

    def session_of(self, sector: str | None, sid: object) -> str | None:
        """Return the sign-in that clients of a sector know by this `sid`, None where it is none of theirs."""
        if not isinstance(sid, str):
            return None
        return sid if sector is None else self._aliases().resolve(sid, context=sector)

    def _aliases(self) -> Aliases:
        if self._sessions is None:
            raise RuntimeError("the secret of pairwise identifiers is not loaded yet")
        return self._sessions


def find_secret(db: Connection, sealer: Sealer) -> bytes | None:
    """Return the secret, None before a server made it. Raises SealError."""
    sealed = server_secrets.find(db, NAME)
    return None if sealed is None else sealer.unseal(sealed, context=context_of(NAME))


def ensure_secret(db: Connection, sealer: Sealer, now: int) -> bytes:
    """Return the secret; whichever node comes first makes it, once and for all. Raises SealError."""
    found = find_secret(db, sealer)
    if found is None:
        fresh = sealer.seal(secrets.token_bytes(SECRET_BYTES), context=context_of(NAME))
        server_secrets.add_missing(db, NAME, fresh, now=now)
        found = find_secret(db, sealer)
    if found is None:
        raise RuntimeError("the secret of pairwise identifiers was not stored")
    return found
