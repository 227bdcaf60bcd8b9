"""ID tokens: OpenID Connect Core section 2."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keys.jose import JoseError, left_half_hash, verify
from server.tokens.key_ring import KeyRing

TYPE = "JWT"
PROTECTED_CLAIMS = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "nbf", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "sid", "jti"}
)


@dataclass(frozen=True, slots=True)
class IdTokenClaims:
    """What an ID token says of one sign-in."""

    subject: str
    client_id: str
    session_id: str
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    nonce: str | None = None
    person: Mapping[str, Any] = field(default_factory=dict)
    """Claims about the person that the `claims` parameter asked for."""


def mint(
    keys: KeyRing,
    issuer: str,
    token: IdTokenClaims,
    *,
    access_token: str,
    algorithm: str | None,
    now: int,
    lifetime: int,
) -> str:
    """Sign a new ID token, bound to the access token by `at_hash` (section 3.1.3.6)."""
    signer = keys.signer(algorithm)
    claims: dict[str, Any] = {name: value for name, value in token.person.items() if name not in PROTECTED_CLAIMS}
    claims |= {
        "iss": issuer,
        "sub": token.subject,
        "aud": token.client_id,
        "azp": token.client_id,
        "iat": now,
        "exp": now + lifetime,
        "auth_time": token.auth_time,
        "acr": token.acr,
        "amr": token.amr,
        "sid": token.session_id,
        "at_hash": left_half_hash(access_token, signer.algorithm),
    }
    if token.nonce is not None:
        claims["nonce"] = token.nonce
    return signer.sign(claims, typ=TYPE)


def read_hint(keys: KeyRing, issuer: str, hint: str) -> Mapping[str, Any]:
    """Verify an `id_token_hint`: our signature, issuer and type; it may have expired. Raises JoseError.

    An access token is signed by the same key and is refused by its `typ`.
    """
    verified = verify(hint, find_key=keys.verification_key, algorithms=keys.current.algorithms, types=(TYPE,))
    claims = verified.claims
    is_ours = claims.get("iss") == issuer
    if not is_ours or not isinstance(claims.get("sub"), str) or not isinstance(claims.get("aud"), str):
        raise JoseError("not an ID token of this issuer")
    return claims
