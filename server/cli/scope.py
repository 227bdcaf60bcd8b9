"""`ostiary scope`: scopes in words for the consent page."""

from typing import Annotated

import typer
from sqlalchemy import Connection

from server.cli.running import Json, now, print_record, print_rows, refuse, transact
from server.events.audit import record
from server.events.context import CLI
from server.events.names import Event
from server.extensions import EXTENSIONS
from server.storage import scopes

app = typer.Typer(help="Scopes, in words for the consent page.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The scope, as clients ask for it.", metavar="SCOPE")]
MAX_CHARACTERS = 128


def is_scope_token(name: str) -> bool:
    """Whether a name is a scope-token of RFC 6749 section 3.3."""
    return 0 < len(name) <= MAX_CHARACTERS and all("!" <= c <= "~" and c not in '"\\' for c in name)


@app.command()
def create(
    name: Name,
    *,
    description: Annotated[str, typer.Option(help="What it allows, in words.")] = "",
    as_json: Json = False,
) -> None:
    """Define a scope, or give it other words."""
    if not is_scope_token(name):
        refuse("a scope is up to 128 printable ASCII characters without spaces, quotes and backslashes")

    def work(db: Connection) -> None:
        scopes.put_scope(db, name, description, now=now())
        record(db, Event.SCOPE_CREATED, CLI, now=now(), scope=name)

    transact(work)
    print_record({"name": name, "description": description}, as_json=as_json)


@app.command("list")
def list_scopes(*, as_json: Json = False) -> None:
    """List the scopes: those of specifications and those that operators defined."""
    rows = [
        {"name": name, "description": text, "origin": extension.title}
        for extension in EXTENSIONS
        for name, text in extension.scopes.items()
    ]
    defined = transact(scopes.list_scopes)
    rows += [{"name": name, "description": text, "origin": "operator"} for name, text in defined.items()]
    print_rows(rows, ("name", "description", "origin"), as_json=as_json)


@app.command()
def delete(name: Name, *, as_json: Json = False) -> None:
    """Delete a scope that no client may ask for any more."""

    def work(db: Connection) -> None:
        used_by = scopes.clients_using(db, name)
        if used_by:
            refuse(f"the client {used_by[0]} may still ask for {name}: `ostiary client update` it first")
        if not scopes.remove_scope(db, name):
            refuse(f"no operator defined a scope {name}: `ostiary scope list` shows them")
        record(db, Event.SCOPE_DELETED, CLI, now=now(), scope=name)

    transact(work)
    print_record({"name": name, "status": "deleted"}, as_json=as_json)
