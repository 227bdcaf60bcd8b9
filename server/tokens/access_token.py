"""Access tokens: JWTs by the profile of RFC 9068. They are not stored; each names the authorization it came from.

A client with `access_token_format` opaque gets random text instead, which is stored with the same claims.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from keys.jose import JoseError, check_times, verify
from server.storage import access_tokens
from server.tokens import opaque
from server.tokens.key_ring import KeyRing

TYPE = "at+jwt"
KIND = "access_token"
PREFIX = "oat_"
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
    added: Mapping[str, Any] = field(default_factory=dict)
    """Claims of extensions, such as `cnf` (RFC 7800) and `authorization_details` (RFC 9396)."""


def mint(
    keys: KeyRing, issuer: str, token: AccessTokenClaims, *, now: int, lifetime: int, algorithm: str | None = None
) -> str:
    """Sign a new access token (RFC 9068 section 2.2); by the server's first algorithm where none is given."""
    return keys.signer(algorithm).sign(_claims(issuer, token, now=now, lifetime=lifetime), typ=TYPE)


def mint_opaque(db: Connection, issuer: str, token: AccessTokenClaims, *, now: int, lifetime: int) -> str:
    """Store a new access token that says nothing to whoever holds it."""
    value = opaque.mint(PREFIX)
    access_tokens.add(db, opaque.digest(KIND, value), _claims(issuer, token, now=now, lifetime=lifetime))
    return value


def _claims(issuer: str, token: AccessTokenClaims, *, now: int, lifetime: int) -> dict[str, Any]:
    claims: dict[str, Any] = {
        **token.person,
        **token.added,
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
        claims["gid"] = token.authorization_id
    if token.auth_time is not None:  # RFC 9068 section 2.2.1: there was a sign-in
        claims |= {"auth_time": token.auth_time, "acr": token.acr, "amr": token.amr}
    return claims


def unverified_looks_like_jwt(token: str) -> bool:
    """Whether a token has the form of a JWT, so that it is worth verifying."""
    return token.count(".") == 2  # noqa: PLR2004  header, payload, signature


def unverified_looks_like_access_token(token: str) -> bool:
    """Whether a token has the form of an access token in either format, and not that of a refresh token."""
    return token.startswith(PREFIX) or unverified_looks_like_jwt(token)


def read(
    db: Connection, keys: KeyRing, issuer: str, token: str, *, now: int, audience: str | None = None
) -> Mapping[str, Any]:
    """Verify one of our access tokens and return its claims. Raises JoseError. The database is asked for opaque ones.

    Only `typ` at+jwt passes: an ID token or a client's assertion is no access token (RFC 8725 section 3.11).
    """
    claims = _find(db, token) if token.startswith(PREFIX) else _verify(keys, token)
    check_times(claims, now=now, leeway=LEEWAY_SECONDS)
    if claims.get("iss") != issuer or not isinstance(claims.get("sub"), str) or not isinstance(claims.get("jti"), str):
        raise JoseError("not an access token of this issuer")
    audiences = claims.get("aud")
    if audience is not None and audience not in ([audiences] if isinstance(audiences, str) else audiences or ()):
        # RFC 9068 section 4: a token for another resource is refused here
        raise JoseError("the token is for another audience")
    return claims


def _find(db: Connection, token: str) -> Mapping[str, Any]:
    claims = access_tokens.find(db, opaque.digest(KIND, token))
    if claims is None:
        raise JoseError("there is no such access token")
    return claims


def _verify(keys: KeyRing, token: str) -> Mapping[str, Any]:
    verified = verify(token, find_key=keys.verification_key, algorithms=keys.current.algorithms, types=(TYPE,))
    return verified.claims
