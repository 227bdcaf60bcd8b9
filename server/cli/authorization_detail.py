"""`ostiary detail`: the types of `authorization_details` (RFC 9396)."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from keys.decoding import decode_json_object
from server.cli.running import Json, now, print_record, print_rows, refuse, transact
from server.events.audit import record
from server.events.context import CLI
from server.events.names import Event
from server.protocol.json_schema import SchemaError, check_schema
from server.storage import authorization_detail_types
from server.storage.authorization_detail_types import DetailType

app = typer.Typer(help="Types of authorization_details (RFC 9396), each with a schema.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The type, as clients name it.", metavar="TYPE")]
MAX_CHARACTERS = 128


@app.command()
def create(
    name: Name,
    *,
    schema: Annotated[Path, typer.Option(help="File with the JSON Schema of its objects, `type` left out.")],
    description: Annotated[str, typer.Option(help="What it allows, in words, for the consent page.")] = "",
    as_json: Json = False,
) -> None:
    """Define a type, or change it."""
    if not (0 < len(name) <= MAX_CHARACTERS and name.isascii() and name.isprintable() and " " not in name):
        refuse("a type is up to 128 printable ASCII characters without spaces")
    try:
        loaded = decode_json_object(schema.read_bytes())
        check_schema(loaded)
    except (OSError, ValueError) as error:
        refuse(f"{schema} cannot be read as JSON: {error}")
    except SchemaError as error:
        refuse(f"{error}: docs/specifications.md says what a schema may hold")
    detail_type = DetailType(name, description, loaded)

    def work(db: Connection) -> None:
        authorization_detail_types.put(db, detail_type, now=now())
        record(db, Event.DETAIL_TYPE_CREATED, CLI, now=now(), type=name)

    transact(work)
    print_record({"type": name, "description": description, "schema": loaded}, as_json=as_json)


@app.command("list")
def list_types(*, as_json: Json = False) -> None:
    """List the types."""
    known = transact(authorization_detail_types.list_types).values()
    rows = [{"type": item.type, "description": item.description, "schema": item.schema} for item in known]
    print_rows(rows, ("type", "description"), as_json=as_json)


@app.command()
def delete(name: Name, *, as_json: Json = False) -> None:
    """Delete a type: nothing of it is granted any more."""

    def work(db: Connection) -> None:
        if not authorization_detail_types.remove(db, name):
            refuse(f"there is no type {name}: `ostiary detail list` shows them")
        record(db, Event.DETAIL_TYPE_DELETED, CLI, now=now(), type=name)

    transact(work)
    print_record({"type": name, "status": "deleted"}, as_json=as_json)
