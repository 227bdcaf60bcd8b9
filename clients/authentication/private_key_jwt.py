"""`private_key_jwt`: RFC 7523 section 3, OpenID Connect Core section 9."""

from collections.abc import Collection

from clients.assertion import check_assertion
from clients.authentication.presented import AssertionUse, NotProvenError, Presented
from clients.client import Client
from keys.jose import LEEWAY_SECONDS, JoseError, VerifiedJwt, candidates, verify

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
    jti = check_assertion(claims, now=now, audiences=audiences)
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        raise JoseError("iss and sub are not both the client_id")
    return AssertionUse(jti, claims["exp"] + LEEWAY_SECONDS)
