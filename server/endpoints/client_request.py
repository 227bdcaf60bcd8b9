"""The phases that token, introspection and revocation share: form, client authentication, one transaction."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from clients.authentication import (
    AuthenticatedClient,
    AuthenticationProblem,
    Presented,
    authenticate,
    present,
)
from clients.client import Client
from server.accounts import throttling
from server.endpoints import client_proof
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.observability import trace
from server.observability.logging import logger
from server.protocol.errors import ClientRefusedError, InvalidRequestError, OAuth2Error, TooManyRequestsError
from server.protocol.request import HttpFacts, Parameters, form_parameters, query_parameters, refuse_repeated
from server.protocol.response import Answer, error_answer, to_response
from server.protocol.services import Services, context_of, services_of
from server.storage import one_time
from server.tokens import opaque

ASSERTION_KIND = "client_assertion"
CREDENTIALS = frozenset({"client_secret", "client_assertion", "code", "refresh_token", "token", "code_verifier"})


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A form request of an authenticated client."""

    services: Services
    parameters: Parameters
    authenticated: AuthenticatedClient
    http: HttpFacts
    context: Context
    now: int


Work = Callable[[Connection | None, ClientRequest], Answer]
Prepare = Callable[[ClientRequest], Awaitable[ClientRequest]]


async def handle(
    request: Request,
    work: Work,
    *,
    needs_database: Callable[[Parameters, HttpFacts], bool] = lambda *_: True,
    prepare: Prepare | None = None,
    is_own_audience: bool = False,
) -> Response:
    """Parse, authenticate the client, run the work in one transaction where it needs one, and answer.

    `prepare` does before the transaction what has to wait for others; it may raise a protocol error. `is_own_audience`
    accepts assertions that are meant for this endpoint's URL, beside those for the issuer and the token endpoint.
    """
    services = services_of(request)
    context = context_of(request)
    try:
        parameters = await _parameters(request)
    except OAuth2Error as error:
        return to_response(error_answer(error))
    named = parameters.get("client_id")
    try:
        presented = _present(request, parameters)
    except ClientRefusedError as error:
        await _find_client(services, named)
        return to_response(error_answer(await _count_failure(services, error, named, context)))
    except OAuth2Error as error:
        return to_response(error_answer(error))
    trace.name_client(presented.unverified_client_id)
    client = await _find_client(services, presented.unverified_client_id)
    presented = await client_proof.complete(services, client, presented, services.clock.now())
    now = services.clock.now()
    try:
        own = (services.settings.origin + request.scope["path"],) if is_own_audience else ()
        authenticated = _authenticate(services, client, presented, now, own)
    except ClientRefusedError as error:
        return to_response(error_answer(await _count_failure(services, error, presented.unverified_client_id, context)))
    context = Context(context.request_id, context.address, context.user_agent, authenticated.client.client_id)
    http = HttpFacts.of(request, services.settings.origin + request.scope["path"])
    client_request = ClientRequest(services, parameters, authenticated, http, context, now)
    if prepare is not None:
        try:
            client_request = await prepare(client_request)
        except OAuth2Error as error:
            return to_response(error_answer(error))
    is_stored = authenticated.client.has_opaque_access_tokens
    if authenticated.assertion is None and not is_stored and not needs_database(parameters, http):
        return to_response(_run(None, client_request, work))
    return to_response(await services.database.run(lambda db: _run(db, client_request, work)))


async def _parameters(request: Request) -> Parameters:
    if request.scope["query_string"] and CREDENTIALS & query_parameters(request).values.keys():
        # RFC 6749 section 2.3.1: credentials must not be in the request URI
        raise InvalidRequestError("Credentials in the query string are not accepted")
    parameters = await form_parameters(request)
    refuse_repeated(parameters)
    return parameters


def _present(request: Request, parameters: Parameters) -> Presented:
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise InvalidRequestError("The Authorization header is repeated")
    try:
        presented = present(headers[0] if headers else None, parameters.values)
    except AuthenticationProblem as problem:
        raise ClientRefusedError(problem) from None
    return client_proof.with_certificate(request, presented)


async def _find_client(services: Services, unverified_client_id: str | None) -> Client | None:
    return None if unverified_client_id is None else await services.registry.find(unverified_client_id)


def _authenticate(
    services: Services, client: Client | None, presented: Presented, now: int, own: tuple[str, ...]
) -> AuthenticatedClient:
    settings = services.settings
    # RFC 7523 section 3 with draft-ietf-oauth-rfc7523bis: the issuer; the token endpoint for older clients
    audiences: tuple[str, ...] = (settings.issuer, settings.url("/token"), *own)
    if client is not None and client.security_profile.is_audience_issuer:
        # FAPI 2.0 Security Profile section 5.3.2.1: the issuer alone, so that no other server can replay it
        audiences = (settings.issuer,)
    try:
        return authenticate(client, presented, now=now, audiences=audiences)
    except AuthenticationProblem as problem:
        raise ClientRefusedError(problem) from None


async def _count_failure(
    services: Services, error: ClientRefusedError, client_id: str | None, context: Context
) -> OAuth2Error:
    """Count and audit a failed authentication; guessing is slowed down, the right secret still gets in (C035)."""
    now = services.clock.now()
    if client_id is None:
        _log_failure(error, None, is_known=False)
        return error
    is_known = services.registry.cached(client_id) is not None

    def work(db: Connection) -> int | None:
        throttled = None
        if services.settings.rate_limits:
            address = context.address
            key = throttling.client_key(client_id, address) if is_known else throttling.unknown_client_key(address)
            throttled = throttling.reserve(db, [key], now)
        if throttled is None and is_known:
            _record_failure(db, error, client_id, context, now)
        return None if throttled is None else throttled.retry_after

    retry_after = await services.database.run(work)
    _log_failure(error, client_id, is_known=is_known)
    return error if retry_after is None else TooManyRequestsError(retry_after)


def _log_failure(error: ClientRefusedError, client_id: str | None, *, is_known: bool) -> None:
    """Say why in the log. The client is told no more than that it failed."""
    log = logger().warning if is_known else logger().info
    log("client authentication failed", client=client_id, method=error.method, cause=error.cause)


def _record_failure(db: Connection, error: ClientRefusedError, client_id: str, context: Context, now: int) -> None:
    event, details = Event.CLIENT_AUTHENTICATION_FAILED, {"method": error.method, "cause": error.cause}
    record(db, event, context, now=now, client_id=client_id, actor="anonymous", **details)


def _run(db: Connection | None, request: ClientRequest, work: Work) -> Answer:
    assertion = request.authenticated.assertion
    try:
        if assertion is not None and db is not None:
            # RFC 7523 section 3 rule 7: an assertion is good for one request
            client_id = request.authenticated.client.client_id
            digest = opaque.digest(ASSERTION_KIND, f"{client_id}\0{assertion.jti}")
            is_first = one_time.consume_foreign(
                db, ASSERTION_KIND, digest, now=request.now, expires_at=assertion.expires_at
            )
            if not is_first:
                said, method = "The client assertion was used before", request.authenticated.method
                refused = ClientRefusedError(AuthenticationProblem("invalid_client", said, 401, False, method=method))
                _record_failure(db, refused, client_id, request.context, request.now)
                _log_failure(refused, client_id, is_known=True)
                raise refused
        return work(db, request)
    except OAuth2Error as error:
        return error_answer(error)
