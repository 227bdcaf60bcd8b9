import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import claim_limits, export, invitations, lifecycle, people_import, registration, roles
from server.accounts.claim_limits import ClaimTooLargeError
from server.accounts.people_import import Newcomer, Problem
from server.accounts.registration import InvalidRoleError
from server.accounts.roles import (
    InvalidPermissionError,
    PermanentRoleError,
    RoleExistsError,
    RoleInUseError,
    UnknownRoleError,
)
from server.accounts.user import User
from server.events.names import Event
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, add_user, events
from tests.conftest import SettingsFor

MANY = [f"read:posts-{n:03}" for n in range(500)]
MOST = MANY[:140]
"""As many of these as fit."""


def create(db: Connection, name: str, *permissions: str) -> None:
    roles.create(db, name, description="", permissions=permissions, context=CONTEXT, now=NOW)


def grant(db: Connection, name: str, *permissions: str, default_role: str = "user") -> list[str]:
    return roles.grant(db, name, permissions, default_role=default_role, context=CONTEXT, now=NOW)


def give(db: Connection, user: User, *names: str) -> User:
    return registration.set_roles(db, user, names, context=CONTEXT, now=NOW)


def delete(db: Connection, name: str, *, is_taken_away: bool = False) -> int:
    permanent = roles.always_there("user")
    return roles.delete(db, name, permanent=permanent, is_taken_away=is_taken_away, context=CONTEXT, now=NOW)


@pytest.mark.parametrize(
    ("names", "one"),
    [
        ((), None),
        (("user",), "user"),
        (("editor", "user"), "editor"),
        (("user", "writer", "editor"), "editor"),
        (("admin", "editor", "user"), "admin"),
        (("zebra", "admin"), "admin"),
        (("apple", "user"), "apple"),
    ],
)
def test_the_one_role_is_the_one_that_says_most(names: tuple[str, ...], one: str | None) -> None:
    assert roles.primary(names, "user") == one


def test_without_a_default_role_only_admin_is_always_there() -> None:
    assert roles.always_there("") == {"admin"}
    assert roles.primary((), "") is None


@pytest.mark.parametrize("permission", ["read:posts", "a:b", "Blog.v2:read:own_posts-1", "x:" + "y" * 126])
def test_these_are_permissions(permission: str) -> None:
    assert roles.checked_permissions([permission, permission]) == (permission,)


@pytest.mark.parametrize(
    "permission",
    ["", "read", "read:", ":posts", "read::posts", "read posts", "read:*", "lire:été", "a:b\n", "x:" + "y" * 127],
)
def test_these_are_not(permission: str) -> None:
    with pytest.raises(InvalidPermissionError, match="such as read:posts"):
        roles.checked_permissions(["read:posts", permission])


async def test_what_is_no_permission_is_behind_no_role(database: Database) -> None:
    with pytest.raises(InvalidPermissionError):
        await database.run(lambda db: create(db, "editor", "read"))
    await database.run(lambda db: create(db, "editor"))
    with pytest.raises(InvalidPermissionError):
        await database.run(lambda db: grant(db, "editor", "write:posts", "read:*"))
    assert (await database.run(lambda db: roles.find(db, "editor", "user"))).permissions == ()


async def test_a_person_has_the_permissions_of_all_their_roles_each_once(database: Database, ada: User) -> None:
    def work(db: Connection) -> list[str]:
        create(db, "editor", "read:posts", "publish:posts")
        create(db, "author", "write:posts", "read:posts")
        create(db, "owner", "delete:everything")
        give(db, ada, "author", "editor", "undefined")
        return roles.permissions_of(db, ada)

    assert await database.run(work) == ["publish:posts", "read:posts", "write:posts"]


