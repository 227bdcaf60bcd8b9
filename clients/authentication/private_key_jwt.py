"""`private_key_jwt`: RFC 7523 section 3, OpenID Connect Core section 9."""

from collections.abc import Collection

from clients.authentication.presented import AssertionUse, NotProvenError, Presented
from clients.client import Client
from keys.jose import LEEWAY_SECONDS, JoseError, VerifiedJwt, candidates, check_times, verify

MAX_LIFETIME_SECONDS = 300
MAX_JTI_CHARACTERS = 255
TYPES = ("", "JWT", "client-authentication+jwt")


def prove(client: Client | None, presented: Presented, now: int, audiences: Collection[str]) -> AssertionUse | None:
    """Verify the assertion and return its `jti`, which is good for one request."""
    if client is None:
        raise NotProvenError("the client is not registered")
    try:
        return use_of(_verified(client, presented), client, now, audiences)
    except JoseError as error:
        raise NotProvenError(f"the assertion: {error.reason}") from None


def _verified(client: Client, presented: Presented) -> VerifiedJwt:
    keys = client.keys if presented.keys is None else presented.keys
    if not keys:
        raise NotProvenError("the client has no keys: its jwks holds none, or its jwks_uri could not be read")
    registered = client.metadata.get("token_endpoint_auth_signing_alg")
    return verify(
        presented.credential,
        find_key=lambda kid: candidates(keys, kid),
        algorithms=[name for name in client.security_profile.algorithms if registered in (None, name)],
        types=TYPES,
    )


def use_of(verified: VerifiedJwt, client: Client, now: int, audiences: Collection[str]) -> AssertionUse:
    """Check the claims of an assertion whose signature is right (RFC 7523 section 3). Raises JoseError."""
    claims = verified.claims
    check_times(claims, now=now)
    audience, jti = claims.get("aud"), claims.get("jti")
    if not isinstance(audience, str) or audience not in audiences:
        # RFC 7523bis section 3: one audience as a string; a list would let others replay it here
        raise JoseError(f"aud is not {' or '.join(audiences)}, as one string")
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        raise JoseError("iss and sub are not both the client_id")
    if claims["exp"] > now + MAX_LIFETIME_SECONDS + LEEWAY_SECONDS:
        raise JoseError(f"exp is more than {MAX_LIFETIME_SECONDS} seconds ahead")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_CHARACTERS:
        raise JoseError("jti is missing or too long")
    return AssertionUse(jti, claims["exp"] + LEEWAY_SECONDS)
