"""Somebody to whom things are encrypted: key pairs of their own, and what they read, by joserfc alone."""

import functools
import json
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwe
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from tests.support.server import RunningServer

ALGORITHMS = ("RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
CONTENT = ("A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM")
PUBLIC = ("kty", "n", "e", "crv", "x", "y")


@functools.cache
def key_of(kind: str, number: int = 1) -> Key:
    """A key pair that is made once a run: RSA, a curve of NIST, or X25519."""
    assert number
    if kind == "RSA":
        return RSAKey.generate_key(2048, auto_kid=True)
    if kind == "X25519":
        return OKPKey.generate_key("X25519", auto_kid=True)
    return ECKey.generate_key(kind, auto_kid=True)


@dataclass
class Confidant:
    """A reader with one private key, which they publish as being for encryption."""

    kind: str = "P-256"
    number: int = 1
    members: dict[str, Any] = field(default_factory=lambda: {"use": "enc"})

    @property
    def key(self) -> Key:
        return key_of(self.kind, self.number)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half as the client registers it."""
        public = {name: value for name, value in self.key.as_dict(private=False).items() if name in PUBLIC}
        return {**public, "kid": self.key.kid, **self.members}

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.jwk]}

    def read(self, token: str) -> tuple[dict[str, Any], str]:
        """Return the header of a JWE and what is inside."""
        opened = jwe.decrypt_compact(token, self.key, registry=JUST_THESE)
        assert opened.plaintext is not None
        return dict(opened.headers()), opened.plaintext.decode()

    def read_claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a JWE that has nothing signed in it."""
        claims: dict[str, Any] = json.loads(self.read(token)[1])
        return claims


JUST_THESE = jwe.JWERegistry(algorithms=[*ALGORITHMS, *CONTENT], strict_check_header=False)


async def encrypted_to(
    server: RunningServer, content: str, alg: str = "ECDH-ES", enc: str = "A128CBC-HS256", **header: Any
) -> str:
    """Encrypt something to the server as a client would: with the key that its JWK Set has for that."""
    async with server.http() as http:
        keys = KeySet.import_key_set((await http.get("/jwks")).json())
    key = next(key for key in keys.keys if key.get("alg") == alg)
    protected = {"alg": alg, "enc": enc, "kid": key.kid, "cty": "JWT", **header}
    protected = {name: value for name, value in protected.items() if value is not None}
    return jwe.encrypt_compact(protected, content, key, registry=JUST_THESE)
