"""Deleting rows that are over, in bounded batches, so that no transaction is long."""

from sqlalchemy import Column, Connection, Table, delete, select
from sqlalchemy.sql import ColumnElement

from server.storage.schema import (
    access_tokens,
    authorizations,
    backchannel_requests,
    client_secrets,
    consents,
    memberships,
    one_time,
    passkeys,
    password_history,
    recovery_codes,
    refresh_tokens,
    registration_tokens,
    revoked_tokens,
    sessions,
    totp_devices,
    trusted_browsers,
)
from server.storage.schema import throttles as throttle_rows

BATCH = 500
KEEP_SESSIONS_SECONDS = 86_400
"""Sessions stay this long after their end, so that a replay can still be told from an unknown value."""
THROTTLE_SECONDS = 86_400
_PERSONAL = (
    one_time,
    backchannel_requests,
    trusted_browsers,
    passkeys,
    totp_devices,
    recovery_codes,
    password_history,
    memberships,
    consents,
    authorizations,  # refresh tokens and opaque access tokens go with them
    sessions,
)
_SHORT_LIVED = (one_time, backchannel_requests, trusted_browsers)


def _targets(now: int) -> list[tuple[Table, Column[str], ColumnElement[bool]]]:
    return [
        (one_time, one_time.c.digest, one_time.c.purge_at <= now),
        (backchannel_requests, backchannel_requests.c.digest, backchannel_requests.c.purge_at <= now),
        (refresh_tokens, refresh_tokens.c.digest, refresh_tokens.c.expires_at <= now - KEEP_SESSIONS_SECONDS),
        (access_tokens, access_tokens.c.digest, access_tokens.c.expires_at <= now),
        (revoked_tokens, revoked_tokens.c.jti, revoked_tokens.c.expires_at <= now),
        (authorizations, authorizations.c.id, authorizations.c.expires_at <= now - KEEP_SESSIONS_SECONDS),
        (sessions, sessions.c.id, sessions.c.expires_at <= now - KEEP_SESSIONS_SECONDS),
        (throttle_rows, throttle_rows.c.digest, throttle_rows.c.updated_at <= now - THROTTLE_SECONDS),
        (trusted_browsers, trusted_browsers.c.digest, trusted_browsers.c.expires_at <= now),
        (client_secrets, client_secrets.c.id, client_secrets.c.expires_at <= now),
        (registration_tokens, registration_tokens.c.digest, registration_tokens.c.expires_at <= now),
    ]


def purge_batch(db: Connection, now: int) -> int:
    """Delete at most one batch from each table, and return how many rows went."""
    deleted = 0
    for table, key, is_over in _targets(now):
        batch = select(key).where(is_over).limit(BATCH).scalar_subquery()
        deleted += db.execute(delete(table).where(key.in_(batch) & is_over)).rowcount
    return deleted


def forget_short_lived(db: Connection, user_id: str) -> None:
    """Delete what a deleted person could still come back with: links, codes, half-done sign-ins, trusted browsers."""
    for table in _SHORT_LIVED:
        db.execute(delete(table).where(table.c.user_id == user_id))


def erase_rows(db: Connection, user_id: str) -> None:
    """Delete every row about a person but the person's own (which becomes a tombstone) and the audit log."""
    for table in _PERSONAL:
        db.execute(delete(table).where(table.c.user_id == user_id))
