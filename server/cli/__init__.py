"""The `ostiary` command, one file per noun.

Exit codes: 0 done, 1 refused (one line on standard error says what and how to mend it), 2 wrong usage.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

NOUNS: Mapping[str, str] = {
    "serve": "serve",
    "doctor": "doctor",
    "settings": "settings",
    "db": "database",
    "user": "user",
    "invitation": "invitation",
    "role": "role",
    "organization": "organization",
    "client": "client",
    "scope": "scope",
    "resource": "resource",
    "detail": "authorization_detail",
    "token": "token",
    "key": "key",
    "mail": "mail",
    "audit": "audit",
}
"""What follows `ostiary`, and the module beside this one that answers to it."""


def _command_of(noun: str, module: Any) -> Any:
    if hasattr(module, "app"):
        group = typer.main.get_group(module.app)
        group.name = noun
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(noun)(getattr(module, noun))
    return typer.main.get_command(alone)


class Group(TyperGroup):
    """All nouns. Each is imported when it is asked for: it needs a part of the server; nobody waits for the rest."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        not_imported: Any = None
        self.commands = dict.fromkeys(NOUNS, not_imported)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a noun, None for anything else."""
        if cmd_name in NOUNS and self.commands[cmd_name] is None:
            self.commands[cmd_name] = _command_of(cmd_name, import_module(f"server.cli.{NOUNS[cmd_name]}"))
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: Any) -> Any:
        """Run a command. What is another user's file to one command is so to all of them: said in one place."""
        try:
            return super().invoke(ctx)
        except PermissionError as error:
            what = error.filename or "a file or a port"
            sys.stderr.write(
                f"{what} cannot be used ({error.strerror}): run commands as the user that the server runs as\n"
            )
            raise typer.Exit(1) from None


app = typer.Typer(
    name="ostiary",
    cls=Group,
    help="Ostiary, an OAuth 2 and OpenID Connect authorization server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(*, is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"ostiary {version('ostiary')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=lambda value: _print_version(is_asked=value)
        ),
    ] = False,
) -> None:
    """Ostiary, an OAuth 2 and OpenID Connect authorization server."""


def commands() -> dict[str, Any]:
    """Return all of them by their nouns."""
    group = typer.main.get_group(app)
    context = typer.Context(group)
    return {noun: group.get_command(context, noun) for noun in group.list_commands(context)}


def main() -> None:
    """Run the command line."""
    app()
