"""Client authentication: one file per registered method, exactly one method per request.

`present` finds out what a request shows, `authenticate` proves it against the client's one registered method. Neither
knows which endpoint asked.
"""

from collections.abc import Callable, Collection, Mapping

from clients.authentication import client_secret, none, private_key_jwt
from clients.authentication.presented import (
    AssertionUse,
    AuthenticatedClient,
    AuthenticationProblem,
    Presented,
    present,
)
from clients.client import Client

__all__ = [
    "METHODS",
    "AssertionUse",
    "AuthenticatedClient",
    "AuthenticationProblem",
    "Presented",
    "authenticate",
    "present",
]

Prove = Callable[[Client | None, Presented, int, Collection[str]], AssertionUse | bool]

PROOFS: Mapping[str, Prove] = {
    "client_secret_basic": client_secret.prove,
    "client_secret_post": client_secret.prove,
    "private_key_jwt": private_key_jwt.prove,
    "none": none.prove,
}
METHODS = tuple(PROOFS)


def authenticate(
    client: Client | None, presented: Presented, *, now: int, audiences: Collection[str]
) -> AuthenticatedClient:
    """Prove who the client is. Raises AuthenticationProblem, the same for an unknown client and a wrong secret."""
    proof = PROOFS[presented.method](client, presented, now, audiences)
    # Only the registered method counts: a secret from a public client, or post for basic, is refused too.
    is_registered = client is not None and presented.method == client.token_endpoint_auth_method
    if client is None or client.disabled or not is_registered or proof is False:
        used_basic = presented.method == "client_secret_basic"
        raise AuthenticationProblem("invalid_client", "Client authentication failed", 401, used_basic)
    return AuthenticatedClient(client, presented.method, proof if isinstance(proof, AssertionUse) else None)
