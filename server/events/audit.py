"""Writing the audit log, in the transaction of what it records."""

from typing import Any

from sqlalchemy import Connection

from server.events.context import ADDRESS_LENGTH, USER_AGENT_LENGTH, Context
from server.events.names import Event
from server.storage import audit


def record(
    db: Connection,
    event: Event,
    context: Context,
    *,
    now: int,
    user_id: str | None = None,
    client_id: str | None = None,
    actor: str | None = None,
    **details: Any,
) -> None:
    """Append one event. `details` hold identifiers and reasons, never a secret."""
    audit.append(
        db,
        {
            "at": now,
            "event": event.value,
            "actor": actor or context.actor,
            "user_id": user_id,
            "client_id": client_id,
            "address": context.address[:ADDRESS_LENGTH],
            "user_agent": context.user_agent[:USER_AGENT_LENGTH] or None,
            "request_id": context.request_id,
            "details": details,
        },
    )
