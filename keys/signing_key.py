"""A signing key as it is stored: sealed private part, public JWK, state and dates. A key for encryption, too."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from keys.jwe import KEY_MANAGEMENT


class KeyState(StrEnum):
    """Where a key is in its life. A key that is gone has no row."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    REVOKED = "revoked"


class KeyUse(StrEnum):
    """What a key is for (RFC 7517 section 4.2); never both (RFC 8725 section 3.5)."""

    SIGNATURE = "sig"
    ENCRYPTION = "enc"


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

    @property
    def use(self) -> KeyUse:
        """What it is for: its algorithm says so."""
        return KeyUse.ENCRYPTION if self.algorithm in KEY_MANAGEMENT else KeyUse.SIGNATURE
