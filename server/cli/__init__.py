"""The `ostiary` command, one file per noun.

Exit codes: 0 done, 1 refused (one line on standard error says what and how to mend it), 2 wrong usage.
"""

from importlib.metadata import version
from typing import Annotated

import typer

from server.cli import (
    audit,
    authorization_detail,
    client,
    database,
    doctor,
    invitation,
    key,
    mail,
    organization,
    resource,
    role,
    scope,
    serve,
    settings,
    token,
    user,
)

app = typer.Typer(
    name="ostiary",
    help="Ostiary, an OAuth 2 and OpenID Connect authorization server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)
app.command("settings")(settings.settings)
app.add_typer(database.app, name="db")
app.add_typer(user.app, name="user")
app.add_typer(invitation.app, name="invitation")
app.add_typer(role.app, name="role")
app.add_typer(organization.app, name="organization")
app.add_typer(client.app, name="client")
app.add_typer(scope.app, name="scope")
app.add_typer(resource.app, name="resource")
app.add_typer(authorization_detail.app, name="detail")
app.add_typer(token.app, name="token")
app.add_typer(key.app, name="key")
app.add_typer(mail.app, name="mail")
app.add_typer(audit.app, name="audit")


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


def main() -> None:
    """Run the command line."""
    app()
