"""Guessing at an account: one counter for all its spellings and ways in, an owner who still gets in, and no hints."""

import base64
import hashlib
import re
from typing import Any

import bcrypt
import pytest
from sqlalchemy import Connection, select

from server.accounts import lifecycle, recovery_codes, sign_in, throttling
from server.accounts.throttling import Throttled
from server.events.context import CLI, Context
from server.events.names import Event
from server.storage import audit, schema, users
from tests.support.account import account_of, alice_of
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer

once = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
STRANGER = Context(request_id="req_1", address="198.51.100.9")
PBKDF2 = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt of the old system", 1000)
IMPORTED = {
    "bcrypt": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
    "PBKDF2": f"$pbkdf2-sha256$i=1000$c2FsdCBvZiB0aGUgb2xkIHN5c3RlbQ${base64.b64encode(PBKDF2).decode()}",
    "SHA-256": "sha256$" + hashlib.sha256(PASSWORD.encode()).hexdigest(),
}


async def guess(server: RunningServer, rp: RelyingParty, email: str, times: int) -> list[tuple[Any, ...]]:
    """Guess at a password, each time in a new browser, and return what the stranger sees."""
    seen = []
    for _ in range(times):
        async with Person(server, email=email, password="wrong") as stranger:
            await stranger.visit(rp.url())
            await stranger.sign_in()
            text = re.sub(r"[0-9a-f]{16,}", "", stranger.text.replace(email, ""))
            seen.append((stranger.response.status_code, stranger.response.headers.get("retry-after"), text))
    return seen


async def count_of(server: RunningServer, event: Event) -> int:
    return len(await server.run(lambda db: audit.list_rows(db, event=event.value)))


async def enrolled(server: RunningServer, rp: RelyingParty) -> Person:
    """Return Alice, who has set up an authenticator app and signed in."""
    alice = Person(server)
    await alice.visit(rp.url())
    await alice.sign_in()
    await alice.enrol()
    server.clock.advance(30)
    return alice


async def try_codes(server: RunningServer, rp: RelyingParty, codes: list[str]) -> Person:
    """Give the right password and one code each in new browsers; return the last."""
    for code in codes:
        async with Person(server) as thief:
            await thief.visit(rp.url())
            await thief.sign_in()
            await thief.submit(code=code)
    return thief


async def test_guesses_at_any_account_and_at_none_are_answered_alike_until_locked_and_after(
    server: RunningServer, rp: RelyingParty
) -> None:
    """OWASP ASVS 5.0 section 6.3.8."""
    for email in ("alice@example.com", "carol@example.com", "david@example.com"):
        await server.add_person(email)
    carol, david = await account_of(server, "carol@example.com"), await account_of(server, "david@example.com")
    now = server.clock.now()

    def change(db: Connection) -> None:
        lifecycle.disable(db, carol, context=CLI, now=now)
        users.update_fields(db, david.id, {"password_hash": None}, now=now)

    await server.run(change)
    emails = ("alice@example.com", "carol@example.com", "david@example.com", "nobod@example.com", "nobody at all")
    sequences = [await guess(server, rp, email, 7) for email in emails]
    assert [status for status, *_ in sequences[0]] == [400] * 5 + [429] * 2
    assert all(sequence == sequences[0] for sequence in sequences)


async def test_the_wait_doubles_and_the_right_password_ends_it(server: RunningServer, rp: RelyingParty) -> None:
    await server.add_person()
    await guess(server, rp, "alice@example.com", 5)
    for wait in ("1", "2", "4", "8"):
        ((status, retry_after, _),) = await guess(server, rp, "alice@example.com", 1)
        assert (status, retry_after) == (429, wait)
        server.clock.advance(int(wait))
        await guess(server, rp, "alice@example.com", 1)
    server.clock.advance(16)
    async with Person(server) as alice:
        await alice.visit(rp.url())
        await alice.sign_in()
        assert alice.title == "Protect your account"
    assert [status for status, *_ in await guess(server, rp, "alice@example.com", 5)] == [400] * 5


