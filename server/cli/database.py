"""`ostiary db`: the migrations."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from server.cli.running import Json, loaded, missing_database, print_record, refuse, say, sealer, transact
from server.storage import migrations
from server.storage.database import DatabaseRefusedError, copy_sqlite

app = typer.Typer(help="The database and its migrations.", no_args_is_help=True)


@app.command()
def upgrade(*, as_json: Json = False) -> None:
    """Apply the migrations that are missing. Safe beside running servers: one process applies, others wait."""

    def work(db: Connection) -> tuple[str | None, str | None]:
        before = migrations.applied(db)
        migrations.upgrade(db)
        return before, migrations.applied(db)

    settings = loaded().settings
    sealer(settings, create=True)  # first, so that no database is ever without its root key
    if not as_json:
        say("Applying migrations ...")
    before, after = transact(work, settings, migrate=False, create=True)
    print_record({"before": before, "after": after}, as_json=as_json)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to; must not exist yet.", metavar="FILE")],
    *,
    as_json: Json = False,
) -> None:
    """Copy the embedded database, also while the server runs. For PostgreSQL use pg_dump."""
    settings = loaded().settings
    problem = missing_database(settings)
    if not settings.is_sqlite:
        refuse("the database is PostgreSQL: use pg_dump")
    if problem is not None:
        refuse(problem)
    try:
        copy_sqlite(settings.sqlite_path, file)
    except OSError as error:
        refuse(f"{file}: {error.strerror}")
    except DatabaseRefusedError as error:
        refuse(str(error))
    print_record({"file": str(file), "bytes": file.stat().st_size}, as_json=as_json)


@app.command()
def check(*, as_json: Json = False) -> None:
    """Say whether all migrations are applied; exit code 1 where not."""
    applied, is_applied = transact(lambda db: (migrations.applied(db), migrations.check_applied(db)), migrate=False)
    print_record({"applied": applied, "newest": migrations.newest()}, as_json=as_json)
    if not is_applied:
        refuse("the database lacks migrations: run `ostiary db upgrade`")
