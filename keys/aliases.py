"""Other names for identifiers: the same for ever in one context, and with the secret alone the way back.

AES-SIV (RFC 5297) is deterministic, and verifies what it opens.
"""

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 64
PURPOSE = b"ostiary aliases"


class Aliases:
    """Makes and resolves other names."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESSIV(HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=PURPOSE).derive(secret))

    def alias_of(self, identifier: str, *, context: str) -> str:
        """Return the name of an identifier in a context, base64url."""
        sealed = self._cipher.encrypt(identifier.encode(), [context.encode()])
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def resolve(self, alias: str, *, context: str) -> str | None:
        """Return which identifier has this name in the context, None where none has."""
        try:
            sealed = base64.b64decode(alias + "=" * (-len(alias) % 4), altchars=b"-_", validate=True)
            identifier = self._cipher.decrypt(sealed, [context.encode()]).decode()
        except (InvalidTag, binascii.Error, ValueError):
            return None
        return identifier if self.alias_of(identifier, context=context) == alias else None
