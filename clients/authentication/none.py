"""`none`: a public client names itself and proves nothing (RFC 6749 section 2.1)."""

from collections.abc import Collection

from clients.authentication.presented import AssertionUse, Presented
from clients.client import Client


def prove(client: Client | None, _presented: Presented, _now: int, _audiences: Collection[str]) -> AssertionUse | bool:
    """Accept it; that the client is registered as public is checked for every method alike."""
    return client is not None
