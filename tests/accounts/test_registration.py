import asyncio
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from server.accounts import registration
from server.accounts.identifiers import InvalidIdentifierError
from server.accounts.profile import InvalidProfileError
from server.accounts.registration import EmailTakenError, InvalidRoleError, UsernameTakenError
from server.accounts.user import User, find, find_by_email, find_by_login
from server.events.names import Event
from server.storage import users
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, add_user, events


async def test_a_person_is_stored_with_everything(database: Database) -> None:
    user = await database.run(
        lambda db: add_user(
            db,
            " Grace@Example.com ",
            username="Amazing",
            name="Grace Hopper",
            organization=" Navy ",
            roles=["staff", "admin", "staff"],
            claims={"nickname": "Grandma COBOL", "gender": None},
            email_verified=True,
        )
    )
    assert user.id.startswith("usr_")
    assert (user.email, user.username, user.organization) == ("Grace@Example.com", "Amazing", "Navy")
    assert user.claims == {"name": "Grace Hopper", "nickname": "Grandma COBOL"}
    assert user.roles == ("admin", "staff")
    assert user.email_verified
    assert user.is_active
    assert (user.created_at, user.updated_at, user.password_changed_at) == (NOW, NOW, NOW)
    assert await database.run(lambda db: find(db, user.id)) == user
    assert await database.run(lambda db: find_by_email(db, "GRACE@example.COM")) == user
    assert await database.run(lambda db: find_by_login(db, "amazing")) == user
    assert await database.run(lambda db: events(db, Event.USER_CREATED)) == [{"roles": ["admin", "staff"]}]


async def test_a_hash_is_not_shown(ada: User) -> None:
    assert "argon2" not in repr(ada)


@pytest.mark.usefixtures("ada")
async def test_an_address_is_taken_in_all_its_spellings(database: Database) -> None:
    for email in ("ada@example.com", "ADA@EXAMPLE.COM", "ada@example.com "):
        with pytest.raises(EmailTakenError):
            await database.run(partial(add_user, email=email))


@pytest.mark.usefixtures("ada")
async def test_a_username_is_taken_in_all_its_spellings(database: Database) -> None:
    with pytest.raises(UsernameTakenError):
        await database.run(lambda db: add_user(db, "other@example.com", username="cOUNTESS"))
    assert await database.run(lambda db: find_by_email(db, "other@example.com")) is None


async def test_of_many_registrations_of_one_address_at_once_one_succeeds(database: Database) -> None:
    async def attempt() -> object:
        return await database.run(lambda db: add_user(db, "race@example.com"))

    answers = await asyncio.gather(*(attempt() for _ in range(8)), return_exceptions=True)
    assert len([answer for answer in answers if isinstance(answer, User)]) == 1
    assert len([answer for answer in answers if isinstance(answer, EmailTakenError)]) == 7


@pytest.mark.parametrize(
    ("details", "error"),
    [
        ({"email": "no address"}, InvalidIdentifierError),
        ({"username": "a"}, InvalidIdentifierError),
        ({"organization": "a" * 256}, InvalidIdentifierError),
        ({"organization": "a\0b"}, InvalidIdentifierError),
        ({"organization": "a\ud800b"}, InvalidIdentifierError),
        ({"name": "a\0b"}, InvalidProfileError),
        ({"claims": {"sub": "usr_other"}}, InvalidProfileError),
        ({"roles": ["no role"]}, InvalidRoleError),
        ({"roles": ["r" * 65]}, InvalidRoleError),
    ],
)
async def test_what_cannot_be_stored_is_refused(
    database: Database, details: dict[str, Any], error: type[Exception]
) -> None:
    values = {"email": "new@example.com", **details}
    with pytest.raises(error):
        await database.run(lambda db: add_user(db, **values))
    assert await database.run(lambda db: find_by_email(db, "new@example.com")) is None


async def test_people_without_username_or_organization_are_many(database: Database) -> None:
    for number in range(3):
        user = await database.run(partial(add_user, email=f"n{number}@example.com", username="", organization=" "))
        assert (user.username, user.organization) == (None, None)


