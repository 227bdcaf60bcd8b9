"""`client_credentials`: a service acts for itself (RFC 6749 section 4.4)."""

from authlib.consts import default_json_headers
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from server.grants.response import TokenResponse, lifetime_of, mint
from server.protocol.checks import requested_scopes
from server.protocol.errors import InvalidScopeError
from server.protocol.resources import check_scopes
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
        scopes = requested_scopes(scope, self.client, self.server.services)
        if scope is None:
            scopes = tuple(name for name in scopes if name not in PERSON_SCOPES)
        elif PERSON_SCOPES.intersection(scopes):
            raise InvalidScopeError("A requested scope needs a person who signs in")
        else:
            check_scopes(scopes, self.request.token_request.excluded_scopes)
        self.scopes = scopes

    def create_token_response(self) -> TokenResponse:
        """Mint the token."""
        lifetime = lifetime_of(self.client, self.server)
        claims = access_token.AccessTokenClaims(
            subject=self.client.client_id,
            client_id=self.client.client_id,
            audience=self.server.services.settings.issuer,
            scope=" ".join(self.scopes),
        )
        return 200, mint(self.request.token_request, claims, {}, lifetime), default_json_headers
