"""`ostiary resource`: protected resources (APIs), which RFC 8707 `resource` may name."""

from typing import Annotated
from urllib.parse import urlsplit

import typer
from sqlalchemy import Connection

from server.cli import references
from server.cli.running import Json, loaded, now, print_record, print_rows, refuse, transact, warn
from server.cli.scope import is_scope_token
from server.events.audit import record
from server.events.context import CLI
from server.events.names import Event
from server.protocol.resources import is_resource_uri
from server.storage import clients, resources, scopes
from server.storage.resources import Resource

app = typer.Typer(help="Protected resources (APIs), the audiences of access tokens.", no_args_is_help=True)
Uri = Annotated[str, typer.Argument(help="The resource, as clients name it in `resource`.", metavar="URI")]
MAX_NAME = 255


@app.command()
def create(
    uri: Uri,
    *,
    name: Annotated[str, typer.Option(help="Its name on the consent page.")] = "",
    scope: Annotated[str, typer.Option(help='The scopes that mean something there: "a b". None: all do.')] = "",
    served_by: Annotated[
        list[str] | None, typer.Option(metavar="CLIENT_ID", help="A client that runs it: it may exchange its tokens.")
    ] = None,
    allow_exchange_from: Annotated[
        list[str] | None,
        typer.Option(metavar="CLIENT_ID", help="A client that may exchange a token for one to this resource."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Register a resource, or change what is registered."""
    settings = loaded().settings
    if not is_resource_uri(uri) or not _is_plain(uri) or uri == settings.issuer:
        refuse(
            f"{uri} must be an absolute URI: an http or https URL such as https://api.example/orders, or a urn: "
            "such as urn:example:orders; without a fragment, of at most 500 characters, and not the issuer"
        )
    names = tuple(dict.fromkeys(scope.split()))
    wrong = [item for item in names if not is_scope_token(item)]
    if wrong or len(name) > MAX_NAME or not (name.isprintable() or not name):
        refuse("a scope is printable ASCII without quotes and backslashes, a name at most 255 printable characters")
    resource = Resource(uri, name, names, tuple(served_by or ()), tuple(allow_exchange_from or ()))

    def work(db: Connection) -> list[str]:
        for client_id in (*resource.served_by, *resource.allow_exchange_from):
            if clients.find_client(db, client_id) is None:
                refuse(f"there is no client {client_id}: `ostiary client list` shows them")
        missing = references.missing_scopes(names, references.known(db, settings))
        warnings = [references.warning(one) for one in missing]
        resources.put(db, resource, now=now())
        scopes.add_missing(db, list(names), now=now())
        record(db, Event.RESOURCE_CREATED, CLI, now=now(), resource=uri)
        return warnings

    for text in transact(work):
        warn(text)
    print_record(_as_record(resource), as_json=as_json)


def _is_plain(uri: str) -> bool:
    """Whether a URI is one that a resource server has: `localhost:8003` alone would be of the scheme `localhost`."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return bool(parts.hostname) and parts.username is None and parts.password is None
    namespace, colon, name = parts.path.partition(":")
    return parts.scheme == "urn" and bool(namespace and colon and name)  # RFC 8141 section 2


def _as_record(resource: Resource) -> dict[str, object]:
    return {
        "uri": resource.uri,
        "name": resource.name,
        "scope": " ".join(resource.scopes),
        "served_by": list(resource.served_by),
        "allow_exchange_from": list(resource.allow_exchange_from),
    }


@app.command("list")
def list_resources(*, as_json: Json = False) -> None:
    """List the resources."""
    rows = [_as_record(resource) for resource in transact(resources.list_resources).values()]
    print_rows(rows, ("uri", "name", "scope", "served_by", "allow_exchange_from"), as_json=as_json)


@app.command()
def delete(uri: Uri, *, as_json: Json = False) -> None:
    """Delete a resource: no new token is for it any more."""

    def work(db: Connection) -> None:
        if not resources.remove(db, uri):
            refuse(f"there is no resource {uri}: `ostiary resource list` shows them")
        record(db, Event.RESOURCE_DELETED, CLI, now=now(), resource=uri)

    transact(work)
    print_record({"uri": uri, "status": "deleted"}, as_json=as_json)