async def test_what_is_done_to_a_role_is_recorded_once_and_what_changes_nothing_is_not(database: Database) -> None:
    await database.run(lambda db: create(db, "editor", "read:posts"))
    assert await database.run(lambda db: grant(db, "editor", "read:posts", "write:posts")) == ["write:posts"]
    assert await database.run(lambda db: grant(db, "editor", "write:posts")) == []
    removed = await database.run(
        lambda db: roles.withdraw(db, "editor", ["read:posts", "no:such"], context=CONTEXT, now=NOW)
    )
    assert removed == ["read:posts"]
    assert not await database.run(lambda db: roles.withdraw(db, "editor", ["no:such"], context=CONTEXT, now=NOW))
    assert await database.run(lambda db: delete(db, "editor")) == 0
    assert await database.run(lambda db: events(db, Event.ROLE_CREATED)) == [
        {"role": "editor", "permissions": ["read:posts"]}
    ]
    assert await database.run(lambda db: events(db, Event.ROLE_PERMISSIONS_CHANGED)) == [
        {"role": "editor", "granted": [], "withdrawn": ["read:posts"]},
        {"role": "editor", "granted": ["write:posts"], "withdrawn": []},
    ]
    assert await database.run(lambda db: events(db, Event.ROLE_DELETED)) == [{"role": "editor", "people": 0}]


async def test_a_role_is_defined_once_whoever_races(database: Database) -> None:
    results = await asyncio.gather(
        *(database.run(lambda db: create(db, "editor", "read:posts")) for _ in range(8)), return_exceptions=True
    )
    assert [type(result) for result in results].count(RoleExistsError) == 7
    assert len(await database.run(lambda db: events(db, Event.ROLE_CREATED))) == 1


async def test_parallel_grants_and_withdrawals_leave_what_they_say(database: Database) -> None:
    await database.run(lambda db: create(db, "editor"))
    added = await asyncio.gather(*(database.run(lambda db: grant(db, "editor", "read:posts")) for _ in range(8)))
    assert sorted(added, key=len) == [[]] * 7 + [["read:posts"]]
    assert len(await database.run(lambda db: events(db, Event.ROLE_PERMISSIONS_CHANGED))) == 1


async def test_admin_and_the_default_role_are_there_without_a_definition_and_stay(database: Database) -> None:
    listed = await database.run(lambda db: roles.list_all(db, "user"))
    assert [(role.name, role.is_defined) for role in listed] == [("admin", False), ("user", False)]
    assert await database.run(lambda db: grant(db, "user", "read:posts")) == ["read:posts"]
    assert (await database.run(lambda db: roles.find(db, "user", "user"))).permissions == ("read:posts",)
    for name in ("admin", "user"):
        with pytest.raises(PermanentRoleError):
            await database.run(lambda db, name=name: delete(db, name, is_taken_away=True))  # type: ignore[misc]


async def test_an_unknown_role_gets_nothing(database: Database) -> None:
    for work in (
        lambda db: grant(db, "nobody", "read:posts"),
        lambda db: roles.withdraw(db, "nobody", ["read:posts"], context=CONTEXT, now=NOW),
        lambda db: delete(db, "nobody"),
        lambda db: roles.find(db, "nobody", "user"),
    ):
        with pytest.raises(UnknownRoleError):
            await database.run(work)
    with pytest.raises(InvalidRoleError):
        await database.run(lambda db: create(db, "no role"))


async def test_a_role_that_people_have_is_deleted_only_when_it_is_taken_from_them(
    database: Database, ada: User, grace: User
) -> None:
    await database.run(lambda db: create(db, "editor", "read:posts"))
    await database.run(lambda db: [give(db, user, "editor", "user") for user in (ada, grace)])
    assert (await database.run(lambda db: roles.find(db, "editor", "user"))).people == 2
    with pytest.raises(RoleInUseError) as raised:
        await database.run(lambda db: delete(db, "editor"))
    assert raised.value.people == 2
    assert await database.run(lambda db: delete(db, "editor", is_taken_away=True)) == 2
    await database.run(lambda db: create(db, "editor", "rule:everything"))
    assert await database.run(lambda db: roles.permissions_of(db, ada)) == []
    assert (await database.run(lambda db: roles.find(db, "editor", "user"))).people == 0


@pytest.mark.parametrize("description", ["x" * 501, "two\nlines"])
async def test_a_description_is_one_line(database: Database, description: str) -> None:
    with pytest.raises(ValueError, match="on one line"):
        await database.run(
            lambda db: roles.create(db, "editor", description=description, permissions=(), context=CONTEXT, now=NOW)
        )


