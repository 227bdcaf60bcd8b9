"""A person's own copy: everything about them, nothing about others, no secret."""

import json
from typing import Any

import pyotp
from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import credentials, export, recovery_codes, registration, totp
from server.accounts.user import User
from server.events.names import Event
from server.storage import personal, schema
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, add_authorization, begin_session, events

SECRET_WORDS = ("digest", "hash", "sealed", "salt", "secret", "payload")


def _collect(db: Connection, user: User) -> dict[str, Any]:
    return export.collect(db, user, issuer="https://login.example.com", context=CONTEXT, now=NOW)


def test_every_table_about_people_is_in_the_copy() -> None:
    about = {table for table in schema.metadata.tables.values() if "user_id" in table.c or table is schema.users}
    assert about == set(personal.WITHHELD)


def test_what_is_held_back_is_exactly_what_could_be_a_secret() -> None:
    for table, withheld in personal.WITHHELD.items():
        assert withheld <= set(table.c.keys()), table
        given = [name for name in table.c.keys() if name not in withheld]  # noqa: SIM118  columns are not their names
        assert not [name for name in given if any(word in name for word in SECRET_WORDS)], table


async def test_the_copy_holds_what_is_known_and_is_json(database: Database, ada: User) -> None:
    session, _ = await database.run(lambda db: begin_session(db, ada))
    await database.run(lambda db: add_authorization(db, ada, session.id))
    document = await database.run(lambda db: _collect(db, ada))
    assert json.loads(json.dumps(document)) == document
    assert document["account"]["email"] == "Ada@Example.com"
    assert document["account"]["created_at"] == "2027-01-15T08:00:00Z"
    assert document["claims"]["name"] == "Ada Lovelace"
    assert [one["id"] for one in document["sessions"]] == [session.id]
    assert [one["client_id"] for one in document["authorizations"]] == ["cli_a"]
    assert [one["event"] for one in document["activity"]] == ["user.created", "data.exported"]
    assert len(await database.run(lambda db: events(db, Event.DATA_EXPORTED))) == 1


async def test_no_secret_and_nobody_else_is_in_the_copy(
    database: Database, sealer: Sealer, ada: User, grace: User
) -> None:
    def work(db: Connection) -> tuple[list[str], str]:
        credentials.create_password_link(db, ada, context=CONTEXT, now=NOW, seconds=900)
        secret = totp.new_secret()
        code = pyotp.TOTP(secret).at(NOW)
        assert totp.enrol(db, sealer, ada.id, secret, code, context=CONTEXT, now=NOW, previous_steps=1)
        registration.update(db, grace, context=CONTEXT, now=NOW, organization="Navy")
        codes = recovery_codes.generate(db, ada.id, NOW)
        _, cookie = begin_session(db, ada)
        return [cookie, secret, *codes], json.dumps(_collect(db, ada))

    secrets, text = await database.run(work)
    assert not [secret for secret in secrets if secret in text]
    assert "argon2" not in text
    assert "Hopper" not in text
    assert grace.id not in text
