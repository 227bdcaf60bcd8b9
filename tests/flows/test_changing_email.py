"""Another e-mail address: confirmed from the new mailbox, told to the old one."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from server.accounts import credentials, email_change, lifecycle, recovery, verification
from server.accounts.identifiers import InvalidIdentifierError
from server.accounts.throttling import Throttled
from server.accounts.user import User, find, find_by_email
from server.events.context import CLI
from server.storage import audit
from tests.support.mailbox import Letter, Mailbox
from tests.support.person import Person
from tests.support.server import PASSWORD, RunningServer

OLD, NEW = "alice@example.com", "Alice@New.example"
CONFIRM = "Confirm your new e-mail address"
OVER = "This link is no longer valid"
once = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def parts(server: RunningServer) -> dict[str, Any]:
    """What every service takes."""
    return {"sealer": server.services.sealer, "context": CLI, "now": server.clock.now()}


async def ask(server: RunningServer, user: User, email: str = NEW) -> Throttled | None:
    return await server.run(lambda db: email_change.request(db, user, email, settings=server.settings, **parts(server)))


async def link_for(server: RunningServer, user: User, mailbox: Mailbox, email: str = NEW) -> Letter:
    assert await ask(server, user, email) is None
    return await mailbox.letter(subject=CONFIRM)


async def present(server: RunningServer, user: User) -> User:
    found = await server.run(lambda db: find(db, user.id))
    assert found is not None
    return found


async def test_the_address_changes_when_the_new_mailbox_confirms_it(server: RunningServer) -> None:
    user = await server.add_person()
    mailbox = Mailbox(server)
    letter = await link_for(server, user, mailbox)
    assert letter.to == NEW
    assert letter.link.startswith(f"{server.issuer}/account/confirm-email?token=oce_")
    async with Person(server, email="alice@new.example") as alice:
        for _ in range(2):
            await alice.visit(letter.link)
            assert alice.title == CONFIRM
        assert (await present(server, user)).email == OLD
        await alice.submit()
        assert alice.title == "Your e-mail address is changed"
        changed = await present(server, user)
        assert (changed.email, changed.email_verified) == (NEW, True)
        notice = await mailbox.letter()
        assert (notice.to, notice.subject) == (OLD, "Your e-mail address was changed")
        assert NEW in notice.text
        await alice.visit(letter.link)
        assert alice.title == OVER
        await alice.visit("/account")
        await alice.sign_in()
        assert alice.title != "Sign in"
    events = [row["event"] for row in await server.run(lambda db: audit.list_rows(db, limit=50))]
    assert [events.count(name) for name in ("email_change.requested", "email.changed", "user.updated")] == [1, 1, 0]


async def test_of_two_uses_at_once_one_counts(server: RunningServer) -> None:
    user = await server.add_person()
    mailbox = Mailbox(server)
    letter = await link_for(server, user, mailbox)
    async with Person(server) as first, Person(server) as second:
        await asyncio.gather(first.visit(letter.link), second.visit(letter.link))
        await asyncio.gather(first.submit(), second.submit())
        assert sorted([first.title, second.title]) == [OVER, "Your e-mail address is changed"]
    assert len(await mailbox.letters()) == 1


async def test_of_two_people_who_want_one_address_at_once_one_gets_it(server: RunningServer) -> None:
    alice, bob = await server.add_person(), await server.add_person("bob@example.com")
    mailbox = Mailbox(server)
    tokens = [(await link_for(server, user, mailbox)).token for user in (alice, bob)]

    def confirm(token: str) -> Callable[[Connection], User | None]:
        return lambda db: email_change.confirm(db, token, **parts(server))

    results = await asyncio.gather(*(server.run(confirm(token)) for token in tokens))
    assert [user is None for user in results].count(True) == 1
    holder = await server.run(lambda db: find_by_email(db, NEW))
    assert holder in results


@once
async def test_a_taken_address_gets_the_same_answer_and_its_owner_a_mail(server: RunningServer) -> None:
    alice = await server.add_person()
    await server.add_person(NEW)
    assert await ask(server, alice, "ALICE@new.example") is None
    letter = await Mailbox(server).letter()
    assert (letter.to, letter.subject) == (NEW, "You already have an account")
    assert (await present(server, alice)).email == OLD


@once
async def test_an_address_that_is_taken_before_the_link_is_used_stays_with_its_owner(server: RunningServer) -> None:
    alice = await server.add_person()
    letter = await link_for(server, alice, Mailbox(server))
    owner = await server.add_person(NEW)
    async with Person(server) as browser:
        await browser.visit(letter.link)
        await browser.submit()
        assert browser.title == OVER
    assert (await present(server, owner)).email == NEW
    assert (await present(server, alice)).email == OLD


@once
async def test_the_last_wish_counts(server: RunningServer) -> None:
    alice = await server.add_person()
    mailbox = Mailbox(server)
    first = await link_for(server, alice, mailbox)
    second = await link_for(server, alice, mailbox, "second@new.example")
    async with Person(server) as browser:
        await browser.visit(first.link)
        assert browser.title == OVER
        await browser.visit(second.link)
        assert browser.title == CONFIRM


@once
async def test_a_new_password_ends_what_whoever_had_the_old_one_began(server: RunningServer) -> None:
    """Or a thief who was thrown out could still take the account with a link in their own mailbox."""
    alice = await server.add_person()
    letter = await link_for(server, alice, Mailbox(server))
    server.clock.advance(5)
    await server.run(
        lambda db: credentials.set_password(db, alice, "$argon2id$new", context=CLI, now=server.clock.now())
    )
    assert await server.run(lambda db: email_change.confirm(db, letter.token, **parts(server))) is None
    assert (await present(server, alice)).email == OLD


@once
async def test_links_that_were_sent_to_the_old_address_die_with_the_change(server: RunningServer) -> None:
    alice = await server.add_person()
    mailbox = Mailbox(server)

    def send(db: Connection) -> None:
        verification.send(db, alice, settings=server.settings, **parts(server))
        recovery.request(db, OLD, settings=server.settings, **parts(server))

    await server.run(send)
    old = {letter.subject: letter for letter in await mailbox.letters()}
    assert len(old) == 2
    token = (await link_for(server, alice, mailbox)).token
    assert await server.run(lambda db: email_change.confirm(db, token, **parts(server))) is not None
    async with Person(server) as browser:
        for letter in old.values():
            await browser.visit(letter.link)
            assert browser.title == OVER, letter.subject


@once
async def test_a_link_ends_with_its_time_with_the_account_and_for_another_purpose(server: RunningServer) -> None:
    alice = await server.add_person()
    mailbox = Mailbox(server)
    letter = await link_for(server, alice, mailbox)
    async with Person(server) as browser:
        for path in ("verify-email", "set-password"):
            await browser.visit(f"/account/{path}?token={letter.token}")
            assert browser.title == OVER
        server.clock.advance(server.settings.verification_seconds)
        await browser.visit(letter.link)
        assert browser.title == OVER
        letter = await link_for(server, alice, mailbox)
        await server.run(lambda db: lifecycle.disable(db, alice, context=CLI, now=server.clock.now()))
        await browser.visit(letter.link)
        assert browser.title == OVER


@once
async def test_nobody_can_have_many_mails_sent_to_others(server: RunningServer) -> None:
    alice = await server.add_person()
    answers = [await ask(server, alice, f"victim{number}@example.org") for number in range(7)]
    assert answers[:5] == [None] * 5
    assert isinstance(answers[5], Throttled)
    with pytest.raises(InvalidIdentifierError):
        await ask(server, alice, "no address")


@once
async def test_the_notice_names_no_password_and_the_old_password_still_works(server: RunningServer) -> None:
    alice = await server.add_person()
    mailbox = Mailbox(server)
    token = (await link_for(server, alice, mailbox)).token
    await server.run(lambda db: email_change.confirm(db, token, **parts(server)))
    assert PASSWORD not in (await mailbox.letter()).text
    async with Person(server, email=OLD) as browser:
        await browser.visit("/account")
        await browser.sign_in()
        assert "not right" in browser.text
        await browser.sign_in(email=NEW)
        assert browser.title != "Sign in"
