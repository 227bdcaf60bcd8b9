"""`ostiary client`: registered applications."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from clients import profiles, security_profile
from clients.client import Client
from clients.encryption import SIGNED_MEMBERS
from clients.metadata import InvalidClientMetadata, validate
from clients.registry import MAX_CLIENT_ID_CHARACTERS
from clients.self_registration import hold
from server.cli import client_lint, client_metadata, client_sector, references, registration_token, unserved
from server.cli.running import Json, loaded, now, print_record, print_rows, refuse, sealer, transact, warn
from server.events.audit import record
from server.events.context import CLI
from server.events.names import Event
from server.extensions import EXTENSIONS
from server.protocol import client_secrets
from server.storage import authorizations, client_registrations, clients, scopes
from server.tokens import opaque

app = typer.Typer(help="Registered clients: applications and services.", no_args_is_help=True)
app.add_typer(registration_token.app, name="registration-token")
app.command("lint")(client_lint.lint)
ClientId = Annotated[str, typer.Argument(help="The client_id.", metavar="CLIENT_ID")]
Metadata = Annotated[
    Path | None, typer.Option(help="File with RFC 7591 client metadata as JSON; - for standard input.")
]
Environment = Annotated[bool, typer.Option("--env", help="Print CLIENT_ID and CLIENT_SECRET as lines of an .env file.")]
DEFAULT_PERSON_SCOPE = "openid profile email address phone offline_access"
MAX_OVERLAP_SECONDS = 366 * 86_400


@app.command()
def create(
    *,
    metadata: Metadata = None,
    profile: Annotated[str | None, typer.Option(help=f"One of {', '.join(profiles.PROFILES)}.")] = None,
    name: Annotated[str | None, typer.Option(help="Name on the consent page (client_name).")] = None,
    redirect_uri: Annotated[list[str] | None, typer.Option(help="Where answers go; repeat for several.")] = None,
    post_logout_redirect_uri: Annotated[list[str] | None, typer.Option(help="Where sign-out may return to.")] = None,
    scope: Annotated[str | None, typer.Option(help="Scopes it may ask for, separated by spaces.")] = None,
    client_id: Annotated[str | None, typer.Option(help="A client_id of your choice; else one is made.")] = None,
    skip_consent: Annotated[bool, typer.Option("--skip-consent", help="First-party: people are not asked.")] = False,
    as_environment: Environment = False,
    as_json: Json = False,
) -> None:
    """Register a client and print the RFC 7591 response; the client_secret is shown this once."""
    given = client_metadata.read(metadata)
    profile = client_metadata.take_profile(given, profile)
    client_metadata.check_spelling(given)
    given |= _given(name, redirect_uri, post_logout_redirect_uri, scope)
    if skip_consent:
        given["skip_consent"] = True
    valid = _valid(given, profile)
    new_id = client_id or opaque.new_identifier("cli_")
    is_plain = new_id.isascii() and new_id.isprintable() and " " not in new_id
    if not is_plain or new_id.startswith("usr_") or len(new_id) > MAX_CLIENT_ID_CHARACTERS:
        refuse(
            f"the client_id must be at most {MAX_CLIENT_ID_CHARACTERS} characters of printable ASCII without spaces, "
            "and must not start with usr_, as user ids do"
        )
    client_sector.check(valid)
    method, at = valid["token_endpoint_auth_method"], now()

    def work(db: Connection) -> tuple[str | None, list[str]]:
        if clients.find_client(db, new_id) is not None:
            refuse(f"there is a client {new_id} already: choose another client_id, or `ostiary client update {new_id}`")
        clients.insert_client(db, new_id, valid, now=at)
        secret = client_secrets.give(db, sealer(loaded().settings), new_id, method, now=at)
        warnings = _warnings(db, valid)
        _define_scopes(db, valid, at)
        record(db, Event.CLIENT_CREATED, CLI, now=at, client_id=new_id)
        return secret, warnings

    secret, warnings = transact(work)
    for text in warnings:
        warn(text)
    if as_environment:
        _print_environment(new_id, secret)
    else:
        print_record(_response(new_id, valid, at, secret), as_json=as_json)


def _print_environment(client_id: str, secret: str | None) -> None:
    lines = [("CLIENT_ID", client_id)] + ([("CLIENT_SECRET", secret)] if secret is not None else [])
    for name, value in lines:
        typer.echo(f"{name}={shlex.quote(value)}")


def _given(
    name: str | None, redirect_uris: list[str] | None, post_logout: list[str] | None, scope: str | None
) -> dict[str, Any]:
    values = {
        "client_name": name,
        "redirect_uris": redirect_uris or None,
        "post_logout_redirect_uris": post_logout or None,
        "scope": scope,
    }
    return {member: value for member, value in values.items() if value is not None}


def _valid(given: Mapping[str, Any], profile: str | None) -> dict[str, Any]:
    try:
        applied = profiles.apply(profile, given) if profile else dict(given)
        grants = applied.get("grant_types")
        is_about_people = grants is None or (isinstance(grants, list) and "authorization_code" in grants)
        if is_about_people:
            applied.setdefault("scope", DEFAULT_PERSON_SCOPE)
        return _enabled(validate(applied))
    except InvalidClientMetadata as error:
        client_metadata.refuse_metadata(error, options=client_metadata.OPTIONS)
    except KeyError:
        refuse(f"there is no profile {profile}: choose one of {', '.join(profiles.PROFILES)}")


def _enabled(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata, or refuse what this server's settings have switched off."""
    active = loaded().settings.signing_algorithms
    for name in SIGNED_MEMBERS:
        algorithm = metadata.get(name)
        if algorithm is not None and algorithm not in active:
            refuse(f"{name} {algorithm} is not in OSTIARY_SIGNING_ALGORITHMS ({' '.join(active)})")
    security = security_profile.of(metadata)
    if not set(active) & set(security.algorithms):
        mend = f"set it to '{' '.join(active)} {security.algorithms[0]}'"
        refuse(f"no algorithm of OSTIARY_SIGNING_ALGORITHMS is strong enough for {security.title}: {mend}")
    return metadata


