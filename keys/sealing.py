"""Secrets at rest: AES-256-GCM under a key derived from the root key, bound to the row they belong to."""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ROOT_KEY_BYTES = 32
NONCE_BYTES = 12
VERSION = "v1"
SEALING = "seal"
"""The purpose of the key that seals; nobody else gets it."""
_ID_CHARACTERS = 12


class SealError(Exception):
    """A sealed value cannot be opened; the text says why and what to do, and holds no secret."""


class Sealer:
    """Seals under the first root key; opens what any of them has sealed."""

    def __init__(self, root_keys: Sequence[bytes]) -> None:
        if not root_keys or any(len(key) != ROOT_KEY_BYTES for key in root_keys):
            raise ValueError("a root key has 32 bytes")
        self._roots = tuple(root_keys)
        self._ciphers = {_identify(key): AESGCM(_derive(key, SEALING)) for key in reversed(root_keys)}
        self._current = _identify(root_keys[0])
        self._derived: dict[str, tuple[bytes, ...]] = {}

    def seal(self, plaintext: bytes, *, context: str) -> str:
        """Seal a secret. `context` is the identity of its row and is needed to open it again."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(nonce, plaintext, context.encode())
        return f"{VERSION}.{self._current}.{base64.urlsafe_b64encode(nonce + sealed).decode('ascii')}"

    def unseal(self, sealed: str, *, context: str) -> bytes:
        """Open a sealed secret. Raises SealError."""
        where = f"the row {context} cannot be unsealed:"
        version, _, rest = sealed.partition(".")
        key_id, _, encoded = rest.partition(".")
        if version != VERSION or not encoded:
            raise SealError(f"{where} it is not in a form that this version knows")
        if key_id not in self._ciphers:
            raise SealError(
                f"{where} its root key {key_id} is not in OSTIARY_SECRET_KEY: add the key that was in use before"
            )
        try:
            raw = base64.b64decode(encoded, altchars=b"-_", validate=True)
            if base64.urlsafe_b64encode(raw).decode("ascii") != encoded:
                raise ValueError("not canonical")  # noqa: TRY301  one outcome with the others
            return self._ciphers[key_id].decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode())
        except (InvalidTag, binascii.Error, ValueError):
            raise SealError(f"{where} it was altered or is another row's: restore the row from a backup") from None

    def is_current(self, sealed: str) -> bool:
        """Whether a secret is sealed under the first root key."""
        return sealed.startswith(f"{VERSION}.{self._current}.")

    def derive(self, purpose: str) -> bytes:
        """Return a key of 32 bytes for one purpose, from the first root key (RFC 5869). Purposes are few and fixed."""
        return self.derive_all(purpose)[0]

    def derive_all(self, purpose: str) -> tuple[bytes, ...]:
        """Return a purpose's keys from all root keys, the first one's first: for verifying what an older one made."""
        if purpose == SEALING:
            raise ValueError("the key that seals is for sealing only")
        if purpose not in self._derived:
            self._derived[purpose] = tuple(_derive(key, purpose) for key in self._roots)
        return self._derived[purpose]


def _identify(root_key: bytes) -> str:
    return hashlib.sha256(b"ostiary root key id\0" + root_key).hexdigest()[:_ID_CHARACTERS]


def _derive(root_key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"ostiary {purpose}".encode()).derive(root_key)


def parse_root_keys(text: str) -> list[bytes]:
    """Read a comma-separated list of base64url root keys. Raises ValueError with a text for operators."""
    keys = []
    for part in text.split(","):
        stripped = part.strip()
        try:
            key = base64.b64decode(stripped + "=" * (-len(stripped) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("a root key is 32 bytes in base64url; one of OSTIARY_SECRET_KEY is not") from None
        if len(key) != ROOT_KEY_BYTES:
            raise ValueError(f"a root key is 32 bytes in base64url; one of OSTIARY_SECRET_KEY has {len(key)}")
        keys.append(key)
    return keys


def generate_root_key() -> str:
    """Return a new root key, base64url."""
    return base64.urlsafe_b64encode(os.urandom(ROOT_KEY_BYTES)).rstrip(b"=").decode("ascii")
