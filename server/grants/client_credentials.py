"""`client_credentials`: a service acts for itself (RFC 6749 section 4.4)."""

from typing import Any

from authlib.consts import default_json_headers
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from server.grants.response import TokenResponse, lifetime_of
from server.protocol.checks import requested_scopes
from server.protocol.errors import InvalidScopeError
from server.tokens import access_token

PERSON_SCOPES = frozenset(
    {"openid", "offline_access", "profile", "email", "address", "phone", "roles", "permissions", "org"}
)
"""Scopes about a person, who is not there."""


class ClientCredentialsGrant(BaseGrant, TokenEndpointMixin):
    """Mints an access token whose subject is the client. No refresh token (RFC 6749 section 4.4.3), no database."""

    GRANT_TYPE = "client_credentials"
    NEEDS_DATABASE = False
    scopes: tuple[str, ...] = ()

    def validate_token_request(self) -> None:
        """Check the scope; public clients cannot be registered for this grant."""
        scope = self.request.parameters.get("scope")
        scopes = requested_scopes(scope, self.client)
        if scope is None:
            scopes = tuple(name for name in scopes if name not in PERSON_SCOPES)
        elif PERSON_SCOPES.intersection(scopes):
            raise InvalidScopeError("A requested scope needs a person who signs in")
        self.scopes = scopes

    def create_token_response(self) -> TokenResponse:
        """Mint the token."""
        services = self.server.services
        lifetime = lifetime_of(self.client, self.server)
        claims = access_token.AccessTokenClaims(
            subject=self.client.client_id,
            client_id=self.client.client_id,
            audience=services.settings.issuer,
            scope=" ".join(self.scopes),
        )
        token = access_token.mint(
            services.keys, services.settings.issuer, claims, now=self.server.now, lifetime=lifetime
        )
        body: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}
        if self.scopes:
            body["scope"] = " ".join(self.scopes)
        return 200, body, default_json_headers
