"""Rows that the tests of accounts need around what they test."""

from typing import Any

from sqlalchemy import Connection, insert, select

from server.accounts import registration, sessions
from server.accounts.sessions import Lifetime, Session
from server.accounts.user import User
from server.events.context import Context
from server.events.names import Event
from server.storage import audit, authorizations, schema
from server.storage.database import Database
from server.tokens import opaque

NOW = 1_800_000_000
LIFETIME = Lifetime(idle_seconds=1800, absolute_seconds=28_800)
CONTEXT = Context(request_id="req_1", address="192.0.2.7", user_agent="Firefox")


def add_user(db: Connection, email: str, **details: Any) -> User:
    values = {"password_hash": "$argon2id$stored", "context": CONTEXT, "now": NOW, **details}
    return registration.register(db, email=email, **values)


def begin_session(db: Connection, user: User, now: int = NOW) -> tuple[Session, str]:
    return sessions.begin(db, user.id, amr=("pwd",), lifetime=LIFETIME, context=CONTEXT, now=now)


def add_client(db: Connection, client_id: str) -> None:
    known = db.execute(select(schema.clients).where(schema.clients.c.client_id == client_id)).first()
    if known is None:
        row = {"client_id": client_id, "metadata": {}, "created_at": NOW, "updated_at": NOW}
        db.execute(insert(schema.clients), row)


def add_authorization(
    db: Connection, user: User, session_id: str, *, client_id: str = "cli_a", scope: str = "openid"
) -> str:
    add_client(db, client_id)
    authorization_id = opaque.new_identifier("aut_")
    row = {
        "id": authorization_id,
        "user_id": user.id,
        "client_id": client_id,
        "session_id": session_id,
        "scope": scope,
        "claims": {},
        "auth_time": NOW,
        "acr": "aal1",
        "amr": ["pwd"],
        "created_at": NOW,
        "expires_at": NOW + 86_400,
        "revoked_at": None,
    }
    authorizations.add(db, row)
    return authorization_id


async def is_revoked(database: Database, authorization_id: str) -> bool:
    table = schema.authorizations
    statement = select(table.c.revoked_at).where(table.c.id == authorization_id)
    return await database.run(lambda db: db.execute(statement).scalar_one()) is not None


def events(db: Connection, event: Event) -> list[dict[str, Any]]:
    """The details of the recorded events of one kind, the newest first."""
    return [dict(row["details"]) for row in audit.list_rows(db, event=event.value)]
