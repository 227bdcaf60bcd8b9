"""`ostiary user import`: many people at once, from another system."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, NoReturn

import typer
from sqlalchemy import Connection

from server.accounts import people_import
from server.accounts.people_import import MAX_LINE_BYTES, Newcomer, Problem
from server.cli.running import Json, loaded, now, print_record, refuse, say, sealer, transact
from server.events.context import CLI
from server.settings import Settings

BATCH = 500
"""People who are stored in one transaction where not all must be, and between two lines about progress."""

File = Annotated[
    Path, typer.Argument(help="JSON lines, one person each; - for standard input.", metavar="FILE", show_default=False)
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Import the good lines even where others are not.")]


class _NotAllError(Exception):
    """Takes the transaction back."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("not everybody can be imported")
        self.problems = problems


def import_people(file: File, *, skip_bad: SkipBad = False, as_json: Json = False) -> None:
    """Import people with the password hashes that they have: all of them, or nobody where one line is not right.

    Each line is a JSON object: email, and if known name, username, password_hash, email_verified, roles, organization,
    claims, totp_secret. docs/account-api.md tells which hashes can be read.
    """
    settings = loaded().settings
    newcomers, problems = _read(file)
    _tell(problems)
    if problems and not skip_bad:
        _refuse(problems)
    taken = _store_free(settings, newcomers) if skip_bad else _store_all(settings, newcomers)
    skipped = [{"line": problem.line, "problem": problem.text} for problem in (*problems, *taken)]
    outcome: dict[str, Any] = {"imported": len(newcomers) - len(taken), "skipped": len(skipped)}
    print_record(outcome | ({"problems": skipped} if as_json else {}), as_json=as_json)


def _store_all(settings: Settings, newcomers: Sequence[Newcomer]) -> list[Problem]:
    try:
        return _store(settings, newcomers, must_all=True)
    except _NotAllError as error:
        _tell(error.problems)
        _refuse(error.problems)


def _store_free(settings: Settings, newcomers: Sequence[Newcomer]) -> list[Problem]:
    taken: list[Problem] = []
    for start in range(0, len(newcomers), BATCH):
        batch = newcomers[start : start + BATCH]
        problems = _store(settings, batch, must_all=False)
        _tell(problems)
        taken.extend(problems)
        _progress(start + len(batch), len(newcomers))
    return taken


def _read(file: Path) -> tuple[list[Newcomer], list[Problem]]:
    newcomers: list[Newcomer] = []
    problems: list[Problem] = []
    try:
        with _opened(file) as stream:
            for found in people_import.read(_lines(stream)):
                if isinstance(found, Problem):
                    problems.append(found)
                else:
                    newcomers.append(found)
    except OSError as error:
        refuse(f"{file} cannot be read: {error.strerror or error}")
    return newcomers, problems


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    with file.open("rb") as stream:
        yield stream


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    # A file that is one endless line must not fill the memory.
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        rest = raw
        while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE_BYTES + 1)
        yield raw


def _store(settings: Settings, newcomers: Sequence[Newcomer], *, must_all: bool) -> list[Problem]:
    secrets, at = sealer(settings), now()

    def work(db: Connection) -> list[Problem]:
        taken: list[Problem] = []
        for number, newcomer in enumerate(newcomers, start=1):
            stored = people_import.store(db, newcomer, sealer=secrets, context=CLI, now=at)
            if isinstance(stored, Problem):
                taken.append(stored)
            if must_all and number % BATCH == 0:
                _progress(number, len(newcomers))
        if taken and must_all:
            raise _NotAllError(taken)
        return taken

    return transact(work, settings)


def _progress(done: int, of: int) -> None:
    if of > BATCH:
        say(f"{done} of {of}")


def _tell(problems: Iterable[Problem]) -> None:
    for problem in problems:
        say(f"line {problem.line}: {problem.text}")


def _refuse(problems: Sequence[Problem]) -> NoReturn:
    lines = "line" if len(problems) == 1 else "lines"
    refuse(f"nobody was imported: mend {len(problems)} {lines}, or leave such lines out with --skip-bad")