def _warnings(db: Connection, metadata: Mapping[str, Any]) -> list[str]:
    """Return what to tell whoever just registered this: what is not there, and what is switched off."""
    settings = loaded().settings
    return references.warnings_of(metadata, references.known(db, settings)) + unserved.warnings_of(metadata, settings)


def _define_scopes(db: Connection, metadata: Mapping[str, Any], at: int) -> None:
    built_in = {name for extension in EXTENSIONS for name in extension.scopes}
    names = [name for name in str(metadata.get("scope", "")).split() if name not in built_in]
    for name in scopes.add_missing(db, names, now=at):
        record(db, Event.SCOPE_CREATED, CLI, now=at, scope=name)


def _response(client_id: str, metadata: Mapping[str, Any], at: int, secret: str | None) -> dict[str, Any]:
    response: dict[str, Any] = {"client_id": client_id, "client_id_issued_at": at}
    if secret is not None:
        response |= {"client_secret": secret, "client_secret_expires_at": 0}
    return response | dict(metadata)


def _get(db: Connection, client_id: str) -> Client:
    client = clients.find_client(db, client_id)
    if client is None:
        refuse(f"there is no client {client_id}: `ostiary client list` shows them")
    return client


def _row(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "client_name": client.client_name,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "grant_types": list(client.grant_types),
        "status": "disabled" if client.disabled else "active",
    }


@app.command("list")
def list_clients(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    after: Annotated[str, typer.Option(help="Go on after this client_id.")] = "",
    as_json: Json = False,
) -> None:
    """List clients."""
    rows = [_row(client) for client in transact(lambda db: clients.list_clients(db, after=after, limit=limit))]
    columns = ("client_id", "client_name", "token_endpoint_auth_method", "grant_types", "status")
    print_rows(rows, columns, as_json=as_json)


@app.command()
def show(client_id: ClientId, *, as_json: Json = False) -> None:
    """Show a client's metadata. Its secrets cannot be shown again."""
    client = transact(lambda db: _get(db, client_id))
    print_record(client_metadata.shown_of(client) | dict(client.metadata), as_json=as_json)


