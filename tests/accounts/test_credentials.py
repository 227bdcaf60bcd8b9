import asyncio
from functools import partial

import pytest

from server.accounts import credentials, lifecycle, sessions, throttling
from server.accounts.user import User, find
from server.events.names import Event
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, add_authorization, begin_session, events, is_revoked

HOUR = 3600


async def make_link(database: Database, user: User) -> str:
    return await database.run(
        lambda db: credentials.create_password_link(db, user, context=CONTEXT, now=NOW, seconds=HOUR)
    )


async def open_link(database: Database, token: str, now: int = NOW) -> User | None:
    return await database.run(lambda db: credentials.find_password_link(db, token, now))


async def use_link(database: Database, token: str, now: int = NOW) -> User | None:
    return await database.run(lambda db: credentials.consume_password_link(db, token, now))


async def test_a_new_password_ends_everything_but_the_present_session(database: Database, ada: User) -> None:
    kept, kept_cookie = await database.run(lambda db: begin_session(db, ada))
    _, other_cookie = await database.run(lambda db: begin_session(db, ada))
    tokens = [
        await database.run(partial(add_authorization, user=ada, session_id=session_id, scope="offline_access"))
        for session_id in (kept.id, "ses_gone")
    ]
    link = await make_link(database, ada)
    await database.run(
        lambda db: credentials.set_password(db, ada, "$new", context=CONTEXT, now=NOW + 5, except_session_id=kept.id)
    )
    stored = await database.run(lambda db: find(db, ada.id))
    assert stored is not None
    assert (stored.password_hash, stored.password_changed_at) == ("$new", NOW + 5)
    assert await database.run(lambda db: sessions.find(db, kept_cookie, NOW + 5)) is not None
    assert await database.run(lambda db: sessions.find(db, other_cookie, NOW + 5)) is None
    assert [await is_revoked(database, token) for token in tokens] == [True, True]
    assert await open_link(database, link, NOW + 5) is None
    assert len(await database.run(lambda db: events(db, Event.PASSWORD_CHANGED))) == 1


async def test_a_new_password_clears_the_throttle(database: Database, ada: User) -> None:
    keys = (throttling.account_key(ada.id, ""),)
    for _ in range(5):
        await database.run(lambda db: throttling.reserve(db, keys, NOW))
    await database.run(lambda db: credentials.set_password(db, ada, "$new", context=CONTEXT, now=NOW))
    assert await database.run(lambda db: throttling.reserve(db, keys, NOW)) is None


async def test_opening_a_link_uses_nothing_up(database: Database, ada: User) -> None:
    link = await make_link(database, ada)
    assert [await open_link(database, link) for _ in range(3)] == [ada] * 3
    assert await use_link(database, link) == ada


async def test_a_link_works_once_and_takes_the_person_s_others_with_it(
    database: Database, ada: User, grace: User
) -> None:
    first, second, stranger = [await make_link(database, user) for user in (ada, ada, grace)]
    assert await use_link(database, first) == ada
    assert await use_link(database, first) is None
    assert await use_link(database, second) is None
    assert await use_link(database, stranger) == grace


async def test_of_many_uses_at_once_one_succeeds(database: Database, ada: User) -> None:
    link = await make_link(database, ada)
    answers = await asyncio.gather(*(use_link(database, link) for _ in range(8)))
    assert len([answer for answer in answers if answer is not None]) == 1


async def test_of_a_person_s_links_used_at_once_one_works(database: Database, ada: User) -> None:
    links = [await make_link(database, ada) for _ in range(8)]
    answers = await asyncio.gather(*(use_link(database, link) for link in links))
    assert len([answer for answer in answers if answer is not None]) == 1


async def test_a_link_dies_at_its_end(database: Database, ada: User) -> None:
    link = await make_link(database, ada)
    assert await open_link(database, link, NOW + HOUR - 1)
    assert await open_link(database, link, NOW + HOUR) is None
    assert await use_link(database, link, NOW + HOUR) is None


@pytest.mark.parametrize("token", ["", "opw_", "\ud800", "x" * 10_000])
async def test_an_unknown_link_is_none(database: Database, token: str) -> None:
    assert await open_link(database, token) is None
    assert await use_link(database, token) is None


async def test_a_link_of_a_disabled_person_is_none(database: Database, ada: User) -> None:
    link = await make_link(database, ada)
    await database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))
    assert await use_link(database, link) is None


async def test_a_link_is_audited_without_its_secret(database: Database, ada: User) -> None:
    await make_link(database, ada)
    assert await database.run(lambda db: events(db, Event.PASSWORD_LINK_CREATED)) == [{"expires_at": NOW + HOUR}]
