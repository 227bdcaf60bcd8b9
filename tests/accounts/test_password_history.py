"""Passwords that a person had before, and what changing one tells and ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, select

from keys.sealing import Sealer
from server.accounts import credentials, lifecycle, sessions
from server.accounts.password_policy import check_all
from server.accounts.passwords import PasswordHasher
from server.accounts.user import User, find
from server.events.names import Event
from server.mail.outbox import context_of
from server.settings import Settings
from server.storage import password_history, schema
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, begin_session, events

OLD, NEW = "violet harbour teapots", "seven lanterns adrift"


@pytest.fixture
async def hasher() -> AsyncIterator[PasswordHasher]:
    made = PasswordHasher(time_cost=1, memory_kib=32, parallel=1, queue=4)
    yield made
    made.close()


async def set_password(database: Database, user: User, password_hash: str, **options: Any) -> None:
    values = {"context": CONTEXT, "now": NOW, **options}
    await database.run(lambda db: credentials.set_password(db, user, password_hash, **values))


async def stored(database: Database, user: User) -> User:
    found = await database.run(lambda db: find(db, user.id))
    assert found is not None
    return found


async def former(database: Database, user: User, count: int) -> list[str]:
    present = await stored(database, user)
    return await database.run(lambda db: credentials.former_hashes(db, present, count))


async def mails(database: Database, sealer: Sealer) -> list[dict[str, Any]]:
    def read(db: Connection) -> list[dict[str, Any]]:
        rows = db.execute(select(schema.outbox).order_by(schema.outbox.c.created_at)).mappings()
        return [json.loads(sealer.unseal(row["sealed"], context=context_of(row["id"]))) for row in rows]

    return await database.run(read)


async def test_the_replaced_hashes_are_kept_the_newest_first_and_no_more_than_asked(
    database: Database, ada: User
) -> None:
    for number in range(5):
        await set_password(database, ada, f"$hash{number}", now=NOW + number, history=3)
    assert await former(database, ada, 24) == ["$hash4", "$hash3", "$hash2", "$hash1"]
    assert await former(database, ada, 1) == ["$hash4", "$hash3"]
    assert await former(database, ada, 0) == []


async def test_without_history_nothing_is_kept(database: Database, ada: User) -> None:
    await set_password(database, ada, "$one", history=3)
    await set_password(database, ada, "$two", history=0)
    assert await database.run(lambda db: password_history.list_of_user(db, ada.id, 24)) == []


async def test_the_hash_that_is_kept_is_the_stored_one_not_what_the_caller_remembers(
    database: Database, ada: User
) -> None:
    await set_password(database, ada, "$one")
    await set_password(database, ada, "$two", now=NOW + 1)
    assert await former(database, ada, 24) == ["$two", "$one", "$argon2id$stored"]


async def test_an_unsalted_hash_is_not_kept(database: Database, ada: User) -> None:
    await set_password(database, ada, "sha256$" + "0" * 64, history=0)
    await set_password(database, ada, "$new")
    assert await former(database, ada, 24) == ["$new"]


async def test_the_history_of_one_person_is_not_anothers(database: Database, ada: User, grace: User) -> None:
    await set_password(database, ada, "$one")
    await set_password(database, grace, "$two", history=0)
    assert await former(database, ada, 24) == ["$one", "$argon2id$stored"]


async def test_present_and_former_passwords_are_refused_and_others_are_not(
    database: Database, ada: User, hasher: PasswordHasher
) -> None:
    settings = Settings.model_validate({"password_history": 2})
    for day, password in enumerate(("forgotten long ago, that one", OLD, "between one and the other", NEW)):
        await set_password(database, ada, await hasher.hash(password), history=2, now=NOW + 86_400 * day)
    hashes = await former(database, ada, 2)
    refusal = ["You have used this password before. Choose one that is new here."]
    assert await check_all(hasher, settings, NEW, former_hashes=hashes) == refusal
    assert await check_all(hasher, settings, OLD, former_hashes=hashes) == refusal
    assert await check_all(hasher, settings, "forgotten long ago, that one", former_hashes=hashes) == []


async def test_where_something_else_is_wrong_no_former_password_is_tried(hasher: PasswordHasher) -> None:
    problems = await check_all(
        hasher, Settings.model_validate({}), "zk!7qFw#", former_hashes=[await hasher.hash("zk!7qFw#")]
    )
    assert problems == ["This password is too short: it must have at least 15 characters."]


async def test_a_mail_tells_of_the_new_password(database: Database, ada: User, sealer: Sealer) -> None:
    await set_password(database, ada, "$new", notify=sealer)
    assert await mails(database, sealer) == [
        {
            "to": "Ada@Example.com",
            "template": "password_changed",
            "language": None,
            "values": {"name": "Ada Lovelace", "device": "Firefox", "time": NOW},
        }
    ]


async def test_without_a_sealer_there_is_no_mail(database: Database, ada: User, sealer: Sealer) -> None:
    await set_password(database, ada, "$new")
    assert await mails(database, sealer) == []


async def change(database: Database, user: User, sealer: Sealer, session_id: str, **options: Any) -> bool:
    values: dict[str, Any] = {
        "session_id": session_id,
        "verified_hash": user.password_hash,
        "notify": sealer,
        "context": CONTEXT,
        "now": NOW,
        **options,
    }
    new_hash = values.pop("new_hash", "$changed")
    return await database.run(partial(credentials.change_password, user=user, new_hash=new_hash, **values))


async def test_changing_it_keeps_this_session_and_ends_the_others(
    database: Database, ada: User, sealer: Sealer
) -> None:
    kept, kept_cookie = await database.run(lambda db: begin_session(db, ada))
    _, other_cookie = await database.run(lambda db: begin_session(db, ada))
    assert await change(database, ada, sealer, kept.id)
    assert (await stored(database, ada)).password_hash == "$changed"
    assert await database.run(lambda db: sessions.find(db, kept_cookie, NOW)) is not None
    assert await database.run(lambda db: sessions.find(db, other_cookie, NOW)) is None
    assert [mail["values"]["device"] for mail in await mails(database, sealer)] == ["Firefox"]
    assert len(await database.run(lambda db: events(db, Event.PASSWORD_CHANGED))) == 1


async def test_of_two_changes_at_once_one_is_made(database: Database, ada: User, sealer: Sealer) -> None:
    session, _ = await database.run(lambda db: begin_session(db, ada))
    answers = await asyncio.gather(
        *(change(database, ada, sealer, session.id, new_hash=f"$changed{number}") for number in range(4))
    )
    assert sorted(answers) == [False, False, False, True]
    assert len(await mails(database, sealer)) == 1
    assert len(await database.run(lambda db: events(db, Event.PASSWORD_CHANGED))) == 1


async def test_whoever_was_shut_out_meanwhile_changes_nothing(database: Database, ada: User, sealer: Sealer) -> None:
    session, _ = await database.run(lambda db: begin_session(db, ada))
    await database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))
    assert not await change(database, ada, sealer, session.id)
    assert (await stored(database, ada)).password_hash == "$argon2id$stored"
