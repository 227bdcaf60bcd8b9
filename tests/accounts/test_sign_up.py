import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import invitations, sign_up
from server.accounts.invitations import InvitationOverError
from server.accounts.passwords import PasswordHasher
from server.accounts.registration import EmailTakenError, UsernameTakenError
from server.accounts.sign_up import NewAccount, RegistrationClosedError
from server.accounts.user import User, find_by_email
from server.settings import EmailVerification, Registration, Settings
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW

BOB = NewAccount("Bob@Example.org", "Bob Builder", "correct horse battery staple")
ISSUER = "https://login.example.com"


def settings(**changes: Any) -> Settings:
    return Settings.model_validate({"issuer": ISSUER, **changes})


REQUIRED = settings(email_verification=EmailVerification.REQUIRED)


@pytest.fixture
async def hasher() -> AsyncIterator[PasswordHasher]:
    hasher = PasswordHasher(1, 8, 1, 8)
    yield hasher
    hasher.close()


async def register(
    database: Database, account: NewAccount, sealer: Sealer, rules: Settings | None = None
) -> User | None:
    def work(db: Connection) -> User | None:
        return sign_up.register(
            db, account, "$hash", sealer=sealer, settings=rules or settings(), context=CONTEXT, now=NOW
        )

    return await database.run(work)


async def problems_of(hasher: PasswordHasher, **changes: Any) -> set[str]:
    values = {"email": BOB.email, "name": BOB.name, "password": BOB.password, **changes}
    return set(await sign_up.problems(NewAccount(**values), hasher, settings()))


async def test_every_field_that_is_wrong_is_named(hasher: PasswordHasher) -> None:
    assert await problems_of(hasher) == set()
    assert await problems_of(hasher, username="bob", organization="ACME") == set()
    wrong: dict[str, Any] = {
        "email": "bob",
        "name": " ",
        "password": "short",
        "username": "b",
        "organization": "x" * 256,
    }
    assert await problems_of(hasher, **wrong) == set(wrong)
    for name, value in wrong.items():
        assert await problems_of(hasher, **{name: value}) == {name}
    for name in ("x" * 201, "a\0b"):
        assert await problems_of(hasher, name=name) == {"name"}
    assert await problems_of(hasher, username="battery-staple", password="battery-staple twice") == {"password"}


async def test_a_new_person_gets_the_least_role_and_what_they_typed(database: Database, sealer: Sealer) -> None:
    account = NewAccount("Bob@Example.org", " Bob ", "x", username="Bobby", organization="ACME", language="de")
    user = await register(database, account, sealer)
    assert user is not None
    assert (user.email, user.name, user.username, user.organization) == ("Bob@Example.org", "Bob", "Bobby", "ACME")
    assert (user.roles, user.email_verified, user.language) == (("user",), False, "de")


async def test_without_a_default_role_a_new_person_has_none(database: Database, sealer: Sealer) -> None:
    user = await register(database, BOB, sealer, settings(default_role=""))
    assert user is not None
    assert user.roles == ()


async def test_a_taken_address_is_told_unless_it_must_be_verified_first(
    database: Database, ada: User, sealer: Sealer
) -> None:
    taken = NewAccount("ADA@example.com", "Mallory", "x")
    with pytest.raises(EmailTakenError):
        await register(database, taken, sealer)
    assert await register(database, taken, sealer, REQUIRED) is None
    assert await register(database, BOB, sealer, REQUIRED) is None
    stored = await database.run(lambda db: find_by_email(db, ada.email))
    assert stored == ada


async def test_a_taken_username_does_not_tell_whether_the_address_is_taken(
    database: Database, ada: User, sealer: Sealer
) -> None:
    for email in (ada.email, f"{secrets.token_hex(4)}@example.org"):
        with pytest.raises(UsernameTakenError):
            await register(database, NewAccount(email, "M", "x", username="COUNTESS"), sealer, REQUIRED)


async def test_closed_and_invite_only_servers_make_no_accounts(database: Database, sealer: Sealer) -> None:
    for mode in (Registration.CLOSED, Registration.INVITE):
        with pytest.raises(RegistrationClosedError):
            await register(database, BOB, sealer, settings(registration=mode))
    with pytest.raises(InvitationOverError):
        await register(database, NewAccount("b@x.example", "B", "x", invitation="unknown"), sealer)


async def test_an_invitation_serves_its_address_only(database: Database, sealer: Sealer) -> None:
    rules = settings(registration=Registration.INVITE)
    new = await database.run(
        lambda db: invitations.create(
            db, email="Bob@Example.org", roles=["editor"], settings=rules, context=CONTEXT, now=NOW
        )
    )
    digest = new.invitation.digest
    with pytest.raises(InvitationOverError):
        await register(database, NewAccount("mallory@example.org", "M", "x", invitation=digest), sealer, rules)
    user = await register(database, NewAccount("BOB@example.org", "Bob", "x", invitation=digest), sealer, rules)
    assert user is not None
    assert (user.roles, user.email_verified) == (("editor", "user"), True)
    with pytest.raises(InvitationOverError):
        await register(database, NewAccount("bob2@example.org", "B", "x", invitation=digest), sealer, rules)


async def test_a_used_invitation_does_not_tell_whether_the_address_was_taken(
    database: Database, ada: User, sealer: Sealer
) -> None:
    """If only a free address used it up, a second try would tell."""
    rules = settings(registration=Registration.INVITE, email_verification=EmailVerification.REQUIRED)
    for email in (ada.email, "free@example.org"):
        new = await database.run(
            lambda db: invitations.create(db, email=None, roles=[], settings=rules, context=CONTEXT, now=NOW)
        )
        account = NewAccount(email, "M", "x", invitation=new.invitation.digest)
        assert await register(database, account, sealer, rules) is None
        with pytest.raises(InvitationOverError):
            await register(database, account, sealer, rules)
