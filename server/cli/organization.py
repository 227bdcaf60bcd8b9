"""`ostiary organization`: organizations and who belongs to them."""

from collections.abc import Callable
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from sqlalchemy import Connection

from server.accounts import organizations
from server.accounts import user as people
from server.accounts.identifiers import fold
from server.accounts.organizations import (
    OrganizationExistsError,
    OrganizationInUseError,
    UnknownOrganizationError,
)
from server.accounts.user import User
from server.cli.running import Json, moment, now, print_record, print_rows, refuse, transact
from server.events.context import CLI
from server.storage import organizations as rows
from server.storage.rows import Row

T = TypeVar("T")
app = typer.Typer(help="Organizations, and who belongs to them.", no_args_is_help=True)
Which = Annotated[str, typer.Argument(help="Name or id.", metavar="ORGANIZATION")]
Who = Annotated[str, typer.Argument(help="E-mail address, username or id.", metavar="USER")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]


@app.command()
def create(name: Annotated[str, typer.Argument(help="Its name.", metavar="NAME")], *, as_json: Json = False) -> None:
    """Make an organization."""
    try:
        made = transact(lambda db: organizations.create(db, name, context=CLI, now=now()))
    except OrganizationExistsError:
        refuse(f"there is an organization {name} already: `ostiary organization show '{name}'`")
    except ValueError as error:
        refuse(str(error))
    print_record(_record(made, 0), as_json=as_json)


@app.command("list")
def list_organizations(
    *,
    limit: Limit = 100,
    after: Annotated[str, typer.Option(help="Go on after this name.")] = "",
    as_json: Json = False,
) -> None:
    """List organizations by name."""

    def work(db: Connection) -> list[dict[str, Any]]:
        found = rows.list_organizations(db, after=fold(after), limit=limit)
        members = rows.count_members(db, [row["id"] for row in found])
        return [_record(row, members.get(row["id"], 0)) for row in found]

    listed = transact(work)
    if not as_json:
        listed = [{**row, "created_at": moment(row["created_at"])} for row in listed]
    print_rows(listed, ("id", "name", "people", "created_at"), as_json=as_json)


@app.command()
def show(
    organization: Which,
    *,
    limit: Limit = 100,
    after: Annotated[str, typer.Option(help="Go on after this member's id.")] = "",
    as_json: Json = False,
) -> None:
    """Show an organization and its members, in the order of their ids."""

    def work(db: Connection) -> tuple[dict[str, Any], list[Row]]:
        found = organizations.find(db, organization)
        count = rows.count_members(db, [found["id"]]).get(found["id"], 0)
        return _record(found, count), rows.list_members(db, found["id"], after=after, limit=limit)

    record, members = _found(organization, work)
    if as_json:
        print_record({**record, "members": [dict(member) for member in members]}, as_json=True)
        return
    print_record({**record, "created_at": moment(record["created_at"])}, as_json=False)
    print_rows(members, ("id", "email", "role"), as_json=False)


@app.command()
def delete(
    organization: Which,
    *,
    force: Annotated[bool, typer.Option("--force", help="End the memberships of everybody in it.")] = False,
    as_json: Json = False,
) -> None:
    """Delete an organization."""

    def work(db: Connection) -> int:
        return organizations.delete(db, organization, ends_memberships=force, context=CLI, now=now())

    try:
        ended = _found(organization, work)
    except OrganizationInUseError as error:
        refuse(f"{error.people} people belong to {organization}: --force ends their memberships")
    print_record({"organization": organization, "status": "deleted", "people": ended}, as_json=as_json)


@app.command()
def add(
    organization: Which,
    who: Who,
    *,
    role: Annotated[str, typer.Option(help="What they are in it, such as owner.")] = "member",
    as_json: Json = False,
) -> None:
    """Let a person belong to an organization, or give a member another role."""

    def work(db: Connection) -> dict[str, Any]:
        person = _person(db, who)
        organizations.put_member(db, organization, person, role, context=CLI, now=now())
        return _membership(db, organization, person) | {"role": role}

    print_record(_found(organization, work), as_json=as_json)


@app.command()
def remove(organization: Which, who: Who, *, as_json: Json = False) -> None:
    """End a person's membership."""

    def work(db: Connection) -> dict[str, Any]:
        person = _person(db, who)
        if not organizations.remove_member(db, organization, person, context=CLI, now=now()):
            refuse(f"{who} does not belong to {organization}: `ostiary organization show '{organization}'`")
        return _membership(db, organization, person) | {"status": "removed"}

    print_record(_found(organization, work), as_json=as_json)


def _found(organization: str, work: Callable[[Connection], T]) -> T:
    try:
        return transact(work)
    except UnknownOrganizationError:
        _refuse_unknown(organization)
    except ValueError as error:
        refuse(str(error))


def _refuse_unknown(organization: str) -> NoReturn:
    refuse(f"there is no organization {organization}: `ostiary organization list` shows them")


def _person(db: Connection, who: str) -> User:
    person = people.find(db, who) or people.find_by_login(db, who)
    if person is None:
        refuse(f"nobody is called {who}: `ostiary user list` shows everybody")
    return person


def _membership(db: Connection, organization: str, person: User) -> dict[str, Any]:
    found = organizations.find(db, organization)
    return {"organization": found["id"], "name": found["name"], "user": person.id, "email": person.email}


def _record(organization: Row, members: int) -> dict[str, Any]:
    return {
        "id": organization["id"],
        "name": organization["name"],
        "people": members,
        "created_at": organization["created_at"],
    }
