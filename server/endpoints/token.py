"""The token endpoint: RFC 6749 section 3.2."""

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.endpoints.client_request import ClientRequest, handle
from server.protocol.authorization_server import AuthorizationServer
from server.protocol.request import Parameters, ProtocolRequest
from server.protocol.response import Answer
from server.protocol.services import services_of


async def token(request: Request) -> Response:
    """Answer a token request. Client credentials of a cached client need no database."""
    without_database = {grant.GRANT_TYPE for grant in services_of(request).grants if not grant.NEEDS_DATABASE}

    def needs_database(parameters: Parameters) -> bool:
        return parameters.get("grant_type") not in without_database

    return await handle(request, _issue, needs_database=needs_database)


def _issue(db: Connection | None, request: ClientRequest) -> Answer:
    services = request.services
    protocol_request = ProtocolRequest("POST", services.settings.url("/token"), request.parameters, request.context)
    server = AuthorizationServer(services, db, now=request.now)
    return server.token_response(protocol_request, request.authenticated)
