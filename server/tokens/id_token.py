"""ID tokens: OpenID Connect Core section 2."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keys.jose import JoseError, left_half_hash, verify
from keys.jwe import unverified_looks_like_jwe
from server.tokens.key_ring import KeyRing

TYPE = "JWT"
PROTECTED_CLAIMS = frozenset(
    {
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "azp",
        "at_hash",
        "c_hash",
        "s_hash",
        "sid",
        "jti",
    }
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
    access_token: str | None,
    code: str | None = None,
    state: str | None = None,
    algorithm: str | None,
    now: int,
    lifetime: int,
) -> str:
    """Sign a new ID token, bound to what comes with it by `at_hash` and `c_hash` (sections 3.1.3.6 and 3.3.2.11).

    Where `state` is given, by `s_hash` too (FAPI 1.0 Part 2 section 5.1.1).
    """
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
    }
    if access_token is not None:
        claims["at_hash"] = left_half_hash(access_token, signer.algorithm)
    if code is not None:
        claims["c_hash"] = left_half_hash(code, signer.algorithm)
    if state is not None:
        claims["s_hash"] = left_half_hash(state, signer.algorithm)
    if token.nonce is not None:
        claims["nonce"] = token.nonce
    return signer.sign(claims, typ=TYPE)


def read_hint(keys: KeyRing, issuer: str, hint: str) -> Mapping[str, Any]:
    """Verify an `id_token_hint`: our signature, issuer and type; it may have expired. Raises JoseError.

    An access token is signed by the same key and is refused by its `typ`, a UserInfo answer because it has no end. A
    client that got it encrypted may encrypt it again, to us (section 3.1.2.1).
    """
    if unverified_looks_like_jwe(hint):
        hint = keys.current.decrypt(hint)
    verified = verify(hint, find_key=keys.verification_key, algorithms=keys.current.algorithms, types=(TYPE,))
    claims = verified.claims
    is_ours = claims.get("iss") == issuer and "exp" in claims
    if not is_ours or not isinstance(claims.get("sub"), str) or not isinstance(claims.get("aud"), str):
        raise JoseError("not an ID token of this issuer")
    return claims
