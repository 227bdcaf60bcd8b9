"""`ostiary client registration-token`: initial access tokens for dynamic client registration (RFC 7591 section 3)."""

from typing import Annotated

import typer

from server.cli.running import Json, loaded, moment, now, print_record, refuse, say, transact
from server.endpoints.registration import INITIAL_KIND, INITIAL_PREFIX
from server.settings import ClientRegistration
from server.storage import client_registrations
from server.tokens import opaque

app = typer.Typer(help="Tokens with which clients register themselves.", no_args_is_help=True)
MAX_USES = 100_000
MAX_SECONDS = 366 * 86_400


@app.command()
def create(
    *,
    uses: Annotated[int, typer.Option(min=1, max=MAX_USES, help="How many clients it registers.")] = 1,
    seconds: Annotated[int, typer.Option(min=1, max=MAX_SECONDS, help="How long it is valid.")] = 86_400,
    trusted: Annotated[
        bool,
        typer.Option(
            "--trusted",
            help="You vouch for the clients that it registers: the consent page does not warn of them, and asks for "
            "their scopes once instead of each time. Whether it asks at all stays yours: `skip_consent`.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Print a new initial access token; it is shown this once."""
    settings = loaded().settings
    if settings.client_registration is ClientRegistration.OFF:
        refuse("OSTIARY_CLIENT_REGISTRATION is off, so no client can use a token: set it to token")
    token = opaque.mint(INITIAL_PREFIX)
    at = now()
    expires_at = at + seconds
    digest = opaque.digest(INITIAL_KIND, token)
    transact(
        lambda db: client_registrations.add_token(
            db, digest, uses=uses, is_trusted=trusted, now=at, expires_at=expires_at
        ),
        settings,
    )
    if not as_json:
        say(f"valid until {moment(expires_at)}")
    record = {"initial_access_token": token, "uses": uses, "trusted": trusted, "expires_at": expires_at}
    print_record(record, as_json=as_json)