async def test_showing_the_password_again_counts_with_signing_in(server: RunningServer, rp: RelyingParty) -> None:
    alice = await server.add_person(username="alice")
    await guess(server, rp, "ALICE@example.com", 2)
    await guess(server, rp, "Alice", 2)
    services = server.services

    def confirm(db: Connection) -> object:
        return sign_in.prepare_confirmation(
            db, alice, context=STRANGER, sealer=services.sealer, device_cookie=None, now=server.clock.now()
        )

    assert not isinstance(await server.run(confirm), Throttled)
    assert isinstance(await server.run(confirm), Throttled)
    ((status, *_),) = await guess(server, rp, "alice", 1)
    assert status == 429


async def test_codes_of_every_kind_share_a_counter_that_the_right_password_does_not_clear(
    server: RunningServer, rp: RelyingParty
) -> None:
    await server.add_person()
    alice = await enrolled(server, rp)
    wrong = ["000000", "aaaaa-aaaaa", "111111", "bbbbb-bbbbb", "222222"]
    await try_codes(server, rp, [code for code in wrong if code != alice.code()])
    thief = await try_codes(server, rp, [alice.code()])
    assert thief.response.status_code == 429
    thief = await try_codes(server, rp, [alice.recovery_codes[0]])
    assert thief.response.status_code == 429
    user = await alice_of(server)
    assert await server.run(lambda db: recovery_codes.left(db, user.id)) == len(alice.recovery_codes)
    alice.http.cookies.delete("__Host-ostiary_session")
    await alice.visit(rp.url())
    await alice.sign_in()
    await alice.submit(code=alice.code())  # her own browser is not held up
    assert alice.title == "Allow access"
    await alice.http.aclose()


async def test_an_administrator_unlocks_password_and_codes(server: RunningServer, rp: RelyingParty) -> None:
    await server.add_person()
    alice = await enrolled(server, rp)
    await alice.http.aclose()
    await try_codes(server, rp, ["0000000"] * 5)
    await guess(server, rp, "alice@example.com", 5)
    user = await alice_of(server)
    async with Person(server) as elsewhere:
        await elsewhere.visit(rp.url())
        await elsewhere.sign_in()
        assert elsewhere.response.status_code == 429
        await server.run(lambda db: throttling.unlock_account(db, user.id, context=CLI, now=server.clock.now()))
        await elsewhere.sign_in()
        await elsewhere.submit(code=alice.code())
        assert elsewhere.title == "Allow access"
    assert await count_of(server, Event.ACCOUNT_UNLOCKED) == 1


async def test_every_guess_leaves_one_audit_row_and_refused_ones_none(server: RunningServer, rp: RelyingParty) -> None:
    """A block is written down once: refused guesses must not fill the log."""
    await server.add_person()
    await guess(server, rp, "alice@example.com", 7)
    assert await count_of(server, Event.SIGN_IN_FAILED) == 5
    assert await count_of(server, Event.SIGN_IN_THROTTLED) == 1


@once
async def test_a_deleted_account_is_counted_as_one_that_never_was(server: RunningServer, rp: RelyingParty) -> None:
    alice = await server.add_person()
    await server.run(
        lambda db: lifecycle.delete(
            db, alice, grace_seconds=86_400, sealer=server.services.sealer, context=CLI, now=server.clock.now()
        )
    )
    deleted = await guess(server, rp, "alice@example.com", 7)
    assert deleted == await guess(server, rp, "nobod@example.com", 7)


@once
@pytest.mark.parametrize("kind", IMPORTED)
async def test_an_imported_person_signs_in_with_the_old_password_and_gets_a_new_hash(
    server: RunningServer, rp: RelyingParty, kind: str
) -> None:
    alice = await server.add_person()
    await server.run(lambda db: users.update_fields(db, alice.id, {"password_hash": IMPORTED[kind]}, now=1))
    ((status, *_),) = await guess(server, rp, "alice@example.com", 1)
    assert status == 400
    assert (await alice_of(server)).password_hash == IMPORTED[kind]
    for _ in range(2):
        async with Person(server) as person:
            await person.visit(rp.url())
            await person.sign_in()
            assert person.title == "Protect your account"
        present = (await alice_of(server)).password_hash
        assert present is not None
        assert present.startswith("$argon2id$")
    statement = select(schema.password_history)
    assert await server.run(lambda db: db.execute(statement).all()) == []
    assert await count_of(server, Event.PASSWORD_CHANGED) == 0
