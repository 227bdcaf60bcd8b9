"""The one place that encrypts and decrypts: explicit algorithms, explicit key, bounds first, one error type.

Compact JWE (RFC 7516) by public keys alone: no shared secrets, no passwords, no RSA1_5 (RFC 8725 section 3.2), and
nothing compressed, because what unpacks without bounds exhausts us (RFC 8725 section 3.6).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwe
from joserfc.jwe import JWERegistry
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from keys.decoding import decode_base64url, decode_json_object
from keys.jose import MAX_CLIENT_KEYS, MAX_KID_CHARACTERS, MAX_TOKEN_CHARACTERS, JoseError, check_rsa

KEY_MANAGEMENT = ("RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
CONTENT_ENCRYPTION = ("A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM")
DEFAULT_CONTENT_ENCRYPTION = "A128CBC-HS256"
"""OpenID Connect Dynamic Client Registration 1.0 section 2."""
SEGMENTS = 5
MAX_HEADER_CHARACTERS = 1024
_CONTENT_TYPES = ("", "jwt", "oauth-authz-req+jwt")
_CURVES = {"EC": ("P-256", "P-384", "P-521"), "OKP": ("X25519",)}
_PUBLIC_MEMBERS = frozenset({"kty", "n", "e", "crv", "x", "y"})
# What a header may hold is checked here; the library is told what it may do.
_REGISTRY = JWERegistry(algorithms=[*KEY_MANAGEMENT, *CONTENT_ENCRYPTION], strict_check_header=False)

PublicKey = RSAKey | ECKey | OKPKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Encryption:
    """How something is encrypted for a client: `alg` and `enc` of its metadata."""

    alg: str
    enc: str


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A client's public key that something may be encrypted to."""

    kid: str | None
    key: PublicKey


def key_for(jwks: object, alg: str) -> EncryptionKey | None:
    """Return the first key of a client's JWK Set for an algorithm, one that is named for encryption before others.

    A key that says that it is for signatures or for another algorithm is not taken (RFC 7517 sections 4.2 and 4.4).
    """
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(entries, list):
        return None
    fitting = [entry for entry in entries[:MAX_CLIENT_KEYS] if isinstance(entry, dict) and _fits(entry, alg)]
    for entry in sorted(fitting, key=lambda entry: entry.get("use") != "enc"):
        key = _import(entry)
        if key is not None:
            return key
    return None


def _fits(entry: Mapping[str, Any], alg: str) -> bool:
    is_rsa = alg == "RSA-OAEP-256"
    kty = entry.get("kty")
    is_of_type = kty == "RSA" if is_rsa else kty in ("EC", "OKP") and entry.get("crv") in _CURVES[kty]
    return is_of_type and entry.get("use") in (None, "enc") and entry.get("alg") in (None, alg)


def _import(entry: Mapping[str, Any]) -> EncryptionKey | None:
    kid = entry.get("kid")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID_CHARACTERS):
        return None
    try:
        if entry["kty"] == "RSA":
            check_rsa(entry)
        key = JWKRegistry.import_key({name: value for name, value in entry.items() if name in _PUBLIC_MEMBERS})
        _ = key.public_key  # built lazily, and it is here that a bad one must show
    except Exception:  # noqa: BLE001  a foreign key must not raise anything, whatever the library does
        return None
    return EncryptionKey(kid, cast("PublicKey", key))


def encrypt(plaintext: str, key: EncryptionKey, encryption: Encryption, header: Mapping[str, Any]) -> str:
    """Return a compact JWE; `header` is what the header says beside `alg`, `enc` and `kid`. Raises JoseError."""
    protected = {"alg": encryption.alg, "enc": encryption.enc, **header}
    if key.kid is not None:
        protected["kid"] = key.kid
    try:
        return jwe.encrypt_compact(protected, plaintext, key.key, registry=_REGISTRY)
    except Exception as error:  # noqa: BLE001  whatever the library raises is one outcome
        raise JoseError(f"cannot be encrypted: {type(error).__name__}") from None


