"""The client registration endpoint: RFC 7591 section 3, OpenID Connect Dynamic Client Registration 1.0 section 3."""

from collections.abc import Awaitable, Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from clients.encryption import SIGNED_MEMBERS
from clients.metadata import InvalidClientMetadata
from clients.self_registration import UNVERIFIED, is_own, validate_own, without_unserved
from keys.decoding import decode_json_object
from server.accounts import throttling
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.outbound.sector_identifier import check_sector
from server.protocol import client_secrets
from server.protocol.errors import BearerError, OAuth2Error, TooManyRequestsError
from server.protocol.refusals import note
from server.protocol.request import read_body
from server.protocol.response import Answer, error_answer, to_response
from server.protocol.services import Services, context_of, services_of
from server.settings import ClientRegistration
from server.storage import client_registrations, clients
from server.tokens import opaque

INITIAL_KIND, INITIAL_PREFIX = "initial_access_token", "oia_"
MANAGEMENT_KIND, MANAGEMENT_PREFIX = "registration_access_token", "orm_"
FETCHED_MEMBERS = ("jwks_uri", "sector_identifier_uri", "backchannel_logout_uri")
"""What this server fetches or posts to by itself, so that it must not lead to what only the server can reach."""


async def register(request: Request) -> Response:
    """Register a client that asks for it, and answer with its metadata and the secrets it has from now on."""
    return await answered(_registered(request))


async def answered(work: Awaitable[Answer]) -> Response:
    """Return the response to what was done, or to what was refused (RFC 7591 section 3.2.2)."""
    try:
        return to_response(await work)
    except InvalidClientMetadata as error:
        note(error)
        return to_response(Answer(400, {"error": error.error, "error_description": error.description}))
    except OAuth2Error as error:
        return to_response(error_answer(error))


async def _registered(request: Request) -> Answer:
    services, context = services_of(request), context_of(request)
    token = _initial_token(request, services)
    if token is None:
        await _throttle(services, context)
    else:
        # Who may not register must not make us look at metadata, let alone fetch what it names.
        await _check_initial_token(services, token)
    metadata = validated(services, await read_json(request), operators={})
    await check_sector(services.fetcher, metadata)
    answer = await services.database.run(lambda db: _register(db, services, metadata, token, context))
    services.registry.clear()
    return answer


def _initial_token(request: Request, services: Services) -> str | None:
    """Return the initial access token; None where anybody may register and none is given."""
    is_given = "authorization" in request.headers
    if services.settings.client_registration is ClientRegistration.OPEN and not is_given:
        return None
    return bearer_token(request, "An initial access token is needed")


def bearer_token(request: Request, needed: str) -> str:
    """Return what stands in the one Authorization header of the Bearer scheme. Raises BearerError.

    These tokens are not access tokens of people: no other scheme and no form field carries them (RFC 7591 section 3).
    """
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise BearerError("invalid_request", "The Authorization header is repeated", status=400)
    scheme, _, value = (headers[0] if headers else "").partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise BearerError(description=needed)
    return value.strip()


async def _check_initial_token(services: Services, token: str) -> None:
    digest, now = opaque.digest(INITIAL_KIND, token), services.clock.now()
    if not await services.database.read(lambda db: client_registrations.has_uses(db, digest, now)):
        raise _invalid_token()


def _invalid_token() -> BearerError:
    return BearerError("invalid_token", "The initial access token is not valid, has expired, or is used up")


async def _throttle(services: Services, context: Context) -> None:
    """Bound the clients that an address can make (RFC 7591 section 5)."""
    if not services.settings.rate_limits:
        return
    key = throttling.ThrottleKey(
        throttling.Kind.REGISTRATION, f"client\0{throttling.address_key(context.address).name}"
    )
    now = services.clock.now()
    throttled = await services.database.run(lambda db: throttling.reserve(db, [key], now))
    if throttled is not None:
        raise TooManyRequestsError(throttled.retry_after, "Too many registrations from this address, try again later")


