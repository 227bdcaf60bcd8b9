import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import export, lifecycle, organizations
from server.accounts.claim_limits import ClaimTooLargeError
from server.accounts.organizations import (
    InvalidOrganizationError,
    OrganizationExistsError,
    OrganizationInUseError,
    UnknownOrganizationError,
)
from server.accounts.registration import InvalidRoleError
from server.accounts.user import User
from server.events.names import Event
from server.storage import organizations as rows
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, events


def create(db: Connection, name: str) -> str:
    return str(organizations.create(db, name, context=CONTEXT, now=NOW)["id"])


def put(db: Connection, name: str, user: User, role: str = "member", now: int = NOW) -> bool:
    return organizations.put_member(db, name, user, role, context=CONTEXT, now=now)


def delete(db: Connection, name: str, *, ends_memberships: bool = False) -> int:
    return organizations.delete(db, name, ends_memberships=ends_memberships, context=CONTEXT, now=NOW)


async def test_an_organization_is_found_by_its_id_and_by_all_spellings_of_its_name(database: Database) -> None:
    made = await database.run(lambda db: create(db, " Straße & Söhne "))
    assert made.startswith("org_")
    for spelling in (made, "Straße & Söhne", "STRASSE & SO\u0308HNE", " straße & söhne "):
        found = await database.run(lambda db, spelling=spelling: organizations.find(db, spelling))  # type: ignore[misc]
        assert (found["id"], found["name"]) == (made, "Straße & Söhne")
    with pytest.raises(OrganizationExistsError):
        await database.run(lambda db: create(db, "strasse & söhne"))
    for nonsense in ("", "ACME", "org_", "\0", "\ud800"):
        with pytest.raises(UnknownOrganizationError):
            await database.run(lambda db, name=nonsense: organizations.find(db, name))  # type: ignore[misc]


async def test_a_name_is_one_visible_line_and_passes_for_no_id(database: Database) -> None:
    for name in ("", "  ", "x" * 256, "two\nlines", "nul\0", "ORG_ 1", "ß" * 200, "\ud800"):
        with pytest.raises(InvalidOrganizationError):
            await database.run(lambda db, name=name: create(db, name))  # type: ignore[misc]


async def test_a_name_is_given_once_whoever_races(database: Database) -> None:
    results = await asyncio.gather(
        *(database.run(lambda db: create(db, "ACME")) for _ in range(8)), return_exceptions=True
    )
    assert [type(result) for result in results].count(OrganizationExistsError) == 7
    assert len(await database.run(lambda db: events(db, Event.ORGANIZATION_CREATED))) == 1


async def test_people_belong_to_several_organizations_in_one_role_each(database: Database, ada: User) -> None:
    acme, other = await database.run(lambda db: (create(db, "ACME"), create(db, "Other")))
    assert await database.run(lambda db: put(db, "acme", ada, "owner"))
    assert await database.run(lambda db: put(db, other, ada, now=NOW + 1))
    assert not await database.run(lambda db: put(db, "ACME", ada, "owner"))
    assert await database.run(lambda db: put(db, "ACME", ada, "guest"))
    assert await database.run(lambda db: organizations.claim_of(db, ada)) == [
        {"id": acme, "name": "ACME", "role": "guest"},
        {"id": other, "name": "Other", "role": "member"},
    ]
    details = await database.run(lambda db: events(db, Event.MEMBERSHIP_CHANGED))
    assert details == [
        {"organization": acme, "role": "guest", "former_role": "owner"},
        {"organization": other, "role": "member", "former_role": None},
        {"organization": acme, "role": "owner", "former_role": None},
    ]


async def test_a_membership_ends_once(database: Database, ada: User) -> None:
    acme = await database.run(lambda db: create(db, "ACME"))
    await database.run(lambda db: put(db, acme, ada))
    ended = await asyncio.gather(
        *(
            database.run(lambda db: organizations.remove_member(db, acme, ada, context=CONTEXT, now=NOW))
            for _ in range(8)
        )
    )
    assert ended.count(True) == 1
    assert await database.run(lambda db: organizations.claim_of(db, ada)) == []
    assert await database.run(lambda db: events(db, Event.MEMBERSHIP_ENDED)) == [{"organization": acme}]


async def test_an_organization_with_members_is_deleted_only_with_their_memberships(
    database: Database, ada: User, grace: User
) -> None:
    acme = await database.run(lambda db: create(db, "ACME"))
    await database.run(lambda db: [put(db, acme, user) for user in (ada, grace)])
    with pytest.raises(OrganizationInUseError) as raised:
        await database.run(lambda db: delete(db, "ACME"))
    assert raised.value.people == 2
    assert await database.run(lambda db: delete(db, "ACME", ends_memberships=True)) == 2
    await database.run(lambda db: create(db, "ACME"))
    assert await database.run(lambda db: organizations.claim_of(db, ada)) == []
    assert await database.run(lambda db: events(db, Event.ORGANIZATION_DELETED)) == [
        {"organization": acme, "people": 2}
    ]


