import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import credentials, lifecycle, registration, verification
from server.accounts.user import User, find
from server.accounts.verification import Origin, Verified
from server.events.names import Event
from server.mail.outbox import TOPIC, Mail, unseal
from server.settings import EmailVerification, Settings
from server.storage import outbox
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, events

DAY = 86_400
SETTINGS = Settings.model_validate({"issuer": "https://login.example.com"})


def mails(db: Connection, sealer: Sealer) -> list[Mail]:
    return [unseal(sealer, item) for item in outbox.list_items(db, TOPIC)]


def send(db: Connection, user: User, sealer: Sealer, **details: Any) -> bool:
    values = {"settings": SETTINGS, "context": CONTEXT, "now": NOW, **details}
    return verification.send(db, user, sealer=sealer, **values)


async def make_link(database: Database, user: User, sealer: Sealer, **details: Any) -> str:
    """Send a link and return it."""
    before = await database.run(lambda db: mails(db, sealer))
    assert await database.run(lambda db: send(db, user, sealer, **details))
    (mail,) = [mail for mail in await database.run(lambda db: mails(db, sealer)) if mail not in before]
    return str(mail.values["link"])


async def make_token(database: Database, user: User, sealer: Sealer, **details: Any) -> str:
    return (await make_link(database, user, sealer, **details)).partition("token=")[2].partition("&")[0]


async def use(database: Database, token: str, now: int = NOW) -> Verified | None:
    return await database.run(lambda db: verification.confirm(db, token, context=CONTEXT, now=now))


async def test_a_link_verifies_the_address_once(database: Database, ada: User, sealer: Sealer) -> None:
    token = await make_token(database, ada, sealer)
    results = await asyncio.gather(*(use(database, token) for _ in range(8)))
    done = [found for found in results if found is not None]
    assert [(found.user.id, found.user.email_verified) for found in done] == [(ada.id, True)]
    assert await database.run(lambda db: events(db, Event.EMAIL_VERIFIED)) == [{}]
    assert await use(database, token) is None


async def test_looking_uses_nothing_up(database: Database, ada: User, sealer: Sealer) -> None:
    token = await make_token(database, ada, sealer)
    for _ in range(3):
        assert await database.run(lambda db: verification.find_link(db, token, NOW)) == Verified(ada)
    stored = await database.run(lambda db: find(db, ada.id))
    assert stored is not None
    assert not stored.email_verified


async def test_one_link_that_is_used_ends_the_others_of_the_person_only(
    database: Database, ada: User, grace: User, sealer: Sealer
) -> None:
    first, second = [await make_token(database, ada, sealer) for _ in range(2)]
    of_grace = await make_token(database, grace, sealer)
    assert await use(database, second) is not None
    assert await use(database, first) is None
    assert await use(database, of_grace) is not None


async def test_a_link_ends_with_its_time(database: Database, ada: User, sealer: Sealer) -> None:
    token = await make_token(database, ada, sealer)
    assert await use(database, token, NOW + DAY) is None
    assert await use(database, token, NOW + DAY - 1) is not None


async def test_a_link_to_a_former_address_verifies_nothing(database: Database, ada: User, sealer: Sealer) -> None:
    token = await make_token(database, ada, sealer)
    await database.run(lambda db: registration.update(db, ada, email="ada@new.example", context=CONTEXT, now=NOW + 1))
    assert await use(database, token) is None


async def test_a_link_of_a_disabled_person_does_nothing(database: Database, ada: User, sealer: Sealer) -> None:
    token = await make_token(database, ada, sealer)
    await database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))
    assert await use(database, token) is None
    disabled = await database.run(lambda db: find(db, ada.id))
    assert disabled is not None
    assert not await database.run(lambda db: send(db, disabled, sealer))


async def test_a_link_signs_in_the_browser_that_waits_unless_the_password_changed(
    database: Database, ada: User, sealer: Sealer
) -> None:
    link = await make_link(database, ada, sealer, origin=Origin("browser-digest", "oin_x"))
    assert link.endswith("&interaction=oin_x")
    token = link.partition("token=")[2].partition("&")[0]
    assert await database.run(lambda db: verification.find_link(db, token, NOW)) == Verified(ada, "browser-digest")
    await database.run(partial(credentials.set_password, user=ada, password_hash="$new", context=CONTEXT, now=NOW + 5))
    found = await use(database, token, NOW + 6)
    assert found is not None
    assert found.browser is None


async def test_a_verified_address_gets_no_mail_and_an_unverified_one_a_few(
    database: Database, ada: User, grace: User, sealer: Sealer
) -> None:
    sent = [await database.run(lambda db: send(db, ada, sealer)) for _ in range(7)]
    assert sent == [True] * 5 + [False] * 2
    assert await database.run(lambda db: send(db, ada, sealer, now=NOW + 3600))
    verified = await database.run(
        lambda db: registration.update(db, grace, email_verified=True, context=CONTEXT, now=NOW)
    )
    assert not await database.run(lambda db: send(db, verified, sealer))


async def test_the_mail_goes_to_the_stored_address_and_the_audit_log_has_no_secret(
    database: Database, ada: User, sealer: Sealer
) -> None:
    await make_link(database, ada, sealer)
    (mail,) = await database.run(lambda db: mails(db, sealer))
    assert (mail.to, mail.template, mail.values["name"]) == ("Ada@Example.com", "verify_email", "Ada Lovelace")
    assert await database.run(lambda db: events(db, Event.EMAIL_VERIFICATION_SENT)) == [{}]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mode", list(EmailVerification))
async def test_only_where_it_is_required_verification_comes_first(ada: User, mode: EmailVerification) -> None:
    settings = Settings.model_validate({"email_verification": mode})
    for is_verified in (True, False):
        must = mode is EmailVerification.REQUIRED and not is_verified
        assert verification.must_verify_first(settings, replace(ada, email_verified=is_verified)) is must
