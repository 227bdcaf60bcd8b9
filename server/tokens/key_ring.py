"""The signing keys that this process holds: a snapshot that is replaced whole when the database's keys change."""

from keys.jose import Signer, VerificationKey
from keys.keyset import KeySet


class KeyRing:
    """Gives the current snapshot to everyone who signs, verifies or publishes."""

    def __init__(self, default_algorithm: str) -> None:
        self._default_algorithm = default_algorithm
        self._keys: KeySet | None = None

    @property
    def current(self) -> KeySet:
        """The newest snapshot."""
        if self._keys is None:
            raise RuntimeError("the signing keys are not loaded yet")
        return self._keys

    def replace(self, keys: KeySet) -> None:
        """Use another snapshot from now on."""
        self._keys = keys

    def signer(self, algorithm: str | None = None) -> Signer:
        """Return the active signer of an algorithm; the first configured one by default."""
        return self.current.signer(algorithm or self._default_algorithm)

    def verification_key(self, kid: str | None) -> VerificationKey | None:
        """Return a published key by its exact id."""
        return self.current.verification_key(kid) if kid else None

    @property
    def is_ready(self) -> bool:
        """Whether there is a key that signs."""
        return self._keys is not None and self._keys.can_sign(self._default_algorithm)
