import asyncio

import pytest
from sqlalchemy import func, select

from server.accounts import throttling
from server.accounts.throttling import (
    POLICIES,
    Kind,
    Throttled,
    ThrottleKey,
    account_key,
    address_key,
    client_key,
    known_browser_key,
    second_factor_key,
)
from server.storage import schema
from server.storage.database import Database
from tests.accounts.rows import NOW

ACCOUNT = account_key("usr_ada", "ada@example.com")
ADDRESS = address_key("192.0.2.7")


async def reserve(database: Database, *keys: ThrottleKey, now: int = NOW) -> Throttled | None:
    return await database.run(lambda db: throttling.reserve(db, keys, now))


async def failures(database: Database, key: ThrottleKey) -> int:
    table = schema.throttles
    statement = select(func.coalesce(func.sum(table.c.failures), 0)).where(table.c.digest == key.digest)
    return int(await database.run(lambda db: db.execute(statement).scalar_one()))


async def test_four_wrong_guesses_are_free_and_the_fifth_starts_the_delays(database: Database) -> None:
    now = NOW
    for delay in (0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
        assert await reserve(database, ACCOUNT, now=now) is None
        if delay:
            assert await reserve(database, ACCOUNT, now=now) == Throttled(retry_after=delay)
            assert await reserve(database, ACCOUNT, now=now + delay - 1) == Throttled(retry_after=1)
        now += delay


async def test_a_throttled_guess_is_not_counted(database: Database) -> None:
    for _ in range(5):
        await reserve(database, ACCOUNT)
    for _ in range(10):
        assert await reserve(database, ACCOUNT)
    assert await failures(database, ACCOUNT) == 5


async def test_a_hundred_failures_in_a_row_block_for_a_day(database: Database) -> None:
    """NIST SP 800-63B-4 section 3.2.2."""
    now = NOW
    for _ in range(100):
        assert await reserve(database, ACCOUNT, now=now) is None
        now += 900
    last = now - 900
    assert await reserve(database, ACCOUNT, now=now) == Throttled(retry_after=last + 86_400 - now)
    assert await reserve(database, ACCOUNT, now=last + 86_399) == Throttled(retry_after=1)
    assert await reserve(database, ACCOUNT, now=last + 86_400) is None
    assert await failures(database, ACCOUNT) == 1


async def test_success_clears_an_account_and_gives_an_address_one_guess_back(database: Database) -> None:
    for _ in range(3):
        await reserve(database, ADDRESS, ACCOUNT)
    await database.run(lambda db: throttling.succeeded(db, (ADDRESS, ACCOUNT)))
    assert await failures(database, ACCOUNT) == 0
    assert await failures(database, ADDRESS) == 2


async def test_a_guess_that_was_never_checked_is_taken_back(database: Database) -> None:
    await reserve(database, ADDRESS, ACCOUNT)
    await reserve(database, ADDRESS, ACCOUNT)
    await database.run(lambda db: throttling.withdraw(db, (ADDRESS, ACCOUNT)))
    assert await failures(database, ACCOUNT) == 1
    assert await failures(database, ADDRESS) == 1


async def test_failures_are_forgotten_after_a_day_without_any(database: Database) -> None:
    for _ in range(4):
        await reserve(database, ACCOUNT)
    await reserve(database, ACCOUNT, now=NOW + 86_399)
    assert await failures(database, ACCOUNT) == 5
    await reserve(database, ACCOUNT, now=NOW + 86_399 + 86_400)
    assert await failures(database, ACCOUNT) == 1


async def test_an_address_has_fifty_guesses_then_rising_delays(database: Database) -> None:
    for _ in range(50):
        assert await reserve(database, ADDRESS) is None
    now = NOW
    for delay in (12, 24):  # both before the first failure fades
        assert await reserve(database, ADDRESS, now=now) == Throttled(retry_after=delay)
        now += delay
        assert await reserve(database, ADDRESS, now=now) is None
    assert await reserve(database, ADDRESS, now=now) == Throttled(retry_after=48)


async def test_one_failure_of_an_address_fades_a_minute(database: Database) -> None:
    for _ in range(40):
        await reserve(database, ADDRESS)
    await reserve(database, ADDRESS, now=NOW + 59)
    assert await failures(database, ADDRESS) == 41
    await reserve(database, ADDRESS, now=NOW + 60)  # the 59 seconds were not lost
    assert await failures(database, ADDRESS) == 41
    await reserve(database, ADDRESS, now=NOW + 60 + 600)
    assert await failures(database, ADDRESS) == 32
    await reserve(database, ADDRESS, now=NOW + 60 + 600 + 6000)
    assert await failures(database, ADDRESS) == 1


async def test_a_clock_that_steps_back_counts_on(database: Database) -> None:
    for now in (NOW, NOW - 5000, NOW):
        await reserve(database, ADDRESS, ACCOUNT, now=now)
    assert await failures(database, ADDRESS) == 3
    assert await failures(database, ACCOUNT) == 3


async def test_a_blocked_address_does_not_count_against_the_account(database: Database) -> None:
    for _ in range(50):
        await reserve(database, ADDRESS)
    assert await reserve(database, ADDRESS, ACCOUNT) == Throttled(retry_after=12)
    assert await failures(database, ACCOUNT) == 0


async def test_a_blocked_account_does_not_count_against_the_address(database: Database) -> None:
    for _ in range(5):
        await reserve(database, ACCOUNT)
    assert await reserve(database, ADDRESS, ACCOUNT) == Throttled(retry_after=1)
    assert await failures(database, ADDRESS) == 0


async def test_parallel_guesses_do_not_slip_through(database: Database) -> None:
    answers = await asyncio.gather(*(reserve(database, ADDRESS, ACCOUNT) for _ in range(32)))
    assert answers.count(None) == 5
    assert await failures(database, ACCOUNT) == 5


async def test_parallel_guesses_at_many_accounts_never_wait_for_each_other_in_a_circle(database: Database) -> None:
    keys = [account_key(f"usr_{number}", "") for number in range(6)]
    pairs = [(keys[i], keys[j]) for i in range(6) for j in range(6) if i != j]
    assert await asyncio.gather(*(reserve(database, *pair) for pair in pairs[:4])) == [None] * 4
    await asyncio.gather(*(reserve(database, *pair) for pair in pairs))


async def test_without_keys_nothing_is_throttled(database: Database) -> None:
    assert await reserve(database) is None


async def test_names_of_accounts_are_not_stored(database: Database) -> None:
    await reserve(database, account_key(None, "ada@example.com"), ADDRESS)
    stored = await database.run(lambda db: str(db.execute(select(schema.throttles)).all()))
    assert "ada" not in stored
    assert "192.0.2.7" not in stored


@pytest.mark.parametrize("spelling", ["ADA@example.com", " ada@Example.COM ", "\N{FULLWIDTH LATIN SMALL LETTER A}da"])
def test_an_unknown_account_has_one_counter_for_its_spellings(spelling: str) -> None:
    same = account_key(None, spelling) == account_key(None, "ada@example.com")
    assert same == ("@" in spelling)


@pytest.mark.parametrize("identifier", ["", "\ud800", "\0", "x" * 100_000])
async def test_any_identifier_can_be_counted(database: Database, identifier: str) -> None:
    assert await reserve(database, account_key(None, identifier)) is None


def test_known_accounts_unknown_ones_and_browsers_never_share_a_counter() -> None:
    keys = [
        account_key("usr_a", ""),
        account_key(None, "usr_a"),
        account_key(None, "user:usr_a"),
        known_browser_key("usr_a", "brw_1"),
        known_browser_key("usr_a", "brw_2"),
        second_factor_key("usr_a"),
        second_factor_key("usr_a", "brw_1"),
        client_key("usr_a", "192.0.2.7"),
        client_key("usr_a", "192.0.2.8"),
        address_key("usr_a"),
    ]
    assert len({key.digest for key in keys}) == len(keys)


def test_an_ipv6_network_and_a_mapped_ipv4_address_are_one_address() -> None:
    assert address_key("2001:db8:1:2::1") == address_key("2001:db8:1:2:ffff::9")
    assert address_key("2001:db8:1:2::1") != address_key("2001:db8:1:3::1")
    assert address_key("::ffff:192.0.2.7") == address_key("192.0.2.7")


def test_no_number_of_failures_breaks_a_policy() -> None:
    assert POLICIES[Kind.ADDRESS].delay(2**31 - 1) == 900
    assert POLICIES[Kind.ACCOUNT].delay(2**31 - 1) == 86_400


async def test_an_account_is_forgiven_on_request(database: Database) -> None:
    for _ in range(5):
        await reserve(database, ACCOUNT)
    await database.run(lambda db: throttling.forgive_account(db, "usr_ada"))
    assert await reserve(database, ACCOUNT) is None
