import asyncio
import re

from sqlalchemy import select

from server.accounts import recovery_codes
from server.accounts.user import User
from server.storage import schema
from server.storage.database import Database
from tests.accounts.rows import NOW


async def make(database: Database, user: User) -> list[str]:
    return await database.run(lambda db: recovery_codes.generate(db, user.id, NOW))


async def consume(database: Database, user: User, code: str) -> bool:
    return await database.run(lambda db: recovery_codes.consume(db, user.id, code, NOW))


async def test_a_set_has_ten_readable_codes_of_130_bits(database: Database, ada: User) -> None:
    codes = await make(database, ada)
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"([a-z2-7]{4}-){6}[a-z2-7]{2}", code) for code in codes)
    assert await database.run(lambda db: recovery_codes.left(db, ada.id)) == 10


async def test_only_digests_are_stored(database: Database, ada: User) -> None:
    codes = await make(database, ada)
    rows = await database.run(lambda db: str(db.execute(select(schema.recovery_codes)).all()))
    assert not any(code in rows or code.replace("-", "") in rows for code in codes)


async def test_a_code_is_good_once(database: Database, ada: User) -> None:
    code = (await make(database, ada))[3]
    assert await consume(database, ada, code)
    assert not await consume(database, ada, code)
    assert await database.run(lambda db: recovery_codes.left(db, ada.id)) == 9


async def test_a_code_used_many_times_at_once_counts_once(database: Database, ada: User) -> None:
    code = (await make(database, ada))[0]
    answers = await asyncio.gather(*(consume(database, ada, code) for _ in range(16)))
    assert sorted(answers) == [False] * 15 + [True]


async def test_case_spaces_and_hyphens_do_not_matter(database: Database, ada: User) -> None:
    codes = await make(database, ada)
    assert await consume(database, ada, f"  {codes[0].upper()}\n")
    assert await consume(database, ada, codes[1].replace("-", " "))
    assert await consume(database, ada, codes[2].replace("-", ""))


async def test_a_new_set_kills_the_old_one(database: Database, ada: User) -> None:
    old = await make(database, ada)
    new = await make(database, ada)
    assert not await consume(database, ada, old[0])
    assert await consume(database, ada, new[0])


async def test_of_two_sets_made_at_once_one_lives(database: Database, ada: User) -> None:
    sets = await asyncio.gather(*(make(database, ada) for _ in range(4)))
    assert await database.run(lambda db: recovery_codes.left(db, ada.id)) == 10
    alive = [[await consume(database, ada, code) for code in codes] for codes in sets]
    assert sorted(sum(works) for works in alive) == [0, 0, 0, 10]


async def test_another_person_s_code_is_wrong(database: Database, ada: User, grace: User) -> None:
    code = (await make(database, ada))[0]
    assert not await consume(database, grace, code)


async def test_what_is_no_code_is_wrong(database: Database, ada: User) -> None:
    await make(database, ada)
    for text in ("", "123456", "a" * 25, "a" * 27, "1" * 26, "\ud800" * 26, "\0" * 26):
        assert not await consume(database, ada, text)