async def test_a_change_touches_only_what_it_names(database: Database, ada: User) -> None:
    changed = await database.run(
        lambda db: registration.update(db, ada, context=CONTEXT, now=NOW + 9, claims={"name": "A. L.", "locale": "fr"})
    )
    assert changed.claims == {"name": "A. L.", "locale": "fr"}
    assert (changed.email, changed.username, changed.updated_at) == (ada.email, ada.username, NOW + 9)
    assert await database.run(lambda db: events(db, Event.USER_UPDATED)) == [{"fields": ["claims"]}]


async def test_a_new_address_is_not_verified_and_another_spelling_stays_so(database: Database) -> None:
    user = await database.run(lambda db: add_user(db, "old@example.com", email_verified=True))
    spelled = await database.run(
        lambda db: registration.update(db, user, context=CONTEXT, now=NOW, email="OLD@example.com")
    )
    assert spelled.email_verified
    moved = await database.run(
        lambda db: registration.update(db, user, context=CONTEXT, now=NOW, email="new@example.com")
    )
    assert (moved.email, moved.email_verified) == ("new@example.com", False)
    verified = await database.run(
        lambda db: registration.update(db, user, context=CONTEXT, now=NOW, email_verified=True)
    )
    assert verified.email_verified


@pytest.mark.usefixtures("ada")
async def test_a_change_to_a_taken_value_is_refused_and_the_transaction_goes_on(
    database: Database, grace: User
) -> None:
    def work(db: Connection) -> User:
        with pytest.raises(EmailTakenError):
            registration.update(db, grace, context=CONTEXT, now=NOW, email="ada@EXAMPLE.com")
        with pytest.raises(UsernameTakenError):
            registration.update(db, grace, context=CONTEXT, now=NOW, email=grace.email, username="countess")
        return registration.update(db, grace, context=CONTEXT, now=NOW, username="Grace", organization="Navy")

    changed = await database.run(work)
    assert (changed.email, changed.username, changed.organization) == (grace.email, "Grace", "Navy")


async def test_roles_are_replaced_as_a_whole(database: Database) -> None:
    user = await database.run(lambda db: add_user(db, "a@example.com", roles=["one", "two"]))
    changed = await database.run(
        lambda db: registration.set_roles(db, user, ["three", "two"], context=CONTEXT, now=NOW)
    )
    assert changed.roles == ("three", "two")
    assert (await database.run(lambda db: registration.set_roles(db, user, [], context=CONTEXT, now=NOW))).roles == ()


async def test_roles_set_many_times_at_once_are_one_of_the_sets(database: Database, ada: User) -> None:
    async def give(role: str) -> object:
        return await database.run(lambda db: registration.set_roles(db, ada, ["all", role], context=CONTEXT, now=NOW))

    await asyncio.gather(*(give(f"role{number}") for number in range(6)))
    stored = await database.run(lambda db: find(db, ada.id))
    assert stored is not None
    assert len(stored.roles) == 2


async def test_people_are_listed_in_pages_with_their_roles(database: Database) -> None:
    def work(db: Connection) -> list[User]:
        return [add_user(db, f"p{n}@example.com", roles=[f"r{n}", "all"], now=NOW + n // 2) for n in range(5)]

    made = await database.run(work)
    seen: list[User] = []
    while True:
        after = (seen[-1].created_at, seen[-1].id) if seen else (-1, "")
        page = await database.run(partial(users.list_users, after=after, limit=2))
        if not page:
            break
        seen += page
    assert {user.id: user for user in seen} == {user.id: user for user in made}
    assert len(seen) == 5
    assert [user.created_at for user in seen] == sorted(user.created_at for user in made)


@pytest.mark.parametrize("user_id", ["", "usr_nobody", "usr_\0", "usr_\ud800", "x" * 10_000])
async def test_an_unknown_id_finds_nobody(database: Database, user_id: str) -> None:
    assert await database.run(lambda db: find(db, user_id)) is None