async def read_json(request: Request) -> dict[str, Any]:
    """Return the body, which must be a JSON object (RFC 7591 section 3.1). Raises InvalidClientMetadata."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidClientMetadata("the body must be application/json")
    try:
        return decode_json_object(await read_body(request))
    except ValueError:
        raise InvalidClientMetadata("the body is not a JSON object in UTF-8") from None


def validated(services: Services, given: Mapping[str, Any], *, operators: Mapping[str, Any]) -> dict[str, Any]:
    """Return valid metadata that this server serves as it is configured. Raises InvalidClientMetadata."""
    settings = services.settings
    given = without_unserved(given, settings.response_types)
    metadata = validate_own(given, operators=operators, scopes_known=services.scope_names())
    for name in SIGNED_MEMBERS:
        if metadata.get(name) not in (None, *settings.signing_algorithms):
            raise InvalidClientMetadata(f"{name} is not enabled on this server")
    if metadata.get("request_object_encryption_alg") not in (None, *settings.encryption_algorithms):
        raise InvalidClientMetadata("request_object_encryption_alg is not enabled on this server")
    if metadata["token_endpoint_auth_method"] not in services.metadata["token_endpoint_auth_methods_supported"]:
        raise InvalidClientMetadata("token_endpoint_auth_method is not enabled on this server")
    if not set(metadata["response_types"]) <= set(settings.response_types):
        raise InvalidClientMetadata("response_types holds one that is not enabled on this server")
    if not set(metadata["grant_types"]) <= {"implicit", *(grant.GRANT_TYPE for grant in services.grants)}:
        raise InvalidClientMetadata("grant_types holds one that is not enabled on this server")
    for name, uri in _fetched(metadata):
        problem = services.fetcher.problem_of(uri)
        if problem is not None:
            raise InvalidClientMetadata(f"{name} cannot be fetched: {problem}")
    return metadata


def _fetched(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    single = [(name, str(metadata[name])) for name in FETCHED_MEMBERS if name in metadata]
    # OpenID Connect Core section 6.2: a fragment is the digest of what is there
    return [*single, *(("request_uris", uri.partition("#")[0]) for uri in metadata.get("request_uris", ()))]


def _register(
    db: Connection, services: Services, metadata: dict[str, Any], token: str | None, context: Context
) -> Answer:
    now = services.clock.now()
    is_trusted = False
    if token is not None:
        found = client_registrations.use_token(db, opaque.digest(INITIAL_KIND, token), now)
        if found is None:
            raise _invalid_token()
        is_trusted = found
    if not is_trusted:
        metadata = {**metadata, UNVERIFIED: True}
    client_id = opaque.new_identifier("cli_")
    clients.insert_client(db, client_id, metadata, now=now)
    method = str(metadata["token_endpoint_auth_method"])
    secret = client_secrets.give(db, services.sealer, client_id, method, now=now)
    management_token = opaque.mint(MANAGEMENT_PREFIX)
    client_registrations.add(db, client_id, opaque.digest(MANAGEMENT_KIND, management_token))
    record(db, Event.CLIENT_CREATED, context, now=now, client_id=client_id, is_self_registered=True)
    body = information(services, client_id, metadata, management_token, created_at=now, secret=secret)
    return Answer(201, body)


def information(
    services: Services,
    client_id: str,
    metadata: Mapping[str, Any],
    management_token: str,
    *,
    created_at: int,
    secret: str | None = None,
) -> dict[str, Any]:
    """Return the client information response (RFC 7591 section 3.2.1, RFC 7592 section 3)."""
    body: dict[str, Any] = {"client_id": client_id, "client_id_issued_at": created_at}
    if secret is not None:
        # RFC 7591 section 3.2.1: required beside every secret; 0 means never
        body |= {"client_secret": secret, "client_secret_expires_at": 0}
    body |= {
        "registration_access_token": management_token,
        "registration_client_uri": services.settings.url(f"/register/{client_id}"),
    }
    return body | {name: value for name, value in metadata.items() if is_own(name)}
