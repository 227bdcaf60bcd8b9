"""What every command shares: settings, the database beside a running server, and how results and refusals look."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from keys.decoding import decode_json_object
from keys.sealing import Sealer, SealError
from server.clock import SystemClock
from server.configured_database import database_of
from server.root_key import make_if_new, sealer_of
from server.settings import AS_THE_SERVER, Loaded, Settings, SettingsError, load
from server.storage import migrations
from server.storage.database import DatabaseRefusedError, DatabaseUnavailableError

T = TypeVar("T")
STANDARD_INPUT = "-"
JWT_TIMES = frozenset({"exp", "iat", "nbf", "auth_time"})
NEVER = "client_secret_expires_at"
"""The time that is 0 where it never comes (RFC 7591 section 3.2.1)."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def refuse(text: str) -> NoReturn:
    """End with exit code 1 and one line that says what is wrong and how to mend it."""
    sys.stderr.write(" ".join(text.split()) + "\n")
    raise typer.Exit(1)


def warn(text: str) -> None:
    """Say on standard error what succeeded and is perhaps not what was meant."""
    sys.stderr.write(f"warning: {' '.join(text.split())}\n")


def loaded() -> Loaded:
    """Read the settings, or refuse."""
    try:
        return load()
    except SettingsError as error:
        refuse(str(error))


def warn_of_unknown(configuration: Loaded) -> None:
    """Name the variables that look like settings and are none."""
    for name in configuration.unknown:
        warn(f"{name} is not a setting of Ostiary: `ostiary settings` lists them all")


def now() -> int:
    """Return the current time in Unix seconds."""
    return SystemClock().now()


def moment(seconds: int) -> str:
    """Return a time for people: ISO 8601 in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def read_json_object(option: str, path: Path) -> dict[str, Any]:
    """Read the JSON object in a file, or on standard input for `-`. Refuses what is none."""
    try:
        return decode_json_object(sys.stdin.buffer.read() if str(path) == STANDARD_INPUT else path.read_bytes())
    except OSError as error:
        refuse(f"{option}: {path} cannot be read: {error.strerror}")
    except json.JSONDecodeError as error:
        refuse(f"{option} is not valid JSON: {error.msg}, line {error.lineno} column {error.colno}")
    except UnicodeDecodeError:
        refuse(f"{option} is not valid JSON: it is not UTF-8")
    except ValueError as error:
        refuse(f"{option}: {error}")


def sealer(settings: Settings, *, create: bool = False) -> Sealer:
    """Return the sealer, or refuse. Only what makes the database makes the root key, which `create` stands for."""
    problem = None if create else missing_database(settings)
    if problem is not None:
        refuse(problem)
    try:
        if create:
            make_if_new(settings)
        return sealer_of(settings)
    except SettingsError as error:
        refuse(str(error))


def missing_database(settings: Settings) -> str | None:
    """Say that the embedded database is not there; None where it is. A typing error must not make an empty one."""
    try:
        if not settings.is_sqlite or settings.sqlite_path.exists():
            return None
    except OSError as error:
        return f"{settings.sqlite_path} cannot be opened ({error.strerror}): {AS_THE_SERVER}"
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
    cells = [[_cell(column, row.get(column)) for column in columns] for row in rows]
    if not sys.stdout.isatty():
        _print_lines([list(columns), *cells])
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row_cells in cells:
        table.add_row(*row_cells)
    Console(markup=False, emoji=False).print(table)


def _print_lines(rows: Sequence[Sequence[str]]) -> None:
    """Print each row as one line, however long, so that programs such as grep find a row whole."""
    lines = [[" ".join(cell.splitlines()) or "-" for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def print_record(record: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing, a line each member, or as JSON."""
    if as_json:
        print_json(dict(record))
        return
    width = max((len(name) for name in record), default=0)
    for name, value in record.items():
        sys.stdout.write(f"{name.ljust(width)}  {_cell(name, value)}\n")


def _cell(name: str, value: object) -> str:
    value = _readable(name, value)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple) and not any(isinstance(item, dict | list | tuple) for item in value):
        return " ".join(str(item) for item in value) or "-"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | tuple) else str(value)


def _readable(name: str, value: object) -> object:
    """Return a value with the Unix seconds in it as times, which their names tell."""
    if isinstance(value, dict):
        return {inner: _readable(str(inner), part) for inner, part in value.items()}
    if isinstance(value, list | tuple):
        return [_readable("", item) for item in value]
    last = name.rpartition(".")[2]
    is_time = last.endswith(("_at", "_until")) or last in JWT_TIMES
    if not is_time or not isinstance(value, int) or isinstance(value, bool):
        return value
    try:
        return "never" if (last, value) == (NEVER, 0) else moment(value)
    except (ValueError, OverflowError, OSError):
        return value  # a foreign number, beyond the calendar


def say(text: str) -> None:
    """Print a line for a person, apart from what programs read."""
    sys.stderr.write(text + "\n")
