"""What a person has allowed a client."""

from collections.abc import Iterable

from sqlalchemy import Connection

from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import authorizations, consents


def is_covered(db: Connection, user_id: str, client_id: str, scopes: Iterable[str]) -> bool:
    """Whether the person has allowed the client all of these scopes; no scopes are covered by any consent."""
    granted = consents.find_scopes(db, user_id, client_id)
    return granted is not None and granted.issuperset(scopes)


def grant(
    db: Connection, user_id: str, client_id: str, scopes: Iterable[str], *, context: Context, now: int
) -> frozenset[str]:
    """Add scopes to what the person allows the client, and return all that is allowed now."""
    asked = sorted(set(scopes))
    granted = consents.merge(db, user_id, client_id, asked, now)
    record(db, Event.CONSENT_GRANTED, context, now=now, user_id=user_id, client_id=client_id, scope=" ".join(asked))
    return granted


def revoke(db: Connection, user_id: str, client_id: str, *, context: Context, now: int) -> bool:
    """Take back all that the person allowed the client, its tokens included, and say whether there was anything."""
    had_consent = consents.remove(db, user_id, client_id)
    revoked = authorizations.revoke_of_user_client(db, user_id, client_id, now)
    if not had_consent and not revoked:
        return False
    record(db, Event.CONSENT_REVOKED, context, now=now, user_id=user_id, client_id=client_id, authorizations=revoked)
    return True
