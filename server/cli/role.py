"""`ostiary role`: roles and the permissions behind them."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn

import typer
from sqlalchemy import Connection

from server.accounts import roles
from server.accounts.roles import PermanentRoleError, Role, RoleExistsError, RoleInUseError, UnknownRoleError
from server.cli.running import Json, loaded, now, print_record, print_rows, refuse, transact
from server.events.context import CLI
from server.settings import Settings

app = typer.Typer(help="Roles, and what they permit.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The role.", metavar="ROLE")]
Permissions = Annotated[list[str], typer.Argument(help="Such as read:posts.", metavar="PERMISSION...")]


@app.command()
def create(
    name: Name,
    *,
    description: Annotated[str, typer.Option(help="What it is for, in words.")] = "",
    permission: Annotated[list[str] | None, typer.Option(help="Such as read:posts; repeat for several.")] = None,
    as_json: Json = False,
) -> None:
    """Define a role. `ostiary user update --role` gives it to people."""

    def work(db: Connection, _settings: Settings) -> None:
        roles.create(db, name, description=description, permissions=permission or (), context=CLI, now=now())

    try:
        _change(name, work, as_json=as_json)
    except RoleExistsError:
        refuse(f"the role {name} is defined already: `ostiary role grant {name}` gives it permissions")


@app.command("list")
def list_roles(*, as_json: Json = False) -> None:
    """List the roles: those that are defined, those that are always there, and those that somebody has."""
    settings = loaded().settings
    rows = [_record(role) for role in transact(lambda db: roles.list_all(db, settings.default_role), settings)]
    print_rows(rows, ("name", "description", "permissions", "people", "is_defined"), as_json=as_json)


@app.command()
def show(name: Name, *, as_json: Json = False) -> None:
    """Show one role."""
    _change(name, lambda _db, _settings: None, as_json=as_json)


@app.command()
def grant(name: Name, permissions: Permissions, *, as_json: Json = False) -> None:
    """Put permissions behind a role. Whoever has it has them from the next token on, and at UserInfo at once."""

    def work(db: Connection, settings: Settings) -> None:
        roles.grant(db, name, permissions, default_role=settings.default_role, context=CLI, now=now())

    _change(name, work, as_json=as_json)


@app.command()
def withdraw(name: Name, permissions: Permissions, *, as_json: Json = False) -> None:
    """Take permissions from a role. Access tokens that are out keep theirs until they expire."""
    _change(name, lambda db, _settings: _withdraw(db, name, permissions), as_json=as_json)


def _withdraw(db: Connection, name: str, permissions: Sequence[str]) -> None:
    removed = roles.withdraw(db, name, permissions, context=CLI, now=now())
    missing = sorted(set(permissions) - set(removed))
    if missing:
        refuse(f"the role {name} does not have {missing[0]}: `ostiary role show {name}`")


@app.command()
def delete(
    name: Name,
    *,
    force: Annotated[bool, typer.Option("--force", help="Take it from everybody who has it.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a role and what it permits."""
    settings = loaded().settings
    permanent = roles.always_there(settings.default_role)

    def work(db: Connection) -> int:
        return roles.delete(db, name, permanent=permanent, is_taken_away=force, context=CLI, now=now())

    try:
        people = transact(work, settings)
    except PermanentRoleError:
        refuse(f"the role {name} is always there: `ostiary role withdraw {name}` takes what it permits")
    except RoleInUseError as error:
        refuse(f"{error.people} people have the role {name}: --force takes it from them")
    except UnknownRoleError:
        _refuse_unknown(name)
    print_record({"name": name, "status": "deleted", "people": people}, as_json=as_json)


def _change(name: str, work: Callable[[Connection, Settings], object], *, as_json: bool) -> None:
    """Do something to a role and print it as it is then."""
    settings = loaded().settings

    def apply(db: Connection) -> Role:
        work(db, settings)
        return roles.find(db, name, settings.default_role)

    try:
        role = transact(apply, settings)
    except UnknownRoleError:
        _refuse_unknown(name)
    except ValueError as error:
        refuse(str(error))
    print_record(_record(role), as_json=as_json)


def _refuse_unknown(name: str) -> NoReturn:
    refuse(f"nobody defined a role {name}: `ostiary role list` shows them, `ostiary role create` defines one")


def _record(role: Role) -> dict[str, Any]:
    return {
        "name": role.name,
        "description": role.description,
        "permissions": list(role.permissions),
        "people": role.people,
        "is_defined": role.is_defined,
    }
