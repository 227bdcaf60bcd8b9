"""Deleting rows that are over, in bounded batches, so that no transaction is long."""

from sqlalchemy import Column, Connection, Table, delete, select
from sqlalchemy.sql import ColumnElement

from server.storage.schema import authorizations, client_secrets, one_time, refresh_tokens, revoked_tokens, sessions
from server.storage.schema import throttles as throttle_rows

BATCH = 500
KEEP_SESSIONS_SECONDS = 86_400
"""Sessions stay this long after their end, so that a replay can still be told from an unknown value."""
THROTTLE_SECONDS = 86_400


def _targets(now: int) -> list[tuple[Table, Column[str], ColumnElement[bool]]]:
    return [
        (one_time, one_time.c.digest, one_time.c.purge_at <= now),
        (refresh_tokens, refresh_tokens.c.digest, refresh_tokens.c.expires_at <= now - KEEP_SESSIONS_SECONDS),
        (revoked_tokens, revoked_tokens.c.jti, revoked_tokens.c.expires_at <= now),
        (authorizations, authorizations.c.id, authorizations.c.expires_at <= now - KEEP_SESSIONS_SECONDS),
        (sessions, sessions.c.id, sessions.c.expires_at <= now - KEEP_SESSIONS_SECONDS),
        (throttle_rows, throttle_rows.c.digest, throttle_rows.c.updated_at <= now - THROTTLE_SECONDS),
        (client_secrets, client_secrets.c.id, client_secrets.c.expires_at <= now),
    ]


def purge_batch(db: Connection, now: int) -> int:
    """Delete at most one batch from each table, and return how many rows went."""
    deleted = 0
    for table, key, is_over in _targets(now):
        batch = select(key).where(is_over).limit(BATCH).scalar_subquery()
        deleted += db.execute(delete(table).where(key.in_(batch) & is_over)).rowcount
    return deleted
