"""What every command shares: settings, the database beside a running server, and how results and refusals look."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from keys.sealing import Sealer, SealError
from server.clock import SystemClock
from server.configured_database import database_of
from server.root_key import sealer_of
from server.settings import Loaded, Settings, SettingsError, load
from server.storage import migrations
from server.storage.database import DatabaseRefusedError, DatabaseUnavailableError

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def refuse(text: str) -> NoReturn:
    """End with exit code 1 and one line that says what is wrong and how to mend it."""
    sys.stderr.write(" ".join(text.split()) + "\n")
    raise typer.Exit(1)


def loaded() -> Loaded:
    """Read the settings, or refuse."""
    try:
        return load()
    except SettingsError as error:
        refuse(str(error))


def warn_of_unknown(configuration: Loaded) -> None:
    """Name the variables that look like settings and are none."""
    for name in configuration.unknown:
        sys.stderr.write(f"warning: {name} is not a setting of Ostiary: `ostiary settings` lists them all\n")


def now() -> int:
    """Return the current time in Unix seconds."""
    return SystemClock().now()


def moment(seconds: int) -> str:
    """Return a time for people, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %B %Y, %H:%M UTC")


def sealer(settings: Settings) -> Sealer:
    """Return the sealer, or refuse."""
    try:
        return sealer_of(settings)
    except SettingsError as error:
        refuse(str(error))


def missing_database(settings: Settings) -> str | None:
    """Say that the embedded database is not there; None where it is. A typing error must not make an empty one."""
    if not settings.is_sqlite or settings.sqlite_path.exists():
        return None
    return (
        f"there is no database at {settings.sqlite_path.resolve()}: start the server or run `ostiary db upgrade`, "
        "or set OSTIARY_DATA_DIR or OSTIARY_CONFIG as the server has it"
    )


def transact(
    work: Callable[[Connection], T], settings: Settings | None = None, *, migrate: bool = True, create: bool = False
) -> T:
    """Run work in one transaction, beside a running server."""
    configuration = settings or loaded().settings
    problem = missing_database(configuration)
    if problem is not None and not create:
        refuse(problem)

    async def run() -> T:
        database = database_of(configuration, is_server=False)
        try:
            if migrate:
                await _ensure_migrated(configuration, database)
            return await database.run(work)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except DatabaseUnavailableError as error:
        refuse(f"the database does not answer ({error}): check OSTIARY_DATABASE_URL and that it is running")
    except (DatabaseRefusedError, SealError, SettingsError) as error:
        refuse(str(error))


async def _ensure_migrated(settings: Settings, database: Any) -> None:
    if await database.read(migrations.check_applied):
        return
    if not settings.is_sqlite:
        raise SettingsError("the database lacks migrations: run `ostiary db upgrade` first")
    await database.run(migrations.upgrade)


def print_json(value: object) -> None:
    """Print JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as a table, or as a JSON list."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def print_record(record: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing, a line each member, or as JSON."""
    if as_json:
        print_json(dict(record))
        return
    width = max((len(name) for name in record), default=0)
    for name, value in record.items():
        sys.stdout.write(f"{name.ljust(width)}  {_cell(value)}\n")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value) or "-"
    return str(value)


def say(text: str) -> None:
    """Print a line for a person, apart from what programs read."""
    sys.stderr.write(text + "\n")