async def test_joining_beside_a_deletion_leaves_no_membership_of_nothing(database: Database, ada: User) -> None:
    acme = await database.run(lambda db: create(db, "ACME"))
    results = await asyncio.gather(
        *(database.run(lambda db: put(db, acme, ada)) for _ in range(4)),
        *(database.run(lambda db: delete(db, acme, ends_memberships=True)) for _ in range(4)),
        return_exceptions=True,
    )
    expected = (bool, int, UnknownOrganizationError)
    assert [result for result in results if not isinstance(result, expected)] == []
    assert await database.run(lambda db: organizations.claim_of(db, ada)) == []
    assert len(await database.run(lambda db: events(db, Event.ORGANIZATION_DELETED))) == 1


async def test_unknown_organizations_and_impossible_roles_are_refused(database: Database, ada: User) -> None:
    with pytest.raises(UnknownOrganizationError):
        await database.run(lambda db: put(db, "ACME", ada))
    with pytest.raises(UnknownOrganizationError):
        await database.run(lambda db: organizations.remove_member(db, "ACME", ada, context=CONTEXT, now=NOW))
    with pytest.raises(UnknownOrganizationError):
        await database.run(lambda db: delete(db, "ACME"))
    await database.run(lambda db: create(db, "ACME"))
    with pytest.raises(InvalidRoleError):
        await database.run(lambda db: put(db, "ACME", ada, "no role"))
    assert await database.run(lambda db: organizations.claim_of(db, ada)) == []


async def test_more_organizations_than_fit_into_a_token_are_refused_even_in_parallel(
    database: Database, ada: User
) -> None:
    names = [f"Organization {n:02}" for n in range(24)]
    await database.run(lambda db: [create(db, name) for name in names])
    results = await asyncio.gather(
        *(database.run(lambda db, name=name: put(db, name, ada)) for name in names),  # type: ignore[misc]
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, ClaimTooLargeError)]
    held = await database.run(lambda db: organizations.claim_of(db, ada))
    assert (len(held), len(refused), results.count(True)) == (19, 5, 19)
    assert len(await database.run(lambda db: events(db, Event.MEMBERSHIP_CHANGED))) == 19


async def test_the_copy_of_a_persons_data_names_their_organizations(database: Database, ada: User) -> None:
    def work(db: Connection) -> dict[str, Any]:
        create(db, "ACME")
        put(db, "ACME", ada, "owner")
        return export.collect(db, ada, issuer="https://login.example.com", context=CONTEXT, now=NOW)

    (membership,) = (await database.run(work))["organizations"]
    assert (membership["name"], membership["role"]) == ("ACME", "owner")
    assert membership["created_at"].endswith("Z")


async def test_deleted_people_are_no_members_and_are_again_when_they_are_restored(
    database: Database, ada: User, grace: User, sealer: Sealer
) -> None:
    acme = await database.run(lambda db: create(db, "ACME"))
    await database.run(lambda db: [put(db, acme, user) for user in (ada, grace)])
    await database.run(lambda db: lifecycle.delete(db, ada, grace_seconds=9, sealer=sealer, context=CONTEXT, now=NOW))
    members = await database.run(lambda db: rows.list_members(db, acme, after="", limit=10))
    assert [member["id"] for member in members] == [grace.id]
    assert await database.run(lambda db: rows.count_members(db, [acme])) == {acme: 1}
    await database.run(lambda db: lifecycle.restore(db, ada, context=CONTEXT, now=NOW))
    assert await database.run(lambda db: rows.count_members(db, [acme])) == {acme: 2}
    await database.run(lambda db: lifecycle.erase(db, ada, context=CONTEXT, now=NOW))
    assert await database.run(lambda db: organizations.claim_of(db, ada)) == []


async def test_lists_go_on_where_the_page_before_ended(database: Database, ada: User, grace: User) -> None:
    def work(db: Connection) -> list[str]:
        for name in ("Beta", "alpha", "Gamma"):
            create(db, name)
        for user in (ada, grace):
            put(db, "Beta", user)
        return [str(row["name"]) for row in rows.list_organizations(db, after="", limit=2)]

    assert await database.run(work) == ["alpha", "Beta"]
    rest = await database.run(lambda db: rows.list_organizations(db, after="beta", limit=2))
    assert [row["name"] for row in rest] == ["Gamma"]
    beta = (await database.run(lambda db: organizations.find(db, "beta")))["id"]
    first, last = sorted([ada.id, grace.id])
    page = await database.run(lambda db: rows.list_members(db, beta, after="", limit=1))
    assert [member["id"] for member in page] == [first]
    page = await database.run(lambda db: rows.list_members(db, beta, after=first, limit=9))
    assert [member["id"] for member in page] == [last]