@app.command()
def update(client_id: ClientId, *, metadata: Metadata, as_json: Json = False) -> None:
    """Change metadata: the members of the JSON replace the present ones, null removes one."""
    changes = client_metadata.read(metadata)
    if client_metadata.SHOWN & changes.keys():
        shown = client_metadata.shown_of(transact(lambda db: _get(db, client_id)))
        changes = client_metadata.without_shown(changes, shown)
    client_metadata.check_spelling(changes)
    at = now()

    def changed(client: Client, *, is_of_its_own: bool = False) -> dict[str, Any]:
        merged = {name: value for name, value in {**client.metadata, **changes}.items() if value is not None}
        if is_of_its_own:
            merged = hold(merged, changes)
        try:
            return _enabled(validate(merged))
        except InvalidClientMetadata as error:
            client_metadata.refuse_metadata(error, options={})

    if client_sector.LISTED_MEMBERS & changes.keys():
        client_sector.check(changed(transact(lambda db: _get(db, client_id))))

    def work(db: Connection) -> tuple[dict[str, Any], list[str]]:
        clients.lock(db, client_id)
        client = _get(db, client_id)
        valid = changed(client, is_of_its_own=client.is_unverified or client_registrations.is_there(db, client_id))
        needs_secret = valid["token_endpoint_auth_method"] in client_secrets.METHODS
        if needs_secret and not client.secrets:
            refuse("the client has no secret for this token_endpoint_auth_method: register a new client instead")
        is_sealed = valid["token_endpoint_auth_method"] == client_secrets.SEALED_METHOD
        if is_sealed and client.token_endpoint_auth_method != client_secrets.SEALED_METHOD:
            refuse("the client's secret is stored as a digest, which client_secret_jwt cannot use: register a new one")
        clients.update_metadata(db, client_id, valid, now=at)
        warnings = _warnings(db, valid)
        _define_scopes(db, valid, at)
        record(db, Event.CLIENT_UPDATED, CLI, now=at, client_id=client_id)
        return valid, warnings

    valid, warnings = transact(work)
    for text in warnings:
        warn(text)
    print_record({"client_id": client_id} | valid, as_json=as_json)


@app.command()
def disable(client_id: ClientId, *, as_json: Json = False) -> None:
    """Refuse the client everything; what people authorized for it is revoked at once."""
    _set_disabled(client_id, is_disabled=True, as_json=as_json)


@app.command()
def enable(client_id: ClientId, *, as_json: Json = False) -> None:
    """Let a disabled client work again."""
    _set_disabled(client_id, is_disabled=False, as_json=as_json)


def _set_disabled(client_id: str, *, is_disabled: bool, as_json: bool) -> None:
    at = now()

    def work(db: Connection) -> dict[str, Any]:
        _get(db, client_id)
        clients.set_disabled(db, client_id, at if is_disabled else None, now=at)
        if is_disabled:
            authorizations.revoke_of_client(db, client_id, at)
        event = Event.CLIENT_DISABLED if is_disabled else Event.CLIENT_ENABLED
        record(db, event, CLI, now=at, client_id=client_id)
        return _row(_get(db, client_id))

    print_record(transact(work), as_json=as_json)


@app.command()
def delete(client_id: ClientId, *, as_json: Json = False) -> None:
    """Delete a client with all consents and tokens that people gave it."""
    at = now()

    def work(db: Connection) -> None:
        _get(db, client_id)
        clients.remove_client(db, client_id)
        record(db, Event.CLIENT_DELETED, CLI, now=at, client_id=client_id)

    transact(work)
    print_record({"client_id": client_id, "status": "deleted"}, as_json=as_json)


@app.command("rotate-secret")
def rotate_secret(
    client_id: ClientId,
    *,
    overlap: Annotated[
        int, typer.Option(min=0, max=MAX_OVERLAP_SECONDS, help="Seconds for which the old secret stays valid.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Give a client a new secret, shown this once."""
    at = now()

    def work(db: Connection) -> str | None:
        client = _get(db, client_id)
        if client.token_endpoint_auth_method not in client_secrets.METHODS:
            refuse(f"the client authenticates by {client.token_endpoint_auth_method} and has no secret")
        clients.expire_secrets(db, client_id, at + overlap)
        root, method = sealer(loaded().settings), client.token_endpoint_auth_method
        secret = client_secrets.give(db, root, client_id, method, now=at)
        record(db, Event.CLIENT_SECRET_ROTATED, CLI, now=at, client_id=client_id, overlap=overlap)
        return secret

    secret = transact(work)
    response = {"client_id": client_id, "client_secret": secret, "client_secret_expires_at": 0}
    print_record(response | {"old_secret_valid_until": at + overlap}, as_json=as_json)
