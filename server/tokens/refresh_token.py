"""Refresh token families: each use gives a successor, a late second use ends the family (RFC 9700 section 4.14.2).

A token's successor is HMAC(salt, token), with a salt that is stored when the token is used. So a retry finds the same
successor again although only digests are stored, and neither the database nor an old token alone gives it away.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection

from server.storage import refresh_tokens
from server.tokens import opaque

PREFIX = "ort_"
KIND = "refresh_token"


class Outcome(Enum):
    """What became of a refresh token that was presented."""

    ROTATED = "rotated"
    RETRIED = "retried"
    REUSED = "reused"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Rotation:
    """The outcome, and the successor where there is one."""

    outcome: Outcome
    successor: str | None = None


def issue(
    db: Connection, *, authorization_id: str, client_id: str, scope: str, now: int, idle_seconds: int, absolute_end: int
) -> str:
    """Store the first token of a family and return it."""
    token = opaque.mint(PREFIX)
    _store(db, token, authorization_id, client_id, scope, now, min(now + idle_seconds, absolute_end))
    return token


def find(db: Connection, token: str) -> Mapping[str, Any] | None:
    """Return the stored token in whatever state it is."""
    return refresh_tokens.find(db, opaque.digest(KIND, token))


def keep(db: Connection, row: Mapping[str, Any], *, now: int, idle_seconds: int, absolute_end: int) -> bool:
    """Leave a token as it is, for another idle life from now on; False if it is used or over."""
    return refresh_tokens.prolong(db, row["digest"], expires_at=min(now + idle_seconds, absolute_end), now=now)


def rotate(
    db: Connection,
    token: str,
    row: Mapping[str, Any],
    *,
    now: int,
    idle_seconds: int,
    absolute_end: int,
    reuse_seconds: int,
) -> Rotation:
    """Use the token up and store its successor; all checks are done. Race-free: one caller rotates, others retry."""
    salt = secrets.token_hex(32)
    if refresh_tokens.consume(db, row["digest"], salt=salt, now=now):
        successor = _successor(token, salt)
        expires_at = min(now + idle_seconds, absolute_end)
        _store(db, successor, row["authorization_id"], row["client_id"], row["scope"], now, expires_at)
        return Rotation(Outcome.ROTATED, successor)
    used = refresh_tokens.find(db, row["digest"])
    if used is None or used["consumed_at"] is None:
        return Rotation(Outcome.EXPIRED)
    successor = _successor(token, used["successor_salt"])
    if now - used["consumed_at"] < reuse_seconds and _is_unused(db, successor):
        return Rotation(Outcome.RETRIED, successor)
    # Late, or after its successor was used: whoever got the answer to the first use does not ask again.
    return Rotation(Outcome.REUSED)


def _is_unused(db: Connection, token: str) -> bool:
    row = find(db, token)
    return row is not None and row["consumed_at"] is None


def _successor(token: str, salt: str) -> str:
    mac = hmac.digest(bytes.fromhex(salt), token.encode(), hashlib.sha256)
    return PREFIX + base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")


def _store(
    db: Connection, token: str, authorization_id: str, client_id: str, scope: str, now: int, expires_at: int
) -> None:
    row = {
        "digest": opaque.digest(KIND, token),
        "authorization_id": authorization_id,
        "client_id": client_id,
        "scope": scope,
        "issued_at": now,
        "expires_at": expires_at,
    }
    refresh_tokens.add(db, row)
