"""The token endpoint: RFC 6749 section 3.2."""

from dataclasses import replace

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.endpoints.client_request import ClientRequest, handle
from server.protocol import client_encryption
from server.protocol.authorization_server import AuthorizationServer
from server.protocol.request import HttpFacts, Parameters, ProtocolRequest
from server.protocol.response import Answer
from server.protocol.services import services_of
from server.protocol.token_issue import TokenRequest


async def token(request: Request) -> Response:
    """Answer a token request. Client credentials of a cached client need no database, if no extension does."""
    services = services_of(request)

    def needs_database(parameters: Parameters, http: HttpFacts) -> bool:
        grant_type = parameters.get("grant_type")
        return any(grant_type == grant.GRANT_TYPE and grant.NEEDS_DATABASE for grant in services.grants) or any(
            needs(parameters, http) for needs in services.hooks.database_needs
        )

    return await handle(request, _issue, needs_database=needs_database, prepare=_prepare)


async def _prepare(request: ClientRequest) -> ClientRequest:
    await client_encryption.load_keys(request.services, request.authenticated.client)
    return request


def _issue(db: Connection | None, request: ClientRequest) -> Answer:
    services = request.services
    server = AuthorizationServer(services, db, now=request.now)
    token_request = TokenRequest(
        db=db,
        services=services,
        client=request.authenticated.client,
        parameters=request.parameters,
        http=request.http,
        context=request.context,
        now=request.now,
    )
    protocol_request = ProtocolRequest(request.http, request.parameters, request.context)
    answer = server.token_response(protocol_request, request.authenticated, token_request)
    return replace(answer, headers=(*answer.headers, *token_request.headers.items()))
