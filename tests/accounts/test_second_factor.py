import asyncio

import pyotp
import pytest

from keys.sealing import Sealer
from server.accounts import known_browser, lifecycle, recovery_codes, second_factor, totp
from server.accounts.throttling import Throttled
from server.accounts.user import User, find
from server.events.names import Event
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, events

OTP = ("otp", "mfa")


def code_at(secret: str, now: int) -> str:
    return pyotp.HOTP(secret).at(now // 30)


@pytest.fixture
async def secret(database: Database, sealer: Sealer, ada: User) -> str:
    made = totp.new_secret()
    before = NOW - 600
    await database.run(
        lambda db: totp.enrol(
            db, sealer, ada.id, made, code_at(made, before), context=CONTEXT, now=before, previous_steps=1
        )
    )
    return made


async def verify(
    database: Database, sealer: Sealer, user: User, code: str, *, now: int = NOW, cookie: str | None = None
) -> tuple[str, ...] | Throttled | None:
    return await database.run(
        lambda db: second_factor.verify(
            db, sealer, user, code, context=CONTEXT, now=now, previous_steps=1, device_cookie=cookie
        )
    )


async def test_a_totp_code_is_a_second_factor_once(database: Database, sealer: Sealer, ada: User, secret: str) -> None:
    assert await verify(database, sealer, ada, code_at(secret, NOW)) == OTP
    assert await verify(database, sealer, ada, code_at(secret, NOW)) is None
    assert await database.run(lambda db: events(db, Event.SECOND_FACTOR_SUCCEEDED)) == [{"method": "totp"}]
    assert await database.run(lambda db: events(db, Event.SECOND_FACTOR_FAILED)) == [{"reason": "wrong_code"}]


@pytest.mark.usefixtures("secret")
async def test_a_recovery_code_is_a_second_factor_once_and_its_use_is_noted(
    database: Database, sealer: Sealer, ada: User
) -> None:
    codes = await database.run(lambda db: recovery_codes.generate(db, ada.id, NOW))
    assert await verify(database, sealer, ada, codes[0].upper()) == OTP
    assert await verify(database, sealer, ada, codes[0]) is None
    assert await database.run(lambda db: events(db, Event.RECOVERY_CODE_USED)) == [{"left": 9}]


@pytest.mark.usefixtures("secret")
async def test_of_one_recovery_code_sent_many_times_at_once_one_counts(
    database: Database, sealer: Sealer, ada: User
) -> None:
    codes = await database.run(lambda db: recovery_codes.generate(db, ada.id, NOW))
    answers = await asyncio.gather(*(verify(database, sealer, ada, codes[0]) for _ in range(4)))
    assert answers.count(OTP) == 1


async def test_wrong_codes_are_throttled_for_the_account(
    database: Database, sealer: Sealer, ada: User, secret: str
) -> None:
    for _ in range(5):
        assert await verify(database, sealer, ada, "000000") is None
    assert await verify(database, sealer, ada, code_at(secret, NOW)) == Throttled(retry_after=1)
    assert await verify(database, sealer, ada, code_at(secret, NOW + 1), now=NOW + 1) == OTP
    assert (await database.run(lambda db: events(db, Event.SIGN_IN_THROTTLED)))[-1] == {"retry_after": 1}


async def test_a_known_browser_is_not_shut_out(database: Database, sealer: Sealer, ada: User, secret: str) -> None:
    for _ in range(5):
        await verify(database, sealer, ada, "000000")
    cookie = known_browser.issue(sealer, ada.id, NOW)
    assert await verify(database, sealer, ada, code_at(secret, NOW), cookie=cookie) == OTP


async def test_a_right_code_forgives(database: Database, sealer: Sealer, ada: User, secret: str) -> None:
    for _ in range(4):
        await verify(database, sealer, ada, "000000")
    assert await verify(database, sealer, ada, code_at(secret, NOW)) == OTP
    for _ in range(4):
        assert await verify(database, sealer, ada, "000000") is None


async def test_recovery_codes_alone_are_no_second_factor(database: Database, sealer: Sealer, ada: User) -> None:
    codes = await database.run(lambda db: recovery_codes.generate(db, ada.id, NOW))
    assert not await database.run(lambda db: second_factor.has_second_factor(db, ada.id))
    assert await verify(database, sealer, ada, codes[0]) is None


@pytest.mark.usefixtures("secret")
async def test_enrolment_is_a_second_factor(database: Database, ada: User, grace: User) -> None:
    assert await database.run(lambda db: second_factor.has_second_factor(db, ada.id))
    assert not await database.run(lambda db: second_factor.has_second_factor(db, grace.id))


async def test_a_reset_takes_everything_away(database: Database, sealer: Sealer, ada: User, secret: str) -> None:
    await database.run(lambda db: recovery_codes.generate(db, ada.id, NOW))
    assert await database.run(lambda db: lifecycle.reset_mfa(db, ada, context=CONTEXT, now=NOW)) == 1
    assert not await database.run(lambda db: second_factor.has_second_factor(db, ada.id))
    assert await database.run(lambda db: recovery_codes.left(db, ada.id)) == 0
    assert await verify(database, sealer, ada, code_at(secret, NOW)) is None


async def test_enrolment_can_be_put_off(database: Database, ada: User) -> None:
    await database.run(lambda db: second_factor.postpone(db, ada.id, NOW + 5))
    stored = await database.run(lambda db: find(db, ada.id))
    assert stored is not None
    assert stored.mfa_postponed_at == NOW + 5
