"""Rows of the audit log: appended and read, never changed."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.engine import RowMapping

from server.storage.schema import audit_log

_INSERT = insert(audit_log)


def append(db: Connection, row: Mapping[str, Any]) -> None:
    """Append one row."""
    db.execute(_INSERT, dict(row))


def clients_with(db: Connection, event: str, *, since: int) -> set[str]:
    """Return the ids of the clients that one kind of event named since a time."""
    statement = select(audit_log.c.client_id).where((audit_log.c.event == event) & (audit_log.c.at >= since)).distinct()
    return {str(client_id) for client_id in db.execute(statement).scalars()}


def list_rows(
    db: Connection,
    *,
    user_id: str | None = None,
    event: str | None = None,
    events: Collection[str] = (),
    since: int | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[RowMapping]:
    """Return the newest rows first, at most `limit`; `before_id` pages on. `events`: of one of these kinds."""
    statement = select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
    if user_id is not None:
        statement = statement.where(audit_log.c.user_id == user_id)
    if event is not None:
        statement = statement.where(audit_log.c.event == event)
    if events:
        statement = statement.where(audit_log.c.event.in_(events))
    if since is not None:
        statement = statement.where(audit_log.c.at >= since)
    if before_id is not None:
        statement = statement.where(audit_log.c.id < before_id)
    return list(db.execute(statement).mappings())
