"""Pushed Authorization Requests: RFC 9126. The client sends its parameters itself, and the browser only a reference."""

from dataclasses import replace

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from clients.client import Client
from server.endpoints.client_request import ClientRequest, handle
from server.protocol import pushed_request
from server.protocol.authorization_request import Draft
from server.protocol.checks import resolve, validate
from server.protocol.errors import InvalidRequestError, InvalidRequestURIError, OAuth2Error, UnprovenRequestError
from server.protocol.extension import Endpoint, Extension
from server.protocol.request import Parameters
from server.protocol.response import Answer, error_answer
from server.protocol.services import Services
from server.protocol.token_issue import TokenRequest
from server.tokens import opaque

PATH = "/par"
AUTHENTICATION = frozenset({"client_secret", "client_assertion", "client_assertion_type"})
"""Parameters about the push itself, which are not kept (section 2.1)."""


async def push(request: Request) -> Response:
    """Check an authorization request as `/authorize` would, keep it, and return its `request_uri` (section 2)."""
    draft = Draft(is_pushed=True)

    async def prepare(pushed: ClientRequest) -> ClientRequest:
        client, given = pushed.authenticated.client, pushed.parameters
        pushed.services.request_pace.check(PATH, client, pushed.context.address)  # section 2.3
        if given.get("request_uri") is not None:
            raise InvalidRequestError("A request_uri cannot be pushed")  # section 2.1
        if given.get("client_id") not in (None, client.client_id):
            raise InvalidRequestError("The client_id is not the one that authenticated")
        values = {name: value for name, value in given.values.items() if name not in AUTHENTICATION}
        own = Parameters({**values, "client_id": client.client_id}, lists=given.lists)
        return replace(pushed, parameters=await resolve(draft, own, client, pushed.services))

    # section 2: the issuer, the token endpoint and this endpoint are all accepted as who an assertion is for
    return await handle(request, lambda db, pushed: _keep(db, pushed, draft), prepare=prepare, is_own_audience=True)


def _keep(db: Connection | None, pushed: ClientRequest, draft: Draft) -> Answer:
    if db is None:
        raise RuntimeError("a push needs the database")
    services, client, now = pushed.services, pushed.authenticated.client, pushed.now
    values = dict(pushed.parameters.values)
    token_request = TokenRequest(db, services, client, pushed.parameters, pushed.http, pushed.context, now)
    try:
        for step in services.hooks.push_steps:
            step(token_request, values)
        parameters = Parameters(values, lists=pushed.parameters.lists)
        if pushed_request.size_of(parameters) > pushed_request.MAX_CHARACTERS:
            # section 2.3; unknown parameters, which must be ignored (RFC 6749 section 3.1), would be stored as well
            raise InvalidRequestError("The pushed request is too large", status_code=413)
        _validate(parameters, client, services, draft)
    except OAuth2Error as error:
        refusal = error_answer(error)
        return replace(refusal, headers=[*refusal.headers, *token_request.headers.items()])
    request_uri = pushed_request.add(
        db,
        client.client_id,
        parameters,
        is_signed=draft.is_signed,
        now=now,
        sign_in_seconds=services.settings.interaction_seconds,
    )
    body = {"request_uri": request_uri, "expires_in": pushed_request.SECONDS}
    return Answer(201, body, list(token_request.headers.items()))


def _validate(parameters: Parameters, client: Client, services: Services, draft: Draft) -> None:
    try:
        validate(parameters, client, services, draft)
    except UnprovenRequestError as error:
        # section 2.3: nobody is led anywhere, so the client itself is told
        raise InvalidRequestError(error.description) from None


async def take_pushed(draft: Draft, parameters: Parameters, client: Client, services: Services) -> Parameters:
    """Put what was pushed in place of the reference; nothing beside it counts but `client_id` (section 4)."""
    request_uri = parameters.get("request_uri")
    if request_uri is None or not request_uri.startswith(pushed_request.PREFIX):
        return parameters
    if "request_uri" in parameters.repeated or parameters.get("request") is not None:
        raise InvalidRequestError("The request is given in more than one way")
    digest, now = opaque.digest(pushed_request.KIND, request_uri), services.clock.now()
    stored = await services.database.read(lambda db: pushed_request.find(db, digest, client.client_id, now))
    if stored is None:
        raise InvalidRequestURIError("The request_uri is not valid, has expired, or was used")
    draft.is_pushed, draft.is_signed = True, stored["is_signed"]
    draft.values["pushed_request"] = digest
    return Parameters(stored["values"], lists={name: tuple(values) for name, values in stored["lists"].items()})


def check_is_pushed(draft: Draft, _parameters: Parameters, client: Client, services: Services) -> None:
    """Refuse a request that the browser brought, where the server or the client wants it pushed (sections 5, 6)."""
    is_required = (
        services.settings.require_pushed_authorization_requests or client.require_pushed_authorization_requests
    )
    if is_required and not draft.is_pushed:
        raise InvalidRequestError("The authorization request must be pushed")


PUSHED_AUTHORIZATION_REQUESTS = Extension(
    name="pushed_authorization_requests",
    title="RFC 9126 Pushed Authorization Requests",
    specification="https://www.rfc-editor.org/rfc/rfc9126",
    metadata=lambda services: {
        "require_pushed_authorization_requests": services.settings.require_pushed_authorization_requests
    },
    request_source=take_pushed,
    authorization_check=check_is_pushed,
    endpoints=(Endpoint("pushed_authorization_request_endpoint", PATH, ("POST",), push, is_cross_origin=True),),
)
