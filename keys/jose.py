"""The one place that signs and verifies: explicit algorithm, explicit key, bounds first, one error type.

joserfc chooses algorithms and keys where it is not told; here it is always told. Whatever goes wrong inside becomes
one JoseError, so that no input can make an exception of another kind (RFC 8725 sections 3.1 to 3.3).
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

MAX_TOKEN_CHARACTERS = 16_384
MAX_KID_CHARACTERS = 128
MAX_CLIENT_KEYS = 20
MIN_RSA_BITS = 2048
SIGNING_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
LEEWAY_SECONDS = 60

Key = RSAKey | ECKey | OKPKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_KEY_ALGORITHMS: dict[str, tuple[str, ...]] = {"RSA": ("RS256", "PS256"), "EC": ("ES256",), "OKP": ("EdDSA",)}
_CURVES = {"RSA": None, "EC": "P-256", "OKP": "Ed25519"}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")


class JoseError(Exception):
    """A token or key is not acceptable. `reason` is for logs and never holds the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the algorithms it may verify."""

    kid: str | None
    algorithms: tuple[str, ...]
    key: Key


@dataclass(frozen=True, slots=True)
class VerifiedJwt:
    """A JWT whose signature is right. Times and audiences are the caller's to check."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


FindKey = Callable[[str | None], VerificationKey | Sequence[VerificationKey] | None]


class Signer:
    """One private key with its one algorithm."""

    def __init__(self, kid: str, algorithm: str, key: Key) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self._key = key
        self._model = JWSRegistry.algorithms[algorithm]
        self._headers: dict[str, bytes] = {}

    def sign(self, claims: Mapping[str, Any], *, typ: str) -> str:
        """Return a compact JWS over the claims, with `alg`, `kid` and `typ` in its header."""
        header = self._headers.get(typ)
        if header is None:
            parts = {"alg": self.algorithm, "kid": self.kid, "typ": typ}
            header = self._headers[typ] = _encode(json.dumps(parts, separators=(",", ":")).encode())
        payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
        signing_input = header + b"." + _encode(payload)
        signature = self._model.sign(signing_input, self._key)
        return (signing_input + b"." + _encode(signature)).decode("ascii")


def signer_of(kid: str, algorithm: str, private_key: PrivateKey) -> Signer:
    """Return the signer of a private key that is loaded already."""
    if isinstance(private_key, rsa.RSAPrivateKey):
        return Signer(kid, algorithm, RSAKey(private_key, private_key))
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        return Signer(kid, algorithm, ECKey(private_key, private_key))
    return Signer(kid, algorithm, OKPKey(private_key, private_key))


def left_half_hash(value: str, algorithm: str) -> str:
    """Return `at_hash` or `c_hash` for a token signed with an algorithm (OpenID Connect Core section 3.1.3.6).

    Ed25519 hashes with SHA-512, so its tokens do too.
    """
    digest = hashlib.sha512(value.encode()) if algorithm == "EdDSA" else hashlib.sha256(value.encode())
    return _encode(digest.digest()[: digest.digest_size // 2]).decode("ascii")


def verify(
    token: str,
    *,
    find_key: FindKey,
    algorithms: Collection[str],
    types: Collection[str],
    max_length: int = MAX_TOKEN_CHARACTERS,
) -> VerifiedJwt:
    """Verify a compact JWS. Raises JoseError for whatever is not as it must be.

    `find_key` gets the `kid` and gives the key, or several to try; `types` are the accepted `typ` values, "" for none.
    """
    try:
        return _verify(token, find_key, algorithms, types, max_length)
    except JoseError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ArithmeticError) as error:
        raise JoseError(f"malformed: {type(error).__name__}") from None


def _verify(
    token: str, find_key: FindKey, algorithms: Collection[str], types: Collection[str], max_length: int
) -> VerifiedJwt:
    if len(token) > max_length or not token.isascii():
        raise JoseError("too long or not ASCII")
    segments = token.split(".")
    if len(segments) != 3:  # noqa: PLR2004  header, payload, signature
        raise JoseError("not three segments")
    header = _json_object(_decode(segments[0]))
    algorithm = _check_header(header, algorithms, types)
    found = find_key(header.get("kid"))
    keys = [found] if isinstance(found, VerificationKey) else list(found or ())
    signing_input = f"{segments[0]}.{segments[1]}".encode("ascii")
    signature = _decode(segments[2])
    model = JWSRegistry.algorithms[algorithm]
    for key in keys:
        if algorithm in key.algorithms and model.verify(signing_input, signature, key.key):
            return VerifiedJwt(header, _json_object(_decode(segments[1])))
    raise JoseError("no key, or a wrong signature")


def _check_header(header: Mapping[str, Any], algorithms: Collection[str], types: Collection[str]) -> str:
    algorithm, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str) or algorithm not in algorithms or algorithm not in SIGNING_ALGORITHMS:
        raise JoseError("an algorithm that is not accepted")
    if "crit" in header or "b64" in header:
        raise JoseError("critical header parameters are not supported")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID_CHARACTERS):
        raise JoseError("a malformed kid")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in {t.lower() for t in types}:
        # RFC 8725 section 3.11: one kind of JWT is never taken for another
        raise JoseError("another type of token")
    return algorithm