async def test_more_permissions_than_fit_into_a_token_are_refused_when_they_are_granted(
    database: Database, ada: User
) -> None:
    with pytest.raises(ClaimTooLargeError, match="would not fit"):
        await database.run(lambda db: create(db, "editor", *MANY))
    await database.run(lambda db: create(db, "editor", *MOST))
    with pytest.raises(ClaimTooLargeError, match="would not fit"):
        await database.run(lambda db: grant(db, "editor", *MANY[140:]))
    await database.run(lambda db: give(db, ada, "editor", "author"))
    await database.run(lambda db: create(db, "author", *MOST[:50], "one:more"))  # the same ones count once
    with pytest.raises(ClaimTooLargeError, match="somebody who has author and other roles"):
        await database.run(lambda db: grant(db, "author", "and:another"))
    assert len(await database.run(lambda db: roles.permissions_of(db, ada))) == 141


async def test_roles_that_together_do_not_fit_are_given_to_nobody(
    database: Database, ada: User, settings_for: SettingsFor, sealer: Sealer
) -> None:
    both = ("editor", "author")
    await database.run(lambda db: create(db, "editor", *MANY[:100]))
    await database.run(lambda db: create(db, "author", *MANY[100:200]))
    with pytest.raises(ClaimTooLargeError, match="200 permissions"):
        await database.run(lambda db: give(db, ada, *both))
    with pytest.raises(ClaimTooLargeError, match="100 roles"):
        await database.run(lambda db: give(db, ada, *(f"role{n:04}" for n in range(100))))
    with pytest.raises(ClaimTooLargeError):
        await database.run(
            lambda db: invitations.create(db, email=None, roles=both, settings=settings_for(), context=CONTEXT, now=NOW)
        )
    newcomer = Newcomer(
        1, "bo@example.com", None, None, {}, both, email_verified=True, password_hash=None, totp_secret=None
    )
    found = await database.run(lambda db: people_import.store(db, newcomer, sealer=sealer, context=CONTEXT, now=NOW))
    assert isinstance(found, Problem)
    assert "200 permissions" in found.text
    await database.run(lambda db: give(db, ada, "editor"))


async def test_the_limit_is_counted_as_the_token_has_it(database: Database, ada: User) -> None:
    await database.run(lambda db: give(db, ada, "editor"))
    await database.run(lambda db: create(db, "editor", *MOST))
    room = claim_limits.MAX_PERMISSIONS_CHARACTERS - len(json.dumps(MOST, separators=(",", ":"))) - len(',"x:"')
    with pytest.raises(ClaimTooLargeError):
        await database.run(lambda db: grant(db, "editor", "x:" + "y" * (room + 1)))
    await database.run(lambda db: grant(db, "editor", "x:" + "y" * room))


async def test_the_copy_of_a_persons_data_says_what_they_may_do(database: Database, ada: User) -> None:
    def work(db: Connection) -> dict[str, Any]:
        create(db, "editor", "read:posts")
        changed = give(db, ada, "editor")
        return export.collect(db, changed, issuer="https://login.example.com", context=CONTEXT, now=NOW)

    copy = await database.run(work)
    assert (copy["roles"], copy["permissions"]) == ([{"role": "editor"}], ["read:posts"])


async def test_an_erased_person_has_no_role_and_a_deleted_one_is_not_counted(
    database: Database, ada: User, sealer: Sealer
) -> None:
    await database.run(lambda db: create(db, "editor", "read:posts"))
    await database.run(lambda db: give(db, ada, "editor"))
    await database.run(lambda db: lifecycle.delete(db, ada, grace_seconds=9, sealer=sealer, context=CONTEXT, now=NOW))
    assert (await database.run(lambda db: roles.find(db, "editor", "user"))).people == 0
    await database.run(lambda db: lifecycle.erase_due(db, NOW + 9))
    assert await database.run(lambda db: roles.permissions_of(db, ada)) == []


async def test_new_people_have_no_role_that_nobody_gave_them(database: Database) -> None:
    user = await database.run(lambda db: add_user(db, "new@example.com"))
    assert user.roles == ()


async def test_a_role_is_deleted_once_whoever_races(database: Database, ada: User) -> None:
    await database.run(lambda db: create(db, "editor", "read:posts"))
    await database.run(lambda db: give(db, ada, "editor"))
    results = await asyncio.gather(
        *(database.run(lambda db: delete(db, "editor", is_taken_away=True)) for _ in range(8)), return_exceptions=True
    )
    assert [type(result) for result in results].count(UnknownRoleError) == 7
    assert await database.run(lambda db: events(db, Event.ROLE_DELETED)) == [{"role": "editor", "people": 1}]
