"""What `ostiary token inspect` finds out about a token, and how it says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from server.cli.running import moment
from server.storage import authorizations, clients, sessions, users

UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


class UnknownTokenError(Exception):
    """It is no token of this server, and the text says why."""


@dataclass(slots=True)
class Report:
    """What a token is. `problems` are the reasons for which the server would refuse it now."""

    kind: str
    problems: list[str] = field(default_factory=list)
    header: Mapping[str, Any] | None = None
    claims: Mapping[str, Any] | None = None
    signature: Mapping[str, Any] | None = None
    times: dict[str, int] = field(default_factory=dict)
    """Unix seconds by what happened: issued, used, expires."""
    details: dict[str, Any] = field(default_factory=dict)
    client_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    authorization_id: str | None = None

    def check_end(self, now: int) -> None:
        """Note that it has expired, if it has."""
        expires_at = self.times.get("expires")
        if expires_at is not None and expires_at <= now:
            self.problems.append(f"it expired {ago(expires_at, now)}")


def ago(at: int, now: int) -> str:
    """Return a distance in time in words, rounded down to one unit."""
    apart = abs(now - at)
    if apart == 0:
        return "now"
    name, seconds = next(unit for unit in UNITS if apart >= unit[1])
    count = apart // seconds
    words = f"{count} {name}{'' if count == 1 else 's'}"
    return f"{words} ago" if at < now else f"in {words}"


def finish(db: Connection, report: Report, now: int) -> dict[str, Any]:
    """Look up whom and what the token belongs to, and return everything by name."""
    authorization = _authorization(db, report, now)
    client, person, session = _client(db, report), _person(db, report), _session(db, report, now)
    is_good = not report.problems
    status = "good" if is_good else "; ".join(report.problems)
    found: dict[str, Any] = {"kind": report.kind, "good": is_good, "status": status}
    for name, at in report.times.items():
        found[name] = f"{moment(at)} ({ago(at, now)})"
        found[f"{name}_at"] = at
    found |= report.details
    parts = {
        "signature": report.signature,
        "header": report.header,
        "claims": report.claims,
        "client": client,
        "person": person,
        "session": session,
        "family": authorization,
    }
    return found | {name: part for name, part in parts.items() if part is not None}


def _authorization(db: Connection, report: Report, now: int) -> dict[str, Any] | None:
    if report.authorization_id is None:
        return None
    row = authorizations.find(db, report.authorization_id)
    if row is None:
        report.problems.append("what the person had allowed is over and was cleared away")
        return {"id": report.authorization_id, "state": "unknown"}
    report.client_id = report.client_id or row["client_id"]
    report.user_id = row["user_id"]
    report.session_id = report.session_id or row["session_id"] or None
    state = "live"
    if row["revoked_at"] is not None:
        state = f"revoked {ago(row['revoked_at'], now)}"
        report.problems.append(f"its family was {state}")
    elif row["expires_at"] <= now:
        state = f"over {ago(row['expires_at'], now)}"
    names = ("scope", "auth_time", "acr", "amr", "created_at", "expires_at")
    return {"id": row["id"], "state": state, **{name: row[name] for name in names}}


def _client(db: Connection, report: Report) -> dict[str, Any] | None:
    if report.client_id is None:
        return None
    client = clients.find_client(db, report.client_id)
    if client is None:
        report.problems.append("its client does not exist (any more)")
        return {"client_id": report.client_id, "state": "unknown"}
    if client.disabled:
        report.problems.append("its client is disabled")
    state = "disabled" if client.disabled else "active"
    return {"client_id": client.client_id, "client_name": client.client_name, "state": state}


def _person(db: Connection, report: Report) -> dict[str, Any] | None:
    if report.user_id is None:
        return None
    user = users.find_by_id(db, report.user_id)
    if user is None or user.is_deleted:
        report.problems.append("its person was deleted")
        return {"id": report.user_id, "state": "deleted"}
    if not user.is_active:
        report.problems.append("its person is disabled")
    return {"id": user.id, "email": user.email, "state": "active" if user.is_active else "disabled"}


def _session(db: Connection, report: Report, now: int) -> dict[str, Any] | None:
    if report.session_id is None:
        return None
    row = sessions.find_by_id(db, report.session_id)
    if row is None:
        return {"id": report.session_id, "state": "over and cleared away"}
    if row["ended_at"] is not None:
        state = f"ended {ago(row['ended_at'], now)}"
    elif row["expires_at"] <= now or row["last_used_at"] + row["idle_seconds"] <= now:
        state = "over"
    else:
        state = "live"
    return {"id": row["id"], "state": state, "authenticated_at": row["authenticated_at"], "acr": row["acr"]}
