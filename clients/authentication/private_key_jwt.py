"""`private_key_jwt`: RFC 7523 section 3, OpenID Connect Core section 9."""

from collections.abc import Collection

from clients.authentication.presented import AssertionUse, Presented
from clients.client import Client
from keys.jose import LEEWAY_SECONDS, JoseError, VerifiedJwt, candidates, check_times, verify

MAX_LIFETIME_SECONDS = 300
MAX_JTI_CHARACTERS = 255
TYPES = ("", "JWT", "client-authentication+jwt")


def prove(client: Client | None, presented: Presented, now: int, audiences: Collection[str]) -> AssertionUse | bool:
    """Verify the assertion and return its `jti`, which is good for one request."""
    if client is None:
        return False
    registered = client.metadata.get("token_endpoint_auth_signing_alg")
    try:
        keys = client.keys if presented.keys is None else presented.keys
        verified = verify(
            presented.credential,
            find_key=lambda kid: candidates(keys, kid),
            algorithms=[name for name in client.security_profile.algorithms if registered in (None, name)],
            types=TYPES,
        )
        return use_of(verified, client, now, audiences)
    except JoseError:
        return False


def use_of(verified: VerifiedJwt, client: Client, now: int, audiences: Collection[str]) -> AssertionUse | bool:
    """Check the claims of an assertion whose signature is right (RFC 7523 section 3). Raises JoseError."""
    check_times(verified.claims, now=now)
    claims = verified.claims
    audience, jti = claims.get("aud"), claims.get("jti")
    # RFC 7523bis section 3: one audience as a string; a list would let others replay it here
    is_for_us = isinstance(audience, str) and audience in audiences
    is_from_client = claims.get("iss") == client.client_id and claims.get("sub") == client.client_id
    is_short = claims["exp"] <= now + MAX_LIFETIME_SECONDS + LEEWAY_SECONDS
    has_jti = isinstance(jti, str) and 0 < len(jti) <= MAX_JTI_CHARACTERS
    if not (is_for_us and is_from_client and is_short and has_jti):
        return False
    return AssertionUse(str(jti), claims["exp"] + LEEWAY_SECONDS)
