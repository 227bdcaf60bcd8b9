"""`ostiary invitation`: links with which people make their accounts."""

from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from server.accounts import invitations
from server.accounts.invitations import Invitation, NewInvitation
from server.accounts.registration import EmailTakenError
from server.cli.running import Json, loaded, moment, now, print_record, print_rows, refuse, say, sealer, transact
from server.events.context import CLI
from server.settings import Registration

app = typer.Typer(help="Links with which people make their accounts.", no_args_is_help=True)


@app.command()
def create(
    email: Annotated[
        str | None, typer.Argument(help="Who may accept it; their address counts as verified.", metavar="[EMAIL]")
    ] = None,
    *,
    role: Annotated[list[str] | None, typer.Option(help="A role that they get; repeat for several.")] = None,
    send: Annotated[bool, typer.Option("--send", help="Mail the link to EMAIL as well.")] = False,
    as_json: Json = False,
) -> None:
    """Print a link that makes one account. Without EMAIL whoever has the link may use it, with any address."""
    settings = loaded().settings
    if settings.registration is Registration.CLOSED:
        refuse("OSTIARY_REGISTRATION is closed, so no invitation can be accepted: set it to invite")
    if send and email is None:
        refuse("--send needs the EMAIL to send the link to")

    def work(db: Connection) -> NewInvitation:
        at = now()
        new = invitations.create(db, email=email, roles=role or (), settings=settings, context=CLI, now=at)
        if send:
            invitations.mail(db, new, inviter=settings.brand_name, language=None, sealer=sealer(settings), now=at)
        return new

    try:
        new = transact(work, settings)
    except EmailTakenError:
        refuse(f"{email} belongs to a person already: `ostiary user show {email}`")
    except ValueError as error:
        refuse(str(error))
    if not as_json:
        say(f"valid until {moment(new.invitation.expires_at)}")
    print_record(_record(new.invitation) | {"link": new.link}, as_json=as_json)


def _record(invitation: Invitation) -> dict[str, Any]:
    return {
        "id": invitation.id,
        "email": invitation.email,
        "roles": list(invitation.roles),
        "created_at": invitation.created_at,
        "expires_at": invitation.expires_at,
    }


@app.command("list")
def list_open(*, as_json: Json = False) -> None:
    """List invitations that nobody has accepted yet, the newest first."""
    rows = [_record(invitation) for invitation in transact(lambda db: invitations.list_open(db, now()))]
    if not as_json:
        rows = [
            {**row, "created_at": moment(row["created_at"]), "expires_at": moment(row["expires_at"])} for row in rows
        ]
    print_rows(rows, ("id", "email", "roles", "created_at", "expires_at"), as_json=as_json)


@app.command()
def revoke(
    invitation: Annotated[str, typer.Argument(help="Its id, from `list`.", metavar="INVITATION")],
    *,
    as_json: Json = False,
) -> None:
    """Take an invitation back, so that its link no longer works."""
    if not transact(lambda db: invitations.revoke(db, invitation, context=CLI, now=now())):
        refuse(f"there is no open invitation {invitation}: `ostiary invitation list` shows them")
    print_record({"id": invitation, "status": "revoked"}, as_json=as_json)
