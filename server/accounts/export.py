"""A person's own copy of everything the server holds about them: GDPR article 15 and 20.

Secrets are left out: whoever gets hold of the file must not be able to sign in with it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from server.accounts import roles
from server.accounts.claims import claims_of
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import organizations, personal

FORMAT = 1
_NAMES = {
    "user_roles": "roles",
    "memberships": "organizations",
    "totp_devices": "authenticator_apps",
    "password_history": "former_passwords",
    "one_time": "pending_links_and_codes",
    "outbox": "mails_not_yet_sent",
    "consents": "connected_applications",
    "audit_log": "activity",
}
_TIMES = frozenset({"at", "auth_time"})


def collect(db: Connection, user: User, *, issuer: str, context: Context, now: int) -> dict[str, Any]:
    """Return everything about a person as JSON with ISO 8601 times, and write down that it was handed out."""
    record(db, Event.DATA_EXPORTED, context, now=now, user_id=user.id)
    rows = personal.rows_of(db, user.id)
    (account,) = rows.pop("users")
    rows["memberships"] = [dict(row) for row in organizations.memberships_of(db, user.id)]
    return {
        "format": FORMAT,
        "issuer": issuer,
        "created_at": _moment(now),
        "account": _readable(account),
        "claims": claims_of(user),
        "permissions": roles.permissions_of(db, user),
        **{_NAMES.get(name, name): [_readable(row) for row in some] for name, some in sorted(rows.items())},
    }


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    is_time = {name: name in _TIMES or name.endswith("_at") for name in row}
    return {name: _moment(value) if is_time[name] and value is not None else value for name, value in row.items()}


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