def check_times(claims: Mapping[str, Any], *, now: int, leeway: int = LEEWAY_SECONDS, require_exp: bool = True) -> None:
    """Check `exp`, `nbf` and `iat`: whole numbers, not over, not of the future (RFC 7519 section 4.1).

    Raises JoseError.
    """
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise JoseError(f"{name} is not a whole number")
    expires_at = claims.get("exp")
    if expires_at is None and require_exp:
        raise JoseError("exp is missing")
    if expires_at is not None and expires_at + leeway <= now:
        raise JoseError("expired")
    if claims.get("nbf") is not None and claims["nbf"] > now + leeway:
        raise JoseError("not valid yet")
    if claims.get("iat") is not None and claims["iat"] > now + max(leeway, 1):
        raise JoseError("issued in the future")


def import_client_jwks(jwks: object, *, max_keys: int = MAX_CLIENT_KEYS) -> tuple[VerificationKey, ...]:
    """Read a client's public keys (RFC 7517 section 5). Raises JoseError; unknown key types are passed over."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not keys or len(keys) > max_keys:
        raise JoseError(f"a JWK Set with 1 to {max_keys} keys is needed")
    imported = [key for key in (_import(entry) for entry in keys) if key is not None]
    kids = [key.kid for key in imported if key.kid is not None]
    if len(kids) != len(set(kids)):
        raise JoseError("two keys have the same kid")
    if not imported:
        raise JoseError("no key is of a supported type")
    return tuple(imported)


def candidates(keys: Sequence[VerificationKey], kid: str | None) -> list[VerificationKey]:
    """Return the keys that a token may be signed with: the one its `kid` names, or all where it names none."""
    return [key for key in keys if kid is None or key.kid == kid]


def _import(entry: object) -> VerificationKey | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kty"), str):
        raise JoseError("a key is no JWK")
    kty = entry["kty"]
    if kty == "oct" or _PRIVATE_MEMBERS & entry.keys():
        raise JoseError("a key holds private or symmetric parts; register public keys only")
    if kty not in _KEY_ALGORITHMS or (_CURVES[kty] is not None and entry.get("crv") != _CURVES[kty]):
        return None
    kid, algorithm = entry.get("kid"), entry.get("alg")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID_CHARACTERS):
        raise JoseError("a key has a malformed kid")
    if entry.get("use", "sig") != "sig" or (algorithm is not None and algorithm not in _KEY_ALGORITHMS[kty]):
        return None
    try:
        key = JWKRegistry.import_key({name: value for name, value in entry.items() if name in _PUBLIC_MEMBERS})
        if isinstance(key, RSAKey):
            _check_rsa(key)
    except JoseError:
        raise
    except Exception as error:  # noqa: BLE001  a foreign key must not raise anything else, whatever the library does
        raise JoseError(f"a key cannot be imported: {type(error).__name__}") from None
    algorithms = (str(algorithm),) if algorithm is not None else _KEY_ALGORITHMS[kty]
    return VerificationKey(kid, algorithms, key)  # type: ignore[arg-type]  # one of the three by its kty


_PUBLIC_MEMBERS = frozenset({"kty", "n", "e", "crv", "x", "y"})


def _check_rsa(key: RSAKey) -> None:
    numbers = key.public_key.public_numbers()
    if key.public_key.key_size < MIN_RSA_BITS or numbers.e < 3 or numbers.e % 2 == 0:  # noqa: PLR2004  RFC 8017
        raise JoseError("an RSA key is below 2048 bits or has a bad exponent")


def unverified_claims(token: str) -> Mapping[str, Any]:
    """Return a token's claims without verifying anything: only to find out whose key to use. Raises JoseError."""
    try:
        segments = token.split(".")
        if len(token) > MAX_TOKEN_CHARACTERS or len(segments) != 3:  # noqa: PLR2004  header, payload, signature
            raise JoseError("too long, or not three segments")
        return _json_object(_decode(segments[1]))
    except (ValueError, TypeError, RecursionError) as error:
        raise JoseError(f"malformed: {type(error).__name__}") from None


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _decode(segment: str) -> bytes:
    if not _BASE64URL.match(segment):
        raise JoseError("not base64url")
    try:
        return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        raise JoseError("not base64url") from None


def _json_object(raw: bytes) -> dict[str, Any]:
    text = raw.decode("utf-8")
    value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise JoseError("not a JSON object")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JoseError("a member stands twice")
    return members


def _refuse_constant(_name: str) -> None:
    raise JoseError("NaN and Infinity are no JSON")
