"""Rows of clients that got tokens in a sign-in, and must hear of its end."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

from server.storage.schema import clients, session_clients, sessions

_COLUMNS = ["session_id", "client_id"]
# Not for what has no sign-in behind it: then there is none that could end.
_SESSION = select(sessions.c.id, bindparam("c", type_=session_clients.c.client_id.type).label("client_id")).where(
    (sessions.c.id == bindparam("s")) & literal_column("TRUE")
)
_NOTE = {
    "sqlite": sqlite.insert(session_clients)
    .from_select(_COLUMNS, _SESSION)
    .on_conflict_do_nothing(index_elements=_COLUMNS),
    "postgresql": postgresql.insert(session_clients)
    .from_select(_COLUMNS, _SESSION)
    .on_conflict_do_nothing(index_elements=_COLUMNS),
}


def note(db: Connection, session_id: str, client_id: str) -> None:
    """Note once that a client has tokens of a session."""
    db.execute(_NOTE[db.dialect.name], {"s": session_id, "c": client_id})


def list_of(db: Connection, session_ids: Sequence[str]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return session, client and the client's metadata for each client of these sessions that is not disabled."""
    if not session_ids:
        return []
    statement = (
        select(session_clients.c.session_id, clients.c.client_id, clients.c.metadata)
        .join(clients, clients.c.client_id == session_clients.c.client_id)
        .where(session_clients.c.session_id.in_(session_ids) & clients.c.disabled_at.is_(None))
        .order_by(session_clients.c.session_id, clients.c.client_id)
    )
    return [(row.session_id, row.client_id, row.metadata) for row in db.execute(statement)]
