"""Access tokens: JWTs by the profile of RFC 9068. They are not stored; each names the authorization it came from."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keys.jose import JoseError, check_times, verify
from server.tokens.key_ring import KeyRing

TYPE = "at+jwt"
LEEWAY_SECONDS = 0
"""Our own clock signed it; a token is over when it says so."""


@dataclass(frozen=True, slots=True)
class AccessTokenClaims:
    """What an access token says, beyond issuer and times."""

    subject: str
    client_id: str
    audience: str | tuple[str, ...]
    scope: str
    authorization_id: str | None = None
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    person: Mapping[str, Any] = field(default_factory=dict)
    """Claims about the person that the scopes ask for; none of them replaces a claim of the token itself."""


def mint(keys: KeyRing, issuer: str, token: AccessTokenClaims, *, now: int, lifetime: int) -> str:
    """Sign a new access token (RFC 9068 section 2.2)."""
    claims: dict[str, Any] = {
        **token.person,
        "iss": issuer,
        "sub": token.subject,
        "aud": token.audience,
        "client_id": token.client_id,
        "iat": now,
        "exp": now + lifetime,
        "jti": secrets.token_urlsafe(16),
    }
    if token.scope:
        claims["scope"] = token.scope
    if token.authorization_id is not None:
        claims |= {"gid": token.authorization_id, "auth_time": token.auth_time, "acr": token.acr, "amr": token.amr}
    return keys.signer().sign(claims, typ=TYPE)


def unverified_looks_like_jwt(token: str) -> bool:
    """Whether a token has the form of a JWT, so that it is worth verifying."""
    return token.count(".") == 2  # noqa: PLR2004  header, payload, signature


def read(keys: KeyRing, issuer: str, token: str, *, now: int, audience: str | None = None) -> Mapping[str, Any]:
    """Verify one of our access tokens and return its claims. Raises JoseError.

    Only `typ` at+jwt passes: an ID token or a client's assertion is no access token (RFC 8725 section 3.11).
    """
    verified = verify(token, find_key=keys.verification_key, algorithms=keys.current.algorithms, types=(TYPE,))
    claims = verified.claims
    check_times(claims, now=now, leeway=LEEWAY_SECONDS)
    if claims.get("iss") != issuer or not isinstance(claims.get("sub"), str) or not isinstance(claims.get("jti"), str):
        raise JoseError("not an access token of this issuer")
    audiences = claims.get("aud")
    if audience is not None and audience not in ([audiences] if isinstance(audiences, str) else audiences or ()):
        # RFC 9068 section 4: a token for another resource is refused here
        raise JoseError("the token is for another audience")
    return claims
