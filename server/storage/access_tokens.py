"""Rows of opaque access tokens: what each of them means, by the digest of the token."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from server.storage.schema import access_tokens

_ADD = insert(access_tokens)
_FIND = select(access_tokens.c.claims).where(access_tokens.c.digest == bindparam("d"))


def add(db: Connection, digest: str, claims: Mapping[str, Any]) -> None:
    """Store a token with the claims that a JWT would have. It goes with its authorization."""
    row = {
        "digest": digest,
        "authorization_id": claims.get("gid"),
        "claims": dict(claims),
        "expires_at": claims["exp"],
    }
    db.execute(_ADD, row)


def find(db: Connection, digest: str) -> dict[str, Any] | None:
    """Return the claims of a token in whatever state it is."""
    claims = db.execute(_FIND, {"d": digest}).scalar()
    return None if claims is None else dict(claims)
