"""A signing key as it is stored: sealed private part, public JWK, state and dates."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class KeyState(StrEnum):
    """Where a key is in its life. A key that is gone has no row."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key. All times are Unix seconds."""

    kid: str
    algorithm: str
    state: KeyState
    public_jwk: dict[str, Any]
    sealed_private: str = field(repr=False)
    """PKCS #8, sealed in the context `signing_key:KID`."""
    created_at: int
    activate_at: int
    """The earliest time at which it may sign."""
    activated_at: int | None = None
    retired_at: int | None = None
    remove_at: int | None = None
    revoked_at: int | None = None
