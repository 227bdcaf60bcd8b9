"""Authlib's authorization server over our services: made for one request, inside its transaction.

Authlib finds the grant and calls it; the client is authenticated by `clients.authentication` before.
"""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2 import AuthorizationServer as AuthlibAuthorizationServer
from sqlalchemy import Connection

from clients.authentication import AuthenticatedClient
from clients.client import Client
from server.protocol.errors import InvalidRequestError, OAuth2Error, UnauthorizedClientError, UnsupportedGrantTypeError
from server.protocol.request import ProtocolRequest
from server.protocol.response import Answer, error_answer
from server.protocol.services import Services
from server.protocol.token_issue import TokenRequest


class AuthorizationServer(AuthlibAuthorizationServer):
    """One request's authorization server.

    `db` is None for requests that need no database: client credentials with a client that is cached.
    """

    def __init__(self, services: Services, db: Connection | None, *, now: int) -> None:
        super().__init__()
        self.services = services
        self.now = now
        self._db = db
        for grant in services.grants:
            self.register_grant(grant)

    @property
    def db(self) -> Connection:
        """The transaction of this request."""
        if self._db is None:
            raise RuntimeError("this request was said to need no database")
        return self._db

    def query_client(self, client_id: str) -> Client | None:
        """Return a cached client; the endpoint has looked it up before."""
        return self.services.registry.cached(client_id)

    def save_token(self, token: Mapping[str, Any], request: ProtocolRequest) -> None:
        """Do nothing: grants store what they mint, in the order of docs/architecture.md section 3."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Do nothing: events go to the audit log."""

    def create_oauth2_request(self, request: ProtocolRequest) -> ProtocolRequest:
        """Return the request, which the endpoint has parsed already."""
        return request

    def handle_response(self, status: int, body: Mapping[str, Any], headers: list[tuple[str, str]]) -> Answer:
        """Return the answer as a value; the endpoint makes it HTTP."""
        extra = [pair for pair in headers if pair[0].lower() not in ("content-type", "cache-control", "pragma")]
        return Answer(status, body, extra)

    def handle_error_response(self, request: ProtocolRequest, error: OAuth2Error) -> Answer:  # noqa: ARG002  Authlib's signature
        """Return the answer of a protocol error."""
        return error_answer(error)

    def token_response(
        self, request: ProtocolRequest, authenticated: AuthenticatedClient, token_request: TokenRequest
    ) -> Answer:
        """Answer a token request of an authenticated client: the phases that no grant can forget."""
        request.client = authenticated.client
        request.auth_method = authenticated.method
        request.token_request = token_request
        try:
            grant = self._token_grant(request)
            for check in self.services.hooks.token_checks:
                check(token_request)
            grant.validate_token_request()
            return self.handle_response(*grant.create_token_response())
        except OAuth2Error as error:
            return self.handle_error_response(request, error)

    def _token_grant(self, request: ProtocolRequest) -> Any:
        grant_type = request.parameters.get("grant_type")
        if grant_type is None:
            raise InvalidRequestError("The grant_type is missing")
        if not any(grant_type == grant.GRANT_TYPE for grant in self.services.grants):
            raise UnsupportedGrantTypeError("The grant_type is not supported")
        if grant_type not in request.client.grant_types:
            raise UnauthorizedClientError("The client is not registered for this grant_type")
        return self.get_token_grant(request)
