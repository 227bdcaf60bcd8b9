"""Writes docs/command-line.md from the commands themselves. `tests/test_documentation.py` says when to run it again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server.cli import commands

TARGET = Path(__file__).resolve().parents[1] / "docs" / "command-line.md"
INTRODUCTION = """# Commands

`ostiary` reads the same settings as the server ([configuration.md](configuration.md)) and works beside running servers:
what a command changes, every node sees within a second. Every command has `--help`; every command that prints data
takes `--json`.

| exit code | means |
|---|---|
| 0 | done |
| 1 | refused: one line on standard error says what and how to mend it |
| 2 | wrong usage |

`USER` is an e-mail address, a username or an id. Passwords come from standard input, never from the command line, where
other users of the machine would see them.

`ostiary --version` prints the version.
"""


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        names = [name for name in (*parameter.opts, *parameter.secondary_opts) if name not in ("--json", "--help")]
        if names and not _is_argument(parameter):
            yield f"| {', '.join(f'`{name}`' for name in names)} | {parameter.help} |"


def _section(words: tuple[str, ...], command: Any) -> Iterator[str]:
    arguments = [parameter.metavar for parameter in command.params if _is_argument(parameter)]
    yield f"\n### `{' '.join(['ostiary', *words, *arguments])}`\n"
    yield "\n\n".join(" ".join(paragraph.split()) for paragraph in command.help.split("\n\n"))
    if options := list(_options(command)):
        yield "\n| option | |\n|---|---|"
        yield from options


def _lines() -> Iterator[str]:
    nouns = commands()
    groups = {name: below.commands for name, below in nouns.items() if hasattr(below, "commands")}
    yield INTRODUCTION
    yield "## The server"
    for name, command in nouns.items():
        if name not in groups:
            yield from _section((name,), command)
    for noun, verbs in groups.items():
        yield f"\n## `ostiary {noun}`\n\n{nouns[noun].help}"
        for verb, command in verbs.items():
            for below, nested in getattr(command, "commands", {"": command}).items():
                yield from _section((noun, verb, below) if below else (noun, verb), nested)


def reference() -> str:
    """Return the text of docs/command-line.md."""
    return "\n".join(_lines()) + "\n"


if __name__ == "__main__":
    TARGET.write_text(reference(), "utf-8")