@dataclass(frozen=True, slots=True)
class Decrypter:
    """One private key of ours, good for one algorithm and for decrypting alone."""

    kid: str
    algorithm: str
    _key: RSAKey | ECKey = field(repr=False)

    @classmethod
    def of(cls, kid: str, algorithm: str, private_key: PrivateKey) -> "Decrypter":
        """Return the decrypter of a private key that is loaded already. Raises JoseError where they do not fit."""
        key: RSAKey | ECKey
        if isinstance(private_key, rsa.RSAPrivateKey) and algorithm == "RSA-OAEP-256":
            key = RSAKey(private_key, private_key)
        elif isinstance(private_key, ec.EllipticCurvePrivateKey) and algorithm in KEY_MANAGEMENT[1:]:
            key = ECKey(private_key, private_key)
        else:
            raise JoseError(f"{algorithm} does not go with the key")
        return cls(kid, algorithm, key)

    def public_jwk(self) -> dict[str, Any]:
        """Return the public half as it is published: for encryption, so that nobody verifies signatures with it."""
        public = {name: value for name, value in self._key.as_dict(private=False).items() if name in _PUBLIC_MEMBERS}
        return {**public, "kid": self.kid, "use": "enc", "alg": self.algorithm}

    def open(self, token: str, header: Mapping[str, Any]) -> bytes:
        """Decrypt a token whose header was checked. Raises JoseError, which does not tell what was wrong."""
        if isinstance(self._key, ECKey) and header["epk"].get("crv") != self._key.curve_name:
            raise JoseError("the ephemeral key is of another curve")
        try:
            plaintext = jwe.decrypt_compact(token, self._key, registry=_REGISTRY).plaintext
        except Exception as error:  # noqa: BLE001  RFC 7516 section 11.5: all failures look alike
            raise JoseError(f"cannot be decrypted: {type(error).__name__}") from None
        if plaintext is None:
            raise JoseError("cannot be decrypted")
        return plaintext


def unverified_looks_like_jwe(token: str) -> bool:
    """Whether a token has the form of an encrypted one."""
    return token.count(".") == SEGMENTS - 1


def decrypt(token: str, decrypters: Sequence[Decrypter]) -> str:
    """Return the JWT inside a JWE that was encrypted to one of our keys. Raises JoseError.

    Whoever encrypted it is unknown: the JWT inside must be verified as if it had come in the open.
    """
    header = _read_header(token)
    kid = header.get("kid")
    for decrypter in decrypters:
        if decrypter.algorithm != header["alg"] or kid not in (None, decrypter.kid):
            continue
        try:
            return decrypter.open(token, header).decode("ascii")
        except UnicodeDecodeError:
            raise JoseError("no JWT inside") from None
        except JoseError:
            if kid is not None:
                raise
    raise JoseError("not encrypted to a key of this server")


def _read_header(token: str) -> Mapping[str, Any]:
    if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii() or not unverified_looks_like_jwe(token):
        raise JoseError("too long, not ASCII, or not five segments")
    protected = token.partition(".")[0]
    if len(protected) > MAX_HEADER_CHARACTERS:
        raise JoseError("the header is too long")
    try:
        header = decode_json_object(decode_base64url(protected))
    except ValueError as error:
        raise JoseError(f"malformed header: {type(error).__name__}") from None
    if header.get("alg") not in KEY_MANAGEMENT or header.get("enc") not in CONTENT_ENCRYPTION:
        raise JoseError("an algorithm that is not accepted")
    if "zip" in header or "crit" in header:
        # RFC 8725 section 3.6; RFC 7516 section 4.1.13: no extension is understood here
        raise JoseError("compressed, or an extension that is not known")
    _check_members(header)
    return header


def _check_members(header: Mapping[str, Any]) -> None:
    kid, content_type = header.get("kid"), header.get("cty", "")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID_CHARACTERS):
        raise JoseError("a malformed kid")
    if not isinstance(content_type, str) or content_type.lower().removeprefix("application/") not in _CONTENT_TYPES:
        raise JoseError("something else than a JWT inside")  # RFC 7519 section 5.2
    if header["alg"] != "RSA-OAEP-256" and not isinstance(header.get("epk"), dict):
        raise JoseError("the ephemeral key is missing")
