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
    NotProvenError,
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

Prove = Callable[[Client | None, Presented, int, Collection[str]], AssertionUse | None]
"""Raises NotProvenError."""

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
    method, proof, cause = _method(client, presented), None, None
    try:
        proof = PROOFS[method](client, presented, now, audiences)
    except NotProvenError as error:
        cause = error.cause
    cause = _objection(client, method) or cause
    if client is None or cause is not None:
        used_basic = presented.method == "client_secret_basic"
        said, cause = "Client authentication failed", cause or ""
        raise AuthenticationProblem("invalid_client", said, 401, used_basic, cause=cause, method=method)
    return AuthenticatedClient(client, method, proof)


def _objection(client: Client | None, method: str) -> str | None:
    """Return why a client may not use a method at all, whatever it has proven."""
    if client is None:
        return "the client is not registered"
    if client.disabled:
        return "the client is disabled"
    # Only the registered method counts: a secret from a public client, or post for basic, is refused too.
    registered, permitted = client.token_endpoint_auth_method, client.security_profile.methods
    if method != registered:
        return f"the request uses {method}, and the client is registered for {registered}"
    if permitted is not None and method not in permitted:
        return f"the client's profile does not permit {method}"
    return None


def _method(client: Client | None, presented: Presented) -> str:
    registered = "" if client is None else client.token_endpoint_auth_method
    if registered == "none" and presented.method == "client_secret_basic" and not presented.credential:
        # RFC 6749 section 2.3.1: an empty secret is none. Public clients such as oidc-agent name themselves like this.
        return registered
    return registered if registered in _LOOK_ALIKES.get(presented.method, ()) else presented.method
