"""Clients that the tests of `clients` look at, made without a database."""

import time
from collections.abc import Callable
from typing import Any

from clients import secrets
from clients.client import Client, ClientSecret
from clients.metadata import validate
from tests.keys.material import NOW, key_pair

REDIRECT_URI = "https://client.example/cb"
SECRET = "ocs_the-secret-of-the-web-shop"
JWKS = {"keys": [key_pair("ES256").public_jwk]}


def metadata_of(method: str = "client_secret_basic", **members: Any) -> dict[str, Any]:
    """Valid metadata of a client that authenticates by a method."""
    given: dict[str, Any] = {"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": method, **members}
    if method == "private_key_jwt":
        given.setdefault("jwks", JWKS)
    if method == "tls_client_auth":
        given.setdefault("tls_client_auth_san_dns", "client.example")
    if method == "self_signed_tls_client_auth":
        given.setdefault("jwks_uri", "https://client.example/jwks")
    return validate(given)


def stored_secret(secret: str = SECRET, *, expires_at: int | None = None) -> ClientSecret:
    return ClientSecret(f"sec_{secret}", secrets.digest(secret), created_at=NOW, expires_at=expires_at)


def client_of(
    method: str = "client_secret_basic",
    *,
    client_id: str = "cli_shop",
    stored: tuple[ClientSecret, ...] = (stored_secret(),),
    disabled: bool = False,
    **members: Any,
) -> Client:
    """A client of a method; it has a secret stored whatever the method, as one that has changed its method may."""
    return Client(client_id, metadata_of(method, **members), stored, disabled, created_at=NOW)


def seconds_taken(work: Callable[[], object], *, rounds: int = 5) -> float:
    """Return the least time of several rounds, in seconds of this process alone."""
    least = float("inf")
    for _ in range(rounds):
        before = time.process_time()
        work()
        least = min(least, time.process_time() - before)
    return least
