"""`ostiary db`: the migrations."""

from collections.abc import Callable
from typing import TypeVar

import typer
from sqlalchemy import Connection

from server.cli.running import Json, print_record, refuse, say, transact
from server.storage import migrations

T = TypeVar("T")

app = typer.Typer(help="The database and its migrations.", no_args_is_help=True)


@app.command()
def upgrade(*, as_json: Json = False) -> None:
    """Apply the migrations that are missing. Safe beside running servers: one process applies, others wait."""

    def work(db: Connection) -> tuple[str | None, str | None]:
        before = migrations.applied(db)
        migrations.upgrade(db)
        return before, migrations.applied(db)

    if not as_json:
        say("Applying migrations ...")
    before, after = _on_any_database(work)
    print_record({"before": before, "after": after}, as_json=as_json)


@app.command()
def check(*, as_json: Json = False) -> None:
    """Say whether all migrations are applied; exit code 1 where not."""
    applied, is_applied = _on_any_database(lambda db: (migrations.applied(db), migrations.check_applied(db)))
    print_record({"applied": applied, "newest": migrations.newest()}, as_json=as_json)
    if not is_applied:
        refuse("the database lacks migrations: run `ostiary db upgrade`")


def _on_any_database(work: Callable[[Connection], T]) -> T:
    """Run work on a database that may lack migrations."""
    return transact(work, migrate=False)
