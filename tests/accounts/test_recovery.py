import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from keys.sealing import Sealer
from server.accounts import credentials, lifecycle, recovery, registration
from server.accounts.identifiers import InvalidIdentifierError
from server.accounts.user import User, find
from server.events.names import Event
from server.mail.outbox import TOPIC, Mail, unseal
from server.settings import Settings
from server.storage import outbox, schema
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, events

SETTINGS = Settings.model_validate({"issuer": "https://login.example.com"})


def mails(db: Connection, sealer: Sealer) -> list[Mail]:
    return [unseal(sealer, item) for item in outbox.list_items(db, TOPIC)]


async def ask(database: Database, email: str, sealer: Sealer, **details: Any) -> None:
    values = {"settings": SETTINGS, "context": CONTEXT, "now": NOW, **details}
    await database.run(lambda db: recovery.request(db, email, sealer=sealer, **values))


async def make_token(database: Database, user: User, sealer: Sealer) -> str:
    await ask(database, user.email, sealer)
    found = [mail for mail in await database.run(lambda db: mails(db, sealer)) if mail.to == user.email]
    return str(found[-1].values["link"]).partition("token=")[2]


async def use(database: Database, token: str, sealer: Sealer, *, now: int = NOW) -> User | None:
    return await database.run(
        lambda db: recovery.consume(db, token, "$new", sealer=sealer, settings=SETTINGS, context=CONTEXT, now=now)
    )


async def test_of_many_uses_at_once_one_sets_the_password(database: Database, ada: User, sealer: Sealer) -> None:
    token = await make_token(database, ada, sealer)
    results = await asyncio.gather(*(use(database, token, sealer) for _ in range(8)))
    assert [user.id for user in results if user is not None] == [ada.id]
    assert len(await database.run(lambda db: events(db, Event.PASSWORD_CHANGED))) == 1
    stored = await database.run(lambda db: find(db, ada.id))
    assert stored is not None
    assert (stored.password_hash, stored.email_verified) == ("$new", True)


async def test_an_operators_link_proves_no_address(database: Database, ada: User, sealer: Sealer) -> None:
    token = await database.run(
        lambda db: credentials.create_password_link(db, ada, context=CONTEXT, now=NOW, seconds=3600)
    )
    assert await use(database, token, sealer) is not None
    stored = await database.run(lambda db: find(db, ada.id))
    assert stored is not None
    assert not stored.email_verified


async def test_for_an_unknown_address_nothing_stays_but_the_record(database: Database, sealer: Sealer) -> None:
    await ask(database, "nobody@example.com", sealer)

    def count(db: Connection) -> int:
        tables = (schema.one_time, schema.outbox)
        return sum(db.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)

    assert await database.run(count) == 0
    assert await database.run(lambda db: events(db, Event.PASSWORD_RESET_REQUESTED)) == [{"is_throttled": False}]


async def test_a_disabled_person_gets_no_mail(database: Database, ada: User, sealer: Sealer) -> None:
    await database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))
    await ask(database, ada.email, sealer)
    assert await database.run(lambda db: mails(db, sealer)) == []


async def test_the_mail_goes_to_the_stored_spelling(database: Database, ada: User, sealer: Sealer) -> None:
    """`straße@` and `strasse@` are one account here and may be two mailboxes elsewhere."""
    await ask(database, " ADA@EXAMPLE.COM ", sealer)
    (mail,) = await database.run(lambda db: mails(db, sealer))
    assert (mail.to, mail.template) == (ada.email, "reset_password")


async def test_a_mailed_link_dies_with_the_address(database: Database, ada: User, sealer: Sealer) -> None:
    token = await make_token(database, ada, sealer)
    await database.run(lambda db: registration.update(db, ada, email="ada@new.example", context=CONTEXT, now=NOW))
    assert await use(database, token, sealer) is None


async def test_all_spellings_share_one_counter_and_known_and_unknown_count_alike(
    database: Database, ada: User, sealer: Sealer
) -> None:
    for email in (ada.email, ada.email.upper(), ada.email.lower(), "nobody@example.com", "NOBODY@example.com") * 4:
        await ask(database, email, sealer)
    recorded = await database.run(lambda db: events(db, Event.PASSWORD_RESET_REQUESTED))
    flags = [details["is_throttled"] for details in recorded]
    assert flags.count(False) == 10
    assert len(await database.run(lambda db: mails(db, sealer))) == 5


async def test_what_is_no_address_is_refused(database: Database, sealer: Sealer) -> None:
    with pytest.raises(InvalidIdentifierError):
        await ask(database, "nobody", sealer)
