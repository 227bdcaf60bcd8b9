"""The one place that signs and verifies: explicit algorithm, explicit key, bounds first, one error type.

joserfc chooses algorithms and keys where it is not told; here it is always told. Whatever goes wrong inside becomes
one JoseError, so that no input can make an exception of another kind (RFC 8725 sections 3.1 to 3.3).
"""

import hashlib
import hmac
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from keys.decoding import decode_base64url, decode_json_object, encode_base64url

MAX_TOKEN_CHARACTERS = 16_384
MAX_PROOF_CHARACTERS = 8192
"""A proof carries its public key; one of 8192 RSA bits and its signature leave half of this for the claims."""
MAX_KID_CHARACTERS = 128
MAX_CLIENT_KEYS = 20
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
"""A longer key makes every verification expensive, and it is the client who chooses it."""
MAX_TIME = 2**53 - 1
"""The largest whole number that all JSON implementations read alike (RFC 8259 section 6); fits a database column."""
SIGNING_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
SHARED_SECRET_ALGORITHM = "HS256"
MIN_SHARED_SECRET_BYTES = 32
"""RFC 7518 section 3.2."""
LEEWAY_SECONDS = 60
_TIMES = ("exp", "nbf", "iat")

Key = RSAKey | ECKey | OKPKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_KEY_ALGORITHMS: dict[str, tuple[str, ...]] = {"RSA": ("RS256", "PS256"), "EC": ("ES256",), "OKP": ("EdDSA",)}
FULLY_SPECIFIED = {"Ed25519": "EdDSA"}
"""RFC 9864 section 2.2: new names of algorithms known before; newer libraries write them in what they sign."""
_CURVES = {"RSA": None, "EC": "P-256", "OKP": "Ed25519"}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_PUBLIC_MEMBERS = frozenset({"kty", "n", "e", "crv", "x", "y"})
_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


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
    """A JWT whose signature is right. Times and audiences are the caller's to check; times come in whole seconds."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """A JWT that is signed with the key in its own header: it proves nothing but that somebody has that key."""

    claims: Mapping[str, Any]
    thumbprint: str
    """The key's SHA-256 thumbprint (RFC 7638), base64url."""


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
            header = self._headers[typ] = encode_base64url(_to_json(parts).encode("ascii"))
        signing_input = header + b"." + encode_base64url(_to_json(claims).encode("ascii"))
        signature = self._model.sign(signing_input, self._key)
        return (signing_input + b"." + encode_base64url(signature)).decode("ascii")

    def verification_key(self) -> VerificationKey:
        """Return the public half, good for this algorithm only."""
        return VerificationKey(self.kid, (self.algorithm,), _wrap(cast("PublicKey", self._key.public_key)))


def signer_of(kid: str, algorithm: str, private_key: PrivateKey) -> Signer:
    """Return the signer of a private key that is loaded already. Raises JoseError where they do not fit together."""
    key = _wrap(private_key)
    if algorithm not in _KEY_ALGORITHMS[key.key_type]:
        raise JoseError(f"{algorithm} does not go with a key of type {key.key_type}")
    return Signer(kid, algorithm, key)


