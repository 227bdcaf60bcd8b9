import asyncio
import dataclasses

import pytest

from keys.sealing import Sealer
from server.accounts import credentials, known_browser, lifecycle, registration, sign_in
from server.accounts.sign_in import Prepared, SignedInUser
from server.accounts.throttling import Throttled
from server.accounts.user import User
from server.events.names import Event
from server.storage import audit, users
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, events


class Browser:
    """Signs in without hashing: the tests say whether the password was right."""

    def __init__(
        self, database: Database, sealer: Sealer, cookie: str | None = None, address: str = "192.0.2.7"
    ) -> None:
        self.database, self.sealer, self.cookie = database, sealer, cookie
        self.context = dataclasses.replace(CONTEXT, address=address)

    async def prepare(self, identifier: str, now: int = NOW) -> Prepared | Throttled:
        return await self.database.run(
            lambda db: sign_in.prepare(
                db, identifier, context=self.context, sealer=self.sealer, device_cookie=self.cookie, now=now
            )
        )

    async def complete(self, prepared: Prepared, *, is_valid: bool, now: int = NOW) -> SignedInUser | None:
        return await self.database.run(
            lambda db: sign_in.complete(db, prepared, is_valid=is_valid, context=self.context, now=now)
        )

    async def guess(
        self, identifier: str, *, is_valid: bool = False, now: int = NOW
    ) -> SignedInUser | Throttled | None:
        prepared = await self.prepare(identifier, now)
        return (
            prepared if isinstance(prepared, Throttled) else await self.complete(prepared, is_valid=is_valid, now=now)
        )


@pytest.fixture
def browser(database: Database, sealer: Sealer) -> Browser:
    return Browser(database, sealer)


@pytest.mark.parametrize("identifier", ["ada@example.com", " ADA@EXAMPLE.COM", "countess", "COUNTESS "])
async def test_every_spelling_signs_in(browser: Browser, ada: User, identifier: str) -> None:
    signed_in = await browser.guess(identifier, is_valid=True)
    assert isinstance(signed_in, SignedInUser)
    assert signed_in.user.id == ada.id
    assert signed_in.amr == ("pwd",)


@pytest.mark.usefixtures("ada")
async def test_all_spellings_share_one_counter(browser: Browser) -> None:
    for identifier in ("ada@example.com", "ADA@example.com", "countess", "Countess", "ada@EXAMPLE.com"):
        assert await browser.guess(identifier) is None
    assert await browser.guess("COUNTESS", is_valid=True) == Throttled(retry_after=1)


@pytest.mark.usefixtures("ada")
async def test_unknown_accounts_are_answered_and_counted_like_known_ones(browser: Browser) -> None:
    known = [await browser.guess("ada@example.com") for _ in range(7)]
    unknown = [await browser.guess("nobody@example.com") for _ in range(7)]
    assert known == unknown
    assert known[-1] == Throttled(retry_after=1)


async def test_an_unknown_account_is_verified_against_nothing(browser: Browser) -> None:
    prepared = await browser.prepare("nobody@example.com")
    assert isinstance(prepared, Prepared)
    assert (prepared.user, prepared.password_hash) == (None, None)
    assert await browser.complete(prepared, is_valid=True) is None


@pytest.mark.parametrize("identifier", ["", "\0", "\ud800@example.com", "x" * 100_000, "a@b@c"])
async def test_any_identifier_gets_an_answer(browser: Browser, identifier: str) -> None:
    assert await browser.guess(identifier) is None


async def test_the_owner_s_known_browser_is_not_locked_out(
    database: Database, sealer: Sealer, browser: Browser, ada: User
) -> None:
    for _ in range(5):
        await browser.guess("ada@example.com")
    assert isinstance(await browser.guess("ada@example.com", is_valid=True), Throttled)
    owner = Browser(database, sealer, known_browser.issue(sealer, ada.id, NOW))
    assert isinstance(await owner.guess("countess", is_valid=True), SignedInUser)
    # and it did not clear what the attacker had against them
    assert isinstance(await browser.guess("ada@example.com", is_valid=True), Throttled)


async def test_a_known_browser_is_throttled_by_itself(database: Database, sealer: Sealer, ada: User) -> None:
    stolen = Browser(database, sealer, known_browser.issue(sealer, ada.id, NOW))
    for _ in range(5):
        assert await stolen.guess("ada@example.com") is None
    assert await stolen.guess("ada@example.com", is_valid=True) == Throttled(retry_after=1)
    assert isinstance(await Browser(database, sealer).guess("ada@example.com", is_valid=True), SignedInUser)


@pytest.mark.usefixtures("ada")
async def test_a_cookie_for_one_account_helps_with_no_other(database: Database, sealer: Sealer, grace: User) -> None:
    attacker = Browser(database, sealer, known_browser.issue(sealer, grace.id, NOW))
    for _ in range(5):
        await attacker.guess("ada@example.com")
    assert isinstance(await attacker.guess("ada@example.com"), Throttled)


