"""Client authentication: one file per registered method, exactly one method per request.

`present` finds out what a request shows, `authenticate` proves it against the client's one registered method. Neither
knows which endpoint asked.
"""

from collections.abc import Callable, Collection, Mapping

from clients.authentication import (
    client_secret,
    client_secret_jwt,
    none,
    private_key_jwt,
    self_signed_tls_client_auth,
    tls_client_auth,
)
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
    "PKI_TLS_METHOD",
    "SELF_SIGNED_TLS_METHOD",
    "TLS_METHODS",
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
    "client_secret_jwt": client_secret_jwt.prove,
    "private_key_jwt": private_key_jwt.prove,
    "tls_client_auth": tls_client_auth.prove,
    "self_signed_tls_client_auth": self_signed_tls_client_auth.prove,
    "none": none.prove,
}
PKI_TLS_METHOD, SELF_SIGNED_TLS_METHOD = "tls_client_auth", "self_signed_tls_client_auth"
TLS_METHODS = (PKI_TLS_METHOD, SELF_SIGNED_TLS_METHOD)
METHODS = tuple(name for name in PROOFS if name not in TLS_METHODS)
"""The methods that are always served; those of RFC 8705 need a proxy that tells of certificates."""
_LOOK_ALIKES = {"none": TLS_METHODS, "private_key_jwt": ("client_secret_jwt",)}
"""What a request cannot tell apart: a client that names itself in TLS, and who has signed an assertion."""


def authenticate(
    client: Client | None, presented: Presented, *, now: int, audiences: Collection[str]
) -> AuthenticatedClient:
    """Prove who the client is. Raises AuthenticationProblem, the same for an unknown client and a wrong secret."""
    method = _method(client, presented)
    proof = PROOFS[method](client, presented, now, audiences)
    # Only the registered method counts: a secret from a public client, or post for basic, is refused too.
    is_registered = client is not None and method == client.token_endpoint_auth_method
    permitted = None if client is None else client.security_profile.methods
    is_too_weak = permitted is not None and method not in permitted
    if client is None or client.disabled or not is_registered or is_too_weak or proof is False:
        used_basic = presented.method == "client_secret_basic"
        raise AuthenticationProblem("invalid_client", "Client authentication failed", 401, used_basic)
    return AuthenticatedClient(client, method, proof if isinstance(proof, AssertionUse) else None)


def _method(client: Client | None, presented: Presented) -> str:
    registered = "" if client is None else client.token_endpoint_auth_method
    if registered == "none" and presented.method == "client_secret_basic" and not presented.credential:
        # RFC 6749 section 2.3.1: an empty secret is none. Public clients such as oidc-agent name themselves like this.
        return registered
    return registered if registered in _LOOK_ALIKES.get(presented.method, ()) else presented.method