def _wrap(native: PrivateKey | PublicKey) -> Key:
    if isinstance(native, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return RSAKey(native, native)
    if isinstance(native, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return ECKey(native, native)
    return OKPKey(native, native)


def left_half_hash(value: str, algorithm: str) -> str:
    """Return `at_hash` or `c_hash` for a token signed with an algorithm (OpenID Connect Core section 3.1.3.6).

    Ed25519 hashes with SHA-512, so its tokens do too.
    """
    hash_of = hashlib.sha512 if algorithm in ("EdDSA", "Ed25519") else hashlib.sha256
    digest = hash_of(value.encode())
    return encode_base64url(digest.digest()[: digest.digest_size // 2]).decode("ascii")


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
    What `find_key` itself raises is not the token's fault and passes through.
    """
    header, algorithm, signature = _read_header(token, algorithms, types, max_length)
    found = find_key(header.get("kid"))
    keys = [found] if isinstance(found, VerificationKey) else list(found or ())
    if not keys:
        raise JoseError("no key goes with its kid")
    signing_input, _, _ = token.rpartition(".")
    for key in keys:
        if algorithm in key.algorithms and _is_signed(algorithm, key, signing_input.encode("ascii"), signature):
            return VerifiedJwt(header, _verified_claims(token, max_length))
    raise JoseError("a wrong signature, or a key for another algorithm")


def verify_proof(token: str, *, algorithms: Collection[str], types: Collection[str]) -> VerifiedProof:
    """Verify a compact JWS by the public key in its `jwk` header (RFC 9449 section 4.3). Raises JoseError."""
    header, algorithm, signature = _read_header(token, algorithms, types, MAX_PROOF_CHARACTERS)
    key = _import(header.get("jwk"))
    if key is None or algorithm not in key.algorithms:
        raise JoseError("the key in the header does not go with the algorithm")
    if not _is_signed(algorithm, key, token.rpartition(".")[0].encode("ascii"), signature):
        raise JoseError("a wrong signature")
    # From the key itself: what was written around its numbers must not make it another key.
    thumbprint = _wrap(cast("PublicKey", key.key.public_key)).thumbprint()
    return VerifiedProof(_verified_claims(token, MAX_PROOF_CHARACTERS), thumbprint)


def verify_shared(token: str, *, secrets: Sequence[bytes], types: Collection[str]) -> VerifiedJwt:
    """Verify a compact JWS by one of several shared secrets: HS256 alone (RFC 7518 section 3.2). Raises JoseError."""
    header, _, signature = _read_header(
        token, (SHARED_SECRET_ALGORITHM,), types, MAX_TOKEN_CHARACTERS, (SHARED_SECRET_ALGORITHM,)
    )
    signing_input = token.rpartition(".")[0].encode("ascii")
    is_signed = False
    for secret in secrets:
        if len(secret) >= MIN_SHARED_SECRET_BYTES:
            is_signed |= hmac.compare_digest(hmac.digest(secret, signing_input, hashlib.sha256), signature)
    if not is_signed:
        raise JoseError("no secret, or a wrong signature")
    return VerifiedJwt(header, _verified_claims(token, MAX_TOKEN_CHARACTERS))


def _verified_claims(token: str, max_length: int) -> Mapping[str, Any]:
    """Return the claims of a token whose signature is right, with its times in whole seconds, rounded down.

    RFC 7519 section 2 lets a NumericDate have a fraction. Whoever compares or stores a time gets none.
    """
    claims = unverified_claims(token, max_length=max_length)
    whole = {name: math.floor(claims[name]) for name in _TIMES if isinstance(claims.get(name), float)}
    return {**claims, **whole} if whole else claims


def _read_header(
    token: str,
    algorithms: Collection[str],
    types: Collection[str],
    max_length: int,
    known: Collection[str] = SIGNING_ALGORITHMS,
) -> tuple[dict[str, Any], str, bytes]:
    protected, _, signature = _segments(token, max_length)
    try:
        header = decode_json_object(decode_base64url(protected))
        return header, _check_header(header, algorithms, types, known), decode_base64url(signature)
    except ValueError as error:
        raise JoseError(f"malformed header or signature: {type(error).__name__}") from None


def _segments(token: str, max_length: int) -> list[str]:
    if len(token) > max_length or not token.isascii():
        raise JoseError("too long or not ASCII")
    segments = token.split(".", 3)
    if len(segments) != 3:  # noqa: PLR2004  header, payload, signature
        raise JoseError("not three segments")
    return segments


def _is_signed(algorithm: str, key: VerificationKey, signing_input: bytes, signature: bytes) -> bool:
    try:
        return JWSRegistry.algorithms[algorithm].verify(signing_input, signature, key.key)
    except Exception as error:  # noqa: BLE001  RFC 8725 section 3.3: whatever the library raises is one outcome
        raise JoseError(f"the signature cannot be checked: {type(error).__name__}") from None


def _check_header(
    header: Mapping[str, Any], algorithms: Collection[str], types: Collection[str], known: Collection[str]
) -> str:
    algorithm, kid, typ = _algorithm_of(header), header.get("kid", ""), header.get("typ", "")
    if not isinstance(algorithm, str) or algorithm not in algorithms or algorithm not in known:
        raise JoseError("an algorithm that is not accepted")
    if "crit" in header or "b64" in header:
        raise JoseError("critical header parameters are not supported")
    if not isinstance(kid, str) or len(kid) > MAX_KID_CHARACTERS:
        raise JoseError("a malformed kid")
    if not isinstance(typ, str) or _bare_type(typ) not in {_bare_type(accepted) for accepted in types}:
        # RFC 8725 section 3.11: one kind of JWT is never taken for another
        raise JoseError("another type of token")
    return algorithm


def _algorithm_of(parameters: Mapping[str, Any]) -> object:
    """Return the `alg` of a header or key, by the name that it has here."""
    algorithm = parameters.get("alg")
    return FULLY_SPECIFIED.get(algorithm, algorithm) if isinstance(algorithm, str) else algorithm


def _bare_type(typ: str) -> str:
    # RFC 7515 section 4.1.9: a media type, compared without case, mostly written without its "application/"
    return typ.lower().removeprefix("application/")


def check_times(claims: Mapping[str, Any], *, now: int, leeway: int = LEEWAY_SECONDS, require_exp: bool = True) -> None:
    """Check `exp`, `nbf` and `iat`: whole numbers, not over, not of the future (RFC 7519 section 4.1).

    `now` and `leeway` are in seconds. `iat` may always be a minute ahead, so that a late clock refuses no fresh token.
    Raises JoseError.
    """
    for name in _TIMES:
        value = claims.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_TIME:
            raise JoseError(f"{name} is not a time in seconds")
    expires_at = claims.get("exp")
    if expires_at is None and require_exp:
        raise JoseError("exp is missing")
    if expires_at is not None and expires_at + leeway <= now:
        raise JoseError("expired")
    if claims.get("nbf", 0) > now + leeway:
        raise JoseError("not valid yet")
    if claims.get("iat", 0) > now + max(leeway, LEEWAY_SECONDS):
        raise JoseError("issued in the future")


def import_client_jwks(jwks: object, *, max_keys: int = MAX_CLIENT_KEYS) -> tuple[VerificationKey, ...]:
    """Read the public keys that verify what a client signs (RFC 7517 section 5). Raises JoseError.

    Unknown key types are passed over, and so are keys for encryption, which may be all there is.
    """
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not keys or len(keys) > max_keys:
        raise JoseError(f"a JWK Set with 1 to {max_keys} keys is needed")
    imported = [key for key in (_import(entry) for entry in keys) if key is not None]
    kids = [key.kid for key in imported if key.kid is not None]
    if len(kids) != len(set(kids)):
        raise JoseError("two keys have the same kid")
    if not imported and not any(entry.get("use") == "enc" for entry in keys):  # those are for `keys.jwe`
        raise JoseError("no key is of a supported type")
    return tuple(imported)


def candidates(keys: Sequence[VerificationKey], kid: str | None) -> list[VerificationKey]:
    """Return the keys that a token may be signed with: those its `kid` names, and those that have no name.

    All of them where the token names none: many clients leave `kid` out of the token, or out of the registered key.
    """
    return [key for key in keys if kid is None or key.kid is None or key.kid == kid]


def _import(entry: object) -> VerificationKey | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kty"), str):
        raise JoseError("a key is no JWK")
    kty = entry["kty"]
    if kty == "oct" or _PRIVATE_MEMBERS & entry.keys():
        raise JoseError("a key holds private or symmetric parts; register public keys only")
    if kty not in _KEY_ALGORITHMS or (_CURVES[kty] is not None and entry.get("crv") != _CURVES[kty]):
        return None
    kid, algorithm = entry.get("kid"), _algorithm_of(entry)
    if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID_CHARACTERS):
        raise JoseError("a key has a malformed kid")
    if entry.get("use") not in (None, "sig") or (algorithm is not None and algorithm not in _KEY_ALGORITHMS[kty]):
        return None
    try:
        if kty == "RSA":
            check_rsa(entry)
        key = JWKRegistry.import_key({name: value for name, value in entry.items() if name in _PUBLIC_MEMBERS})
        _ = key.public_key  # built lazily, and it is here that a bad one must show
    except JoseError:
        raise
    except Exception as error:  # noqa: BLE001  a foreign key must not raise anything else, whatever the library does
        raise JoseError(f"a key cannot be imported: {type(error).__name__}") from None
    algorithms = (str(algorithm),) if algorithm is not None else _KEY_ALGORITHMS[kty]
    return VerificationKey(kid, algorithms, key)  # type: ignore[arg-type]  # one of the three by its kty


def check_rsa(entry: Mapping[str, Any]) -> None:
    """Refuse an RSA key that is too short, too long, or none at all. Raises JoseError, KeyError, ValueError."""
    # RFC 8725 section 3.5, RFC 8017 section 3.1. Before the import, which only warns of a short key.
    modulus, exponent = (int.from_bytes(decode_base64url(entry[name])) for name in ("n", "e"))
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS or modulus % 2 == 0:
        raise JoseError(
            f"an RSA key has not between {MIN_RSA_BITS} and {MAX_RSA_BITS} bits, or is no product of primes"
        )
    if exponent < 3 or exponent % 2 == 0 or exponent >= 2**32:  # noqa: PLR2004
        raise JoseError("an RSA key has an exponent that is even, too small or too large")


def unverified_kid(token: str) -> str | None:
    """Return the `kid` that a token names, None for none or a malformed one: only to find out which key to look for."""
    try:
        kid = decode_json_object(decode_base64url(_segments(token, MAX_TOKEN_CHARACTERS)[0])).get("kid")
    except (JoseError, ValueError):
        return None
    return kid if isinstance(kid, str) and len(kid) <= MAX_KID_CHARACTERS else None


def unverified_claims(token: str, *, max_length: int = MAX_TOKEN_CHARACTERS) -> Mapping[str, Any]:
    """Return a token's claims without verifying anything: only to find out whose key to use. Raises JoseError."""
    _, payload, _ = _segments(token, max_length)
    try:
        return decode_json_object(decode_base64url(payload))
    except ValueError as error:
        raise JoseError(f"malformed payload: {type(error).__name__}") from None
