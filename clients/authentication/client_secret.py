"""`client_secret_basic` and `client_secret_post`: RFC 6749 section 2.3.1."""

from collections.abc import Collection

from clients import secrets
from clients.authentication.presented import AssertionUse, NotProvenError, Presented
from clients.client import Client, ClientSecret

# Only there to be compared with. It has ended before it began, so that not even its own text proves anything.
_DUMMY = (ClientSecret("", secrets.digest("nobody has this secret"), created_at=0, expires_at=0),)


def prove(client: Client | None, presented: Presented, now: int, _audiences: Collection[str]) -> AssertionUse | None:
    """Compare the secret; an unknown client, or one without secrets, costs the same comparison and is refused."""
    stored = client.secrets if client is not None and client.secrets else _DUMMY
    if not secrets.matches(presented.credential, stored, now):
        was_valid = secrets.matches(presented.credential, stored, 0)
        raise NotProvenError("the secret has expired" if was_valid else "the secret is wrong")
    return None
