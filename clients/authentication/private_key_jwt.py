"""`private_key_jwt`: RFC 7523 section 3, OpenID Connect Core section 9."""

from collections.abc import Collection

from clients.authentication.presented import AssertionUse, Presented
from clients.client import Client
from keys.jose import LEEWAY_SECONDS, SIGNING_ALGORITHMS, JoseError, candidates, check_times, verify

MAX_LIFETIME_SECONDS = 300
MAX_JTI_CHARACTERS = 255
TYPES = ("", "JWT", "client-authentication+jwt")


def prove(client: Client | None, presented: Presented, now: int, audiences: Collection[str]) -> AssertionUse | bool:
    """Verify the assertion and return its `jti`, which is good for one request."""
    if client is None or "jwks" not in client.metadata:
        return False
    registered = client.metadata.get("token_endpoint_auth_signing_alg")
    try:
        verified = verify(
            presented.credential,
            find_key=lambda kid: candidates(client.keys, kid),
            algorithms=SIGNING_ALGORITHMS if registered is None else (registered,),
            types=TYPES,
        )
        check_times(verified.claims, now=now)
    except JoseError:
        return False
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
