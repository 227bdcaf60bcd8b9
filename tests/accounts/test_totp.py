import asyncio
import base64
from xml.etree import ElementTree as ET

import pyotp
import pytest
from sqlalchemy import select

from keys.sealing import Sealer
from server.accounts import totp
from server.accounts.user import User
from server.events.names import Event
from server.storage import schema
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, events

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


def code_at(secret: str, now: int) -> str:
    return pyotp.HOTP(secret).at(now // 30)


@pytest.fixture
async def secret(database: Database, sealer: Sealer, ada: User) -> str:
    """The secret of a device that was enrolled ten minutes ago."""
    made = totp.new_secret()
    await enrol(database, sealer, ada, made, code_at(made, NOW - 600), NOW - 600)
    return made


async def enrol(database: Database, sealer: Sealer, user: User, secret: str, code: str, now: int) -> str | None:
    return await database.run(
        lambda db: totp.enrol(db, sealer, user.id, secret, code, context=CONTEXT, now=now, previous_steps=1)
    )


async def accept(
    database: Database, sealer: Sealer, user: User, code: str, now: int = NOW, previous_steps: int = 1
) -> bool:
    return await database.run(lambda db: totp.accept(db, sealer, user.id, code, now=now, previous_steps=previous_steps))


@pytest.mark.parametrize(("now", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
async def test_codes_are_those_of_the_rfc(database: Database, sealer: Sealer, ada: User, now: int, code: str) -> None:
    """RFC 6238 appendix B, the last six of its eight digits."""
    assert await enrol(database, sealer, ada, RFC_SECRET, code, now)


def test_a_secret_has_160_bits_and_no_two_are_the_same() -> None:
    assert len(base64.b32decode(totp.new_secret())) == 20
    assert totp.new_secret() != totp.new_secret()


def test_the_uri_names_issuer_and_account() -> None:
    uri = totp.provisioning_uri(RFC_SECRET, "ada&x@example.com", "Ostiary: Test")
    parsed = pyotp.parse_uri(uri)
    assert (parsed.name, parsed.issuer, parsed.secret) == ("ada&x@example.com", "Ostiary: Test", RFC_SECRET)


def test_the_qr_code_is_an_element_that_a_screen_reader_names() -> None:
    svg = totp.qr_svg(totp.provisioning_uri(totp.new_secret(), "ada@example.com", "Ostiary"))
    element = ET.fromstring(svg)  # noqa: S314  our own output
    assert element.tag == "svg"
    assert element.attrib["role"] == "img"
    assert element.attrib["aria-label"]
    assert "style" not in svg
    assert "viewBox" in element.attrib  # or the stylesheet crops it instead of scaling it
    assert not {"width", "height"} & set(element.attrib)
    assert "#fff" in svg
    assert "#000" in svg


async def test_a_wrong_code_enrols_nothing(database: Database, sealer: Sealer, ada: User) -> None:
    assert await enrol(database, sealer, ada, RFC_SECRET, "000000", NOW) is None
    assert await database.run(lambda db: db.execute(select(schema.totp_devices)).all()) == []


async def test_enrolment_is_audited_and_its_code_is_used(database: Database, sealer: Sealer, ada: User) -> None:
    device_id = await enrol(database, sealer, ada, RFC_SECRET, code_at(RFC_SECRET, NOW), NOW)
    assert await database.run(lambda db: events(db, Event.TOTP_ENROLLED)) == [{"device_id": device_id}]
    assert not await accept(database, sealer, ada, code_at(RFC_SECRET, NOW))


async def test_the_stored_secret_is_sealed_for_its_row(database: Database, sealer: Sealer, secret: str) -> None:
    row = (await database.run(lambda db: db.execute(select(schema.totp_devices)).mappings().all()))[0]
    assert secret not in row["sealed_secret"]
    assert sealer.unseal(row["sealed_secret"], context=f"totp:{row['id']}") == secret.encode()


async def test_the_current_and_the_previous_step_are_accepted(
    database: Database, sealer: Sealer, ada: User, secret: str
) -> None:
    for age in (-30, 60, 90):
        assert not await accept(database, sealer, ada, code_at(secret, NOW - age))
    assert await accept(database, sealer, ada, code_at(secret, NOW - 30))
    assert await accept(database, sealer, ada, code_at(secret, NOW))


async def test_without_previous_steps_only_the_current_one_is(
    database: Database, sealer: Sealer, ada: User, secret: str
) -> None:
    assert not await accept(database, sealer, ada, code_at(secret, NOW - 30), previous_steps=0)
    assert await accept(database, sealer, ada, code_at(secret, NOW), previous_steps=0)


async def test_a_step_counts_once_and_no_earlier_one_after_it(
    database: Database, sealer: Sealer, ada: User, secret: str
) -> None:
    """RFC 6238 section 5.2."""
    assert await accept(database, sealer, ada, code_at(secret, NOW))
    assert not await accept(database, sealer, ada, code_at(secret, NOW))
    assert not await accept(database, sealer, ada, code_at(secret, NOW - 30))
    assert await accept(database, sealer, ada, code_at(secret, NOW + 30), now=NOW + 30)


async def test_one_code_used_many_times_at_once_counts_once(
    database: Database, sealer: Sealer, ada: User, secret: str
) -> None:
    code = code_at(secret, NOW)
    answers = await asyncio.gather(*(accept(database, sealer, ada, code) for _ in range(16)))
    assert sorted(answers) == [False] * 15 + [True]


async def test_a_secret_enrolled_twice_still_counts_each_step_once(
    database: Database, sealer: Sealer, ada: User, secret: str
) -> None:
    assert await enrol(database, sealer, ada, secret, code_at(secret, NOW - 300), NOW - 300)
    code = code_at(secret, NOW)
    answers = await asyncio.gather(*(accept(database, sealer, ada, code) for _ in range(8)))
    assert sum(answers) == 1


async def test_each_device_of_a_person_works(database: Database, sealer: Sealer, ada: User, secret: str) -> None:
    second = totp.new_secret()
    assert await enrol(database, sealer, ada, second, code_at(second, NOW - 300), NOW - 300)
    assert await accept(database, sealer, ada, code_at(second, NOW))
    assert await accept(database, sealer, ada, code_at(secret, NOW + 30), now=NOW + 30)


async def test_devices_of_one_person_are_limited(database: Database, sealer: Sealer, ada: User) -> None:
    made = [totp.new_secret() for _ in range(totp.MAX_DEVICES + 1)]
    ids = [await enrol(database, sealer, ada, secret, code_at(secret, NOW), NOW) for secret in made]
    assert ids[-1] is None
    assert all(ids[:-1])


async def test_another_person_s_code_is_wrong(database: Database, sealer: Sealer, grace: User, secret: str) -> None:
    assert not await accept(database, sealer, grace, code_at(secret, NOW))


@pytest.mark.parametrize("style", ["{0}{1}", " {0} {1}\n", "{0}-{1}"])
async def test_spaces_and_hyphens_do_not_matter(
    database: Database, sealer: Sealer, ada: User, secret: str, style: str
) -> None:
    code = code_at(secret, NOW)
    assert await accept(database, sealer, ada, style.format(code[:3], code[3:]))


@pytest.mark.parametrize("code", ["", "12345", "1234567", "١٢٣٤٥٦", "12345a", "\ud800" * 6, "²²²²²²", "1" * 100_000])
@pytest.mark.usefixtures("secret")
async def test_what_is_no_code_is_wrong(database: Database, sealer: Sealer, ada: User, code: str) -> None:
    assert not await accept(database, sealer, ada, code)
