import asyncio
import functools
import json
from typing import Any

import pytest
from sqlalchemy import Column, Connection, select

from keys.sealing import Sealer
from server.accounts import email_codes, mailing, second_factor, user
from server.accounts.throttling import Throttled
from server.accounts.user import User
from server.events.names import Event
from server.mail.outbox import context_of
from server.settings import Settings
from server.storage import schema, users
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, events

HERE = "oin_here"
ON = Settings.model_validate({"email_codes": True})
OFF = Settings.model_validate({})


@pytest.fixture
async def reader(database: Database, sealer: Sealer, ada: User) -> User:
    """Ada, with a verified address and codes by e-mail."""
    await database.run(lambda db: users.update_fields(db, ada.id, {"email_verified": True}, now=NOW))
    verified = await load(database, ada)
    assert await database.run(lambda db: email_codes.enable(db, sealer, verified, context=CONTEXT, now=NOW))
    return await load(database, ada)


async def load(database: Database, person: User) -> User:
    found = await database.run(lambda db: user.find(db, person.id))
    assert found is not None
    return found


async def send(
    database: Database, sealer: Sealer, person: User, now: int = NOW, *, rate_limits: bool = True
) -> Throttled | None:
    return await database.run(
        lambda db: email_codes.send(db, sealer, person, binding=HERE, context=CONTEXT, now=now, rate_limits=rate_limits)
    )


async def mails(database: Database, sealer: Sealer, template: str) -> list[dict[str, object]]:
    rows = await database.run(
        lambda db: db.execute(select(schema.outbox).order_by(schema.outbox.c.created_at)).mappings().all()
    )
    opened = [json.loads(sealer.unseal(row["sealed"], context=context_of(row["id"]))) for row in rows]
    return [mail for mail in opened if mail["template"] == template]


async def sent_code(database: Database, sealer: Sealer, person: User, now: int = NOW) -> str:
    """Send a code and read it in the mail."""
    before = {str(mail) for mail in await mails(database, sealer, "email_code")}
    assert await send(database, sealer, person, now) is None
    new = [mail for mail in await mails(database, sealer, "email_code") if str(mail) not in before]
    values = new[0]["values"]
    assert isinstance(values, dict)
    return str(values["code"])


async def accept(
    database: Database, sealer: Sealer, person: User, code: str, *, now: int = NOW, binding: str = HERE
) -> bool:
    return await database.run(lambda db: email_codes.accept(db, sealer, person.id, code, binding=binding, now=now))


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_only_a_verified_address_can_have_codes(database: Database, sealer: Sealer, ada: User) -> None:
    assert not await database.run(lambda db: email_codes.enable(db, sealer, ada, context=CONTEXT, now=NOW))
    assert not email_codes.is_on(ON, await load(database, ada))


async def test_switching_on_and_off_is_audited_and_told(database: Database, sealer: Sealer, reader: User) -> None:
    assert email_codes.is_on(ON, reader)
    assert not email_codes.is_on(OFF, reader)
    assert len(await database.run(lambda db: events(db, Event.EMAIL_FACTOR_ENABLED))) == 1
    assert len(await mails(database, sealer, "factor_added")) == 1
    remove = second_factor.remove
    assert await database.run(lambda db: remove(db, sealer, reader, "email", context=CONTEXT, now=NOW))
    again = await load(database, reader)
    assert not email_codes.is_on(ON, again)
    assert not await database.run(lambda db: remove(db, sealer, again, "email", context=CONTEXT, now=NOW))
    assert len(await database.run(lambda db: events(db, Event.EMAIL_FACTOR_DISABLED))) == 1
    assert len(await mails(database, sealer, "factor_removed")) == 1


async def test_a_code_has_six_digits_and_works_once(database: Database, sealer: Sealer, reader: User) -> None:
    code = await sent_code(database, sealer, reader)
    assert len(code) == 6
    assert code.isdigit()
    assert await accept(database, sealer, reader, f" {code[:3]} {code[3:]}\n")
    assert not await accept(database, sealer, reader, code)
    assert len(await database.run(lambda db: events(db, Event.EMAIL_CODE_SENT))) == 1


