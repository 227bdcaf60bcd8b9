"""`none`: a public client names itself and proves nothing (RFC 6749 section 2.1)."""

from collections.abc import Collection

from clients.authentication.presented import AssertionUse, NotProvenError, Presented
from clients.client import Client


def prove(client: Client | None, _presented: Presented, _now: int, _audiences: Collection[str]) -> AssertionUse | None:
    """Accept it; that the client is registered as public is checked for every method alike."""
    if client is None:
        raise NotProvenError("the client is not registered")
    return None
