"""`client_secret_basic` and `client_secret_post`: RFC 6749 section 2.3.1."""

from collections.abc import Collection

from clients import secrets
from clients.authentication.presented import AssertionUse, Presented
from clients.client import Client, ClientSecret

_DUMMY = (ClientSecret("", secrets.digest("nobody has this secret"), 0),)


def prove(client: Client | None, presented: Presented, now: int, _audiences: Collection[str]) -> AssertionUse | bool:
    """Compare the secret; an unknown client costs the same comparison."""
    stored = client.secrets if client is not None and client.secrets else _DUMMY
    return secrets.matches(presented.credential, stored, now)