async def test_a_code_lives_for_ten_minutes(database: Database, sealer: Sealer, reader: User) -> None:
    code = await sent_code(database, sealer, reader)
    assert not await accept(database, sealer, reader, code, now=NOW + 600)
    assert await accept(database, sealer, reader, code, now=NOW + 599)


async def test_a_new_code_kills_the_one_before(database: Database, sealer: Sealer, reader: User) -> None:
    first = await sent_code(database, sealer, reader)
    second = await sent_code(database, sealer, reader, NOW + 1)
    assert first == second or not await accept(database, sealer, reader, first)
    assert await accept(database, sealer, reader, second)


async def test_the_fifth_wrong_code_kills_the_right_one(database: Database, sealer: Sealer, reader: User) -> None:
    code = await sent_code(database, sealer, reader)
    for _ in range(5):
        assert not await accept(database, sealer, reader, wrong(code))
    assert not await accept(database, sealer, reader, code)


async def test_four_wrong_codes_do_not(database: Database, sealer: Sealer, reader: User) -> None:
    code = await sent_code(database, sealer, reader)
    for text in (wrong(code), "", "\ud800", "1" * 10_000):
        assert not await accept(database, sealer, reader, text)
    assert await accept(database, sealer, reader, code)


async def test_tries_made_at_once_are_counted(database: Database, sealer: Sealer, reader: User) -> None:
    code = await sent_code(database, sealer, reader)
    await asyncio.gather(*(accept(database, sealer, reader, wrong(code)) for _ in range(12)))
    assert not await accept(database, sealer, reader, code)


async def test_a_code_used_many_times_at_once_counts_once(database: Database, sealer: Sealer, reader: User) -> None:
    code = await sent_code(database, sealer, reader)
    answers = await asyncio.gather(*(accept(database, sealer, reader, code) for _ in range(12)))
    assert sorted(answers) == [False] * 11 + [True]


async def test_a_code_is_good_only_where_it_was_asked_for(
    database: Database, sealer: Sealer, reader: User, grace: User
) -> None:
    code = await sent_code(database, sealer, reader)
    assert not await accept(database, sealer, reader, code, binding="oin_elsewhere")
    assert not await accept(database, sealer, grace, code)
    assert await accept(database, sealer, reader, code)


async def test_a_mailbox_is_not_flooded(database: Database, sealer: Sealer, reader: User) -> None:
    answers = [await send(database, sealer, reader) for _ in range(6)]
    assert answers[:5] == [None] * 5
    assert isinstance(answers[5], Throttled)
    assert len(await mails(database, sealer, "email_code")) == 5
    assert await send(database, sealer, reader, rate_limits=False) is None


async def test_mails_that_strangers_have_sent_use_up_no_codes(database: Database, sealer: Sealer, reader: User) -> None:
    """Whoever knows the address alone must not keep its owner out."""
    for _ in range(10):
        await database.run(lambda db: mailing.allow(db, mailing.mailbox_key(reader.id), context=CONTEXT, now=NOW))
    assert await send(database, sealer, reader) is None


async def test_a_code_by_mail_adds_no_mfa(database: Database, sealer: Sealer, reader: User) -> None:
    """RFC 8176 section 2; NIST SP 800-63B-4 section 3.1.3.1: e-mail is no authenticator."""
    code = await sent_code(database, sealer, reader)

    async def verify(binding: str | None) -> object:
        return await database.run(
            lambda db: second_factor.verify(
                db, sealer, reader, code, context=CONTEXT, now=NOW, previous_steps=1, email_binding=binding
            )
        )

    assert await verify(None) is None
    assert await verify(HERE) == ("otp",)
    succeeded = await database.run(lambda db: events(db, Event.SECOND_FACTOR_SUCCEEDED))
    assert succeeded == [{"method": "email"}]


def _column(column: Column[Any], db: Connection) -> list[Any]:
    return list(db.execute(select(column)).scalars())


async def test_no_code_is_stored_in_clear(database: Database, sealer: Sealer, reader: User) -> None:
    code = await sent_code(database, sealer, reader)
    for column in (schema.one_time.c.payload, schema.outbox.c.sealed, schema.audit_log.c.details):
        stored = await database.run(functools.partial(_column, column))
        assert code not in [str(value) for value in stored]
        assert f'"{code}"' not in str(stored)
