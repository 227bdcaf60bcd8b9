"""The client configuration endpoint: RFC 7592. A client reads, replaces and deletes its own registration."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from clients import secrets
from clients.client import Client
from clients.metadata import InvalidClientMetadata
from clients.self_registration import changes_trust, operators_members, without_trust
from server.endpoints.registration import (
    MANAGEMENT_KIND,
    MANAGEMENT_PREFIX,
    answered,
    bearer_token,
    information,
    read_json,
    validated,
)
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.outbound.sector_identifier import check_sector
from server.protocol import client_secrets
from server.protocol.errors import AccessDeniedError, BearerError
from server.protocol.response import Answer
from server.protocol.services import Services, context_of, services_of
from server.storage import client_registrations, clients
from server.tokens import opaque

NOT_SENT_BACK = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)
"""RFC 7592 section 2.2: what a client must not include in an update."""


async def configuration(request: Request) -> Response:
    """Answer GET with the registration, PUT with the replaced one, DELETE with nothing."""
    return await answered(_configured(request))


async def _configured(request: Request) -> Answer:
    services = services_of(request)
    client_id = request.path_params["client_id"]
    context = context_of(request, actor=client_id)
    token = bearer_token(request, "A registration access token is needed")
    if request.method == "GET":
        return await services.database.read(lambda db: _read(db, services, client_id, token))
    if request.method == "DELETE":
        answer = await services.database.run(lambda db: _delete(db, services, client_id, token, context))
    else:
        # Who may not update must not learn what would be wrong with the update.
        client = await services.database.read(lambda db: _authenticated(db, client_id, token))
        given = await read_json(request)
        _check_update(client, given, services.clock.now())
        await check_sector(services.fetcher, validated(services, given, operators=operators_members(client.metadata)))
        answer = await services.database.run(lambda db: _update(db, services, client_id, token, given, context))
    services.registry.clear()
    return answer


def _authenticated(db: Connection, client_id: str, token: str) -> Client:
    """Return the client that the token is bound to (RFC 7592 section 2). A deleted one and its token are gone."""
    found = client_registrations.find_client_id(db, opaque.digest(MANAGEMENT_KIND, token))
    client = clients.find_client(db, client_id) if found == client_id else None
    if client is None:
        raise BearerError("invalid_token", "The registration access token is not valid for this client")
    if client.disabled:
        raise AccessDeniedError("The client is disabled", status_code=403)
    return client


def _read(db: Connection, services: Services, client_id: str, token: str) -> Answer:
    client = _authenticated(db, client_id, token)
    return Answer(200, information(services, client_id, client.metadata, token, created_at=client.created_at))


def _update(
    db: Connection, services: Services, client_id: str, token: str, given: Mapping[str, Any], context: Context
) -> Answer:
    """Replace all of the client's own metadata; what an operator set for it stays (RFC 7592 section 2.2)."""
    now = services.clock.now()
    clients.lock(db, client_id)  # or what an operator decides at this moment would be undone
    client = _authenticated(db, client_id, token)
    _check_update(client, given, now)
    metadata = validated(services, given, operators=operators_members(client.metadata))
    details: dict[str, Any] = {}
    changed = [] if client.is_unverified else changes_trust(client.metadata, metadata)
    if changed:
        # The operator vouched for the client as it was then.
        metadata, details = without_trust(metadata), {"no_longer_verified_for": changed}
    new_token = opaque.mint(MANAGEMENT_PREFIX)
    old_digest, new_digest = (opaque.digest(MANAGEMENT_KIND, value) for value in (token, new_token))
    if not client_registrations.rotate(db, client_id, old_digest, new_digest):
        raise BearerError("invalid_token", "The registration access token was replaced by another update")
    clients.update_metadata(db, client_id, metadata, now=now)
    secret = _change_secret(db, services, client, str(metadata["token_endpoint_auth_method"]), now)
    record(db, Event.CLIENT_UPDATED, context, now=now, client_id=client_id, is_self_registered=True, **details)
    body = information(services, client_id, metadata, new_token, created_at=client.created_at, secret=secret)
    return Answer(200, body)


def _change_secret(db: Connection, services: Services, client: Client, method: str, now: int) -> str | None:
    """Return the secret that the client needs for another method than before, None where what it has will do."""
    has_secret = any(one.expires_at is None or one.expires_at > now for one in client.secrets)
    is_sealed = method == client_secrets.SEALED_METHOD
    has_right_kind = not is_sealed or client.token_endpoint_auth_method == client_secrets.SEALED_METHOD
    if method in client_secrets.METHODS and has_secret and has_right_kind:
        return None
    clients.expire_secrets(db, client.client_id, now)
    return client_secrets.give(db, services.sealer, client.client_id, method, now=now)


def _check_update(client: Client, given: Mapping[str, Any], now: int) -> None:
    if given.get("client_id") != client.client_id:
        raise InvalidClientMetadata("client_id must be the one that was issued")
    for name in NOT_SENT_BACK:
        if name in given:
            raise InvalidClientMetadata(f"{name} must not be part of an update")
    secret = given.get("client_secret")
    if secret is not None and not (isinstance(secret, str) and secrets.matches(secret, client.secrets, now)):
        raise InvalidClientMetadata("client_secret cannot be chosen by the client")


def _delete(db: Connection, services: Services, client_id: str, token: str, context: Context) -> Answer:
    """Delete the client with its secrets, consents and tokens (RFC 7592 section 2.3)."""
    _authenticated(db, client_id, token)
    clients.remove_client(db, client_id)
    record(db, Event.CLIENT_DELETED, context, now=services.clock.now(), client_id=client_id, is_self_registered=True)
    return Answer(204, None)
