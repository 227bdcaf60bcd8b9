"""Everything that is stored about one person, for their own copy of it: every table, without what would be a secret."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from server.storage import schema

# What each table holds back: digests, seals and hashes tell the person nothing and an attacker something.
WITHHELD: Mapping[Table, frozenset[str]] = {
    schema.users: frozenset({"email_normalized", "username_normalized", "password_hash"}),
    schema.user_roles: frozenset({"user_id"}),
    schema.memberships: frozenset({"user_id"}),
    schema.totp_devices: frozenset({"user_id", "sealed_secret", "last_step"}),
    schema.passkeys: frozenset({"user_id"}),
    schema.trusted_browsers: frozenset({"user_id", "digest"}),
    schema.recovery_codes: frozenset({"user_id", "digest"}),
    schema.password_history: frozenset({"user_id", "password_hash"}),
    schema.sessions: frozenset({"user_id", "digest"}),
    schema.consents: frozenset({"user_id"}),
    schema.authorizations: frozenset({"user_id"}),
    schema.one_time: frozenset({"user_id", "digest", "payload"}),
    schema.backchannel_requests: frozenset({"user_id", "digest", "sealed", "request"}),
    schema.outbox: frozenset({"user_id", "sealed", "last_error"}),
    schema.audit_log: frozenset({"user_id"}),
}
_REFRESH_TOKENS = [
    column for column in schema.refresh_tokens.c if column.name not in ("digest", "successor_salt", "scope")
]


def rows_of(db: Connection, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows about a person by the name of their table, the oldest first."""
    found = {table.name: _rows(db, table, withheld, user_id) for table, withheld in WITHHELD.items()}
    tokens = schema.refresh_tokens
    statement = (
        select(*_REFRESH_TOKENS)
        .join(schema.authorizations, schema.authorizations.c.id == tokens.c.authorization_id)
        .where(schema.authorizations.c.user_id == user_id)
        .order_by(tokens.c.issued_at)
    )
    found[tokens.name] = [dict(row) for row in db.execute(statement).mappings()]
    return found


def _rows(db: Connection, table: Table, withheld: frozenset[str], user_id: str) -> list[dict[str, Any]]:
    columns = [column for column in table.c if column.name not in withheld]
    owner = table.c.id if table is schema.users else table.c.user_id
    order = table.c.created_at if "created_at" in table.c else next(iter(table.primary_key.columns))
    statement = select(*columns).where(owner == user_id).order_by(order)
    return [dict(row) for row in db.execute(statement).mappings()]
