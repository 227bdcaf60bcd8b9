"""Registration by invitation: one account for each, with its roles and its address."""

import asyncio

import pytest
from sqlalchemy import Connection

from server.accounts import invitations
from server.accounts.user import find_by_email
from server.events.context import CLI
from server.settings import EmailVerification, Mfa, Registration
from tests.support.account import account_of, event_names
from tests.support.mailbox import Mailbox
from tests.support.newcomer import BOB, register
from tests.support.person import Person
from tests.support.server import RunningServer

once = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
invite_only = pytest.mark.parametrize(
    "overrides", [{"registration": Registration.INVITE, "mfa": Mfa.OFF}], indirect=True, ids=["invite"]
)


async def invite(server: RunningServer, email: str | None = None, *roles: str) -> str:
    new = await server.run(
        lambda db: invitations.create(
            db, email=email, roles=roles, settings=server.settings, context=CLI, now=server.clock.now()
        )
    )
    return new.link


@invite_only
async def test_an_invitation_makes_one_account_with_its_roles(server: RunningServer) -> None:
    link = await invite(server, None, "editor")
    async with Person(server) as bob, Person(server) as carol:
        await bob.visit("/account/register")
        assert bob.response.status_code == 403
        await asyncio.gather(bob.visit(link), carol.visit(link))
        await asyncio.gather(register(bob), register(carol, "carol@example.org"))
        assert sorted([bob.response.request.url.path == "/account", carol.response.request.url.path == "/account"]) == [
            False,
            True,
        ]
        loser = bob if bob.response.request.url.path != "/account" else carol
        assert loser.title == "This invitation is no longer valid"
        await loser.visit(link)
        assert loser.response.status_code == 400
    found = await event_names(server)
    assert [found.count(event) for event in ("user.created", "invitation.accepted", "invitation.created")] == [1, 1, 1]
    user = await server.run(lambda db: find_by_email(db, BOB) or find_by_email(db, "carol@example.org"))
    assert user is not None
    assert user.roles == ("editor", "user")


@once
@pytest.mark.parametrize(
    "overrides",
    [{"registration": Registration.INVITE, "email_verification": EmailVerification.REQUIRED, "mfa": Mfa.OFF}],
    indirect=True,
)
async def test_an_invitation_for_an_address_verifies_it_and_serves_no_other(server: RunningServer) -> None:
    link = await invite(server, BOB)
    async with Person(server) as bob:
        await bob.visit(link)
        assert BOB in bob.text
        await register(bob, "mallory@example.org")
        assert bob.response.request.url.path == "/account"
    assert (await account_of(server, BOB)).email_verified
    assert await server.run(lambda db: find_by_email(db, "mallory@example.org")) is None
    assert await Mailbox(server).letters() == []


@once
@invite_only
async def test_a_failed_registration_leaves_the_invitation_open(server: RunningServer) -> None:
    await server.add_person()
    link = await invite(server)
    async with Person(server) as bob:
        await bob.visit(link)
        await register(bob, "alice@example.com")
        assert "already" in bob.text
        await register(bob)
        assert bob.response.request.url.path == "/account"


@once
@invite_only
async def test_an_invitation_ends_and_can_be_taken_back(server: RunningServer) -> None:
    old, revoked = await invite(server), await invite(server)

    def take_back(db: Connection) -> bool:
        found = [i for i in invitations.list_open(db, server.clock.now()) if i.digest == _digest(revoked)]
        return invitations.revoke(db, found[0].id, context=CLI, now=server.clock.now())

    assert await server.run(take_back)
    assert not await server.run(lambda db: invitations.revoke(db, "inv_%", context=CLI, now=0))
    async with Person(server) as bob:
        await bob.visit(revoked)
        assert bob.title == "This invitation is no longer valid"
        server.clock.advance(server.settings.invitation_seconds)
        await bob.visit(old)
        assert bob.title == "This invitation is no longer valid"


def _digest(link: str) -> str:
    return invitations.digest_of(link.partition("invitation=")[2])


@once
@pytest.mark.parametrize("overrides", [{"registration": Registration.CLOSED}], indirect=True)
async def test_where_registration_is_closed_an_invitation_opens_nothing(server: RunningServer) -> None:
    link = await invite(server)
    async with Person(server) as bob:
        await bob.visit(link)
        assert bob.response.status_code in (400, 403)
        assert bob.title != "Create an account"
