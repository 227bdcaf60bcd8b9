"""`client_secret_jwt`: an assertion under HS256 with the client's secret (OpenID Connect Core section 9).

The secret of such a client is the one that must be read back to check its work: it is sealed beside its digest.
"""

from collections.abc import Collection

from clients.authentication.presented import AssertionUse, NotProvenError, Presented
from clients.authentication.private_key_jwt import TYPES, use_of
from clients.client import Client
from keys.jose import JoseError, verify_shared


def prove(client: Client | None, presented: Presented, now: int, audiences: Collection[str]) -> AssertionUse | None:
    """Verify the assertion and return its `jti`, which is good for one request."""
    if client is None or not presented.shared_secrets:
        raise NotProvenError("the client has no secret that is valid and can be read back: add one")
    try:
        verified = verify_shared(presented.credential, secrets=presented.shared_secrets, types=TYPES)
        return use_of(verified, client, now, audiences)
    except JoseError as error:
        raise NotProvenError(f"the assertion: {error.reason}") from None
