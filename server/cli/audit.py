"""`ostiary audit`: the audit log."""

import json
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any, NoReturn

import typer
from sqlalchemy import Connection

from server.accounts import identifiers
from server.accounts import user as people
from server.cli.running import Json, print_rows, refuse, transact
from server.events.names import Event
from server.storage import audit

MAX_DIGITS = 12
app = typer.Typer(help="What happened, when, and by whom.", no_args_is_help=True)


@app.command("list")
def list_events(
    *,
    user: Annotated[str | None, typer.Option(help="E-mail address, username or id of a person.")] = None,
    event: Annotated[str | None, typer.Option(help="Only this event, such as sign_in.failed.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Not before: 2026-01-31, 2026-01-31T08:00Z or Unix seconds.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
    as_json: Json = False,
) -> None:
    """List events, the newest first."""
    start = None if since is None else _seconds(since)
    if event is not None and event not in {known.value for known in Event}:
        _refuse_event(event)

    def work(db: Connection) -> list[dict[str, Any]]:
        user_id = None if user is None else _id_of(db, user)
        rows = audit.list_rows(db, user_id=user_id, event=event, since=start, limit=limit)
        return [{**row, "when": f"{datetime.fromtimestamp(row['at'], UTC):%Y-%m-%dT%H:%M:%SZ}"} for row in rows]

    columns = ("when", "event", "actor", "user_id", "client_id", "address", "request_id", "details")
    rows = transact(work)
    if not as_json:
        rows = [{**row, "details": json.dumps(row["details"], ensure_ascii=False)} for row in rows]
    print_rows(rows, columns, as_json=as_json)


def _refuse_event(name: str) -> NoReturn:
    near = get_close_matches(name.lower(), sorted(Event))
    mend = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(sorted(Event))}"
    refuse(f"there is no event {name}: {mend}")


def _id_of(db: Connection, who: str) -> str:
    """Return a person's id, which the log keeps beyond the person, or refuse."""
    person = people.find(db, who) or people.find_by_login(db, who) or people.find_deleted(db, who)
    is_known = identifiers.is_storable(who) and bool(audit.list_rows(db, user_id=who, limit=1))
    if person is None and not is_known:
        refuse(f"nobody is called {who}, and no event has such an id: `ostiary user list` shows everybody")
    return who if person is None else person.id


def _seconds(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS:
        return int(text)
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp())
    except ValueError:
        refuse(f"--since: {text} is no time: write 2026-01-31, 2026-01-31T08:00Z or Unix seconds")
