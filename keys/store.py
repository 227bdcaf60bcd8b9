"""What keys needs from a database."""

from typing import Any, Protocol

from keys.signing_key import SigningKey


class KeyStore(Protocol):
    """Rows of signing keys."""

    def list_keys(self) -> list[SigningKey]:
        """Return all keys, oldest first."""
        ...

    def add(self, key: SigningKey) -> None:
        """Store a new key."""
        ...

    def change(self, kid: str, **values: Any) -> bool:
        """Write new values of a key, and say whether it exists."""
        ...

    def remove(self, kid: str) -> bool:
        """Delete a key, and say whether it existed."""
        ...
