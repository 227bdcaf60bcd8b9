"""A person in the account console, and what the server wrote down about it."""

import json
from typing import Any

from sqlalchemy import Connection, select

from server.accounts.user import User, find_by_email
from server.events.names import Event
from server.mail import outbox
from server.storage import audit, schema
from tests.support.person import Form, Person
from tests.support.server import RunningServer


async def enter(person: Person) -> None:
    """Sign in to the account and put off the offer of a second factor."""
    await person.visit("/account")
    await person.sign_in()
    if person.title == "Protect your account":
        await person.postpone()
    assert person.title == "Your account", person.text


def form(person: Person, action: str) -> Form:
    """Return the form of the present page that leads there."""
    return next(one for one in person.page.forms if one.action.endswith(action))


async def account_of(server: RunningServer, email: str) -> User:
    """Return the account of this address as it is stored now."""
    user = await server.run(lambda db: find_by_email(db, email))
    assert user is not None
    return user


async def alice_of(server: RunningServer) -> User:
    return await account_of(server, "alice@example.com")


async def events(server: RunningServer, event: Event) -> list[dict[str, Any]]:
    """Return the audit rows of one kind."""

    def work(db: Connection) -> list[dict[str, Any]]:
        return [dict(row) for row in audit.list_rows(db, event=event.value)]

    return await server.run(work)


async def event_names(server: RunningServer) -> list[str]:
    """Return what the newest audit rows are about."""
    return [row["event"] for row in await server.run(lambda db: audit.list_rows(db, limit=100))]


async def mails(server: RunningServer, template: str) -> list[dict[str, Any]]:
    """Return the mails of one kind that wait in the outbox."""
    rows = await server.run(lambda db: db.execute(select(schema.outbox)).mappings().all())
    sealer = server.services.sealer
    opened = [json.loads(sealer.unseal(row["sealed"], context=outbox.context_of(row["id"]))) for row in rows]
    return [mail for mail in opened if mail["template"] == template]