@pytest.mark.usefixtures("ada")
async def test_guessing_many_accounts_from_one_address_is_slowed_down(browser: Browser) -> None:
    for number in range(50):
        assert await browser.guess(f"nobody{number}@example.com") is None
    assert await browser.guess("ada@example.com", is_valid=True) == Throttled(retry_after=12)
    elsewhere = Browser(browser.database, browser.sealer, address="198.51.100.1")
    assert isinstance(await elsewhere.guess("ada@example.com", is_valid=True), SignedInUser)


@pytest.mark.usefixtures("ada")
async def test_success_forgives_the_account(browser: Browser) -> None:
    for _ in range(4):
        await browser.guess("ada@example.com")
    assert isinstance(await browser.guess("ada@example.com", is_valid=True), SignedInUser)
    for _ in range(4):
        assert await browser.guess("ada@example.com") is None
    assert isinstance(await browser.guess("ada@example.com", is_valid=True), SignedInUser)


@pytest.mark.usefixtures("ada")
async def test_parallel_guesses_are_counted_before_they_are_checked(browser: Browser) -> None:
    answers = await asyncio.gather(*(browser.prepare("ada@example.com") for _ in range(20)))
    assert len([answer for answer in answers if isinstance(answer, Prepared)]) == 5


async def test_a_disabled_person_gets_the_answer_of_a_wrong_password(browser: Browser, ada: User) -> None:
    await browser.database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))
    assert await browser.guess("ada@example.com", is_valid=True) is None
    assert await browser.database.run(lambda db: events(db, Event.SIGN_IN_FAILED)) == [{"reason": "disabled_account"}]


async def test_a_person_disabled_during_the_check_does_not_sign_in(browser: Browser, ada: User) -> None:
    prepared = await browser.prepare("ada@example.com")
    assert isinstance(prepared, Prepared)
    await browser.database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))
    assert await browser.complete(prepared, is_valid=True) is None


async def test_a_password_changed_during_the_check_does_not_sign_in(browser: Browser, ada: User) -> None:
    prepared = await browser.prepare("ada@example.com")
    assert isinstance(prepared, Prepared)
    await browser.database.run(lambda db: credentials.set_password(db, ada, "$new", context=CONTEXT, now=NOW + 1))
    assert await browser.complete(prepared, is_valid=True, now=NOW + 1) is None


async def test_a_rehash_during_the_check_does_no_harm_and_does_not_undo_a_new_password(
    browser: Browser, ada: User
) -> None:
    prepared, other = await browser.prepare("ada@example.com"), await browser.prepare("ada@example.com")
    assert isinstance(prepared, Prepared)
    assert isinstance(other, Prepared)
    assert await browser.database.run(lambda db: sign_in.store_rehash(db, other, "$stronger"))
    assert await browser.complete(prepared, is_valid=True) is not None
    assert not await browser.database.run(lambda db: sign_in.store_rehash(db, prepared, "$late"))
    stored = await browser.database.run(lambda db: users.find_by_id(db, ada.id))
    assert stored is not None
    assert stored.password_hash == "$stronger"


async def test_an_account_without_a_password_cannot_sign_in(browser: Browser) -> None:
    await browser.database.run(
        lambda db: registration.register(db, email="new@example.com", password_hash=None, context=CONTEXT, now=NOW)
    )
    assert await browser.guess("new@example.com") is None
    assert await browser.database.run(lambda db: events(db, Event.SIGN_IN_FAILED)) == [{"reason": "no_password"}]


async def test_what_happened_is_written_down_without_what_was_typed(browser: Browser, ada: User) -> None:
    await browser.guess("countess")
    await browser.guess("my secret password")
    await browser.guess("countess", is_valid=True)
    for _ in range(6):
        await browser.guess("countess")
    rows = await browser.database.run(audit.list_rows)
    assert [(row["event"], row["user_id"]) for row in rows[-4:]] == [
        ("sign_in.succeeded", ada.id),
        ("sign_in.failed", None),
        ("sign_in.failed", ada.id),
        ("user.created", ada.id),
    ]
    assert (rows[0]["event"], rows[0]["details"]) == ("sign_in.failed", {"reason": "wrong_password"})
    assert (rows[1]["event"], rows[1]["details"]) == ("sign_in.throttled", {"retry_after": 1})
    assert rows[0]["address"] == "192.0.2.7"
    assert "secret" not in str(rows)
    assert "countess" not in str(rows).lower()


@pytest.mark.usefixtures("ada")
async def test_without_rate_limits_nothing_is_counted(database: Database, sealer: Sealer) -> None:
    for _ in range(20):
        prepared = await database.run(
            lambda db: sign_in.prepare(
                db,
                "countess",
                context=CONTEXT,
                sealer=sealer,
                device_cookie=None,
                now=NOW,
                rate_limits=False,
            )
        )
        assert isinstance(prepared, Prepared)


async def test_a_confirmation_of_the_password_shares_the_counter(browser: Browser, ada: User, sealer: Sealer) -> None:
    for _ in range(5):
        await browser.guess("countess")
    again = await browser.database.run(
        lambda db: sign_in.prepare_confirmation(db, ada, context=CONTEXT, sealer=sealer, device_cookie=None, now=NOW)
    )
    assert again == Throttled(retry_after=1)


def test_a_hash_is_not_shown(ada: User) -> None:
    assert "$argon2id$stored" not in repr(Prepared(ada, ada.password_hash, ()))
