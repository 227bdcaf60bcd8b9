"""`refresh_token`: rotation with families and reuse detection (RFC 6749 section 6, RFC 9700 section 4.14.2)."""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from server.events.audit import record
from server.events.names import Event
from server.grants.decision import idle_seconds
from server.grants.response import TokenResponse, check_redemption, for_person
from server.protocol.checks import MAX_SCOPE_CHARACTERS
from server.protocol.errors import InvalidGrantError, InvalidRequestError, InvalidScopeError, because
from server.protocol.token_issue import Redemption
from server.storage import authorizations, users
from server.tokens import refresh_token
from server.tokens.refresh_token import Outcome

_REFUSED = "The refresh token is not valid, has expired, or was revoked"


class RefreshTokenGrant(BaseGrant, TokenEndpointMixin):
    """Gives new tokens and the successor of the refresh token."""

    GRANT_TYPE = "refresh_token"
    NEEDS_DATABASE = True
    token: str
    row: Mapping[str, Any]
    authorization: Mapping[str, Any]
    scopes: tuple[str, ...]

    def validate_token_request(self) -> None:
        """Find the token and check all it is bound to. Scope may narrow, never widen (RFC 6749 section 6)."""
        token = self.request.parameters.get("refresh_token")
        if token is None:
            raise InvalidRequestError("The refresh_token is missing")
        row = refresh_token.find(self.server.db, token)
        if row is None or row["client_id"] != self.client.client_id:
            raise because(InvalidGrantError(_REFUSED), "unknown" if row is None else "of another client")
        authorization = authorizations.find_live(self.server.db, row["authorization_id"], self.server.now)
        if authorization is None:
            # Whatever else is wrong: the client must learn that only a new authorization helps (RFC 6749 section 5.2).
            raise because(InvalidGrantError(_REFUSED), "the sign-in or the consent behind it is over")
        granted = row["scope"].split()
        requested = self.request.parameters.get("scope")
        wanted = granted if requested is None else list(dict.fromkeys(requested.split(" ")))
        if len(requested or "") > MAX_SCOPE_CHARACTERS or not set(wanted) <= set(granted):
            raise InvalidScopeError("The scope goes beyond what was granted")
        # What the client may no longer have is no longer given, even though it was granted.
        self.scopes = tuple(name for name in wanted if name in self.client.scopes)
        if wanted and not self.scopes:
            # No `scope` in the answer would say that nothing has changed (RFC 6749 section 5.1).
            raise InvalidScopeError("The client may no longer have any of these scopes")
        self.token, self.row, self.authorization = token, row, authorization
        redemption = Redemption(self.GRANT_TYPE, {}, authorization["details"], self.client)
        check_redemption(self.request, redemption, self.scopes)

    def create_token_response(self) -> TokenResponse:
        """Rotate, unless the client's profile has it otherwise, and mint; a late second use revokes the family."""
        server, authorization = self.server, self.authorization
        is_rotated = self.client.security_profile.rotates_refresh_tokens
        successor = self._rotate(authorization) if is_rotated else None
        if not is_rotated:
            self._keep(authorization)
        user = users.find_by_id(server.db, authorization["user_id"])
        if user is None:
            raise InvalidGrantError(_REFUSED)
        return for_person(
            server,
            self.request.token_request,
            self.client,
            user,
            authorization,
            self.scopes,
            nonce=None,
            refresh_token=successor,
        )

    def _rotate(self, authorization: Mapping[str, Any]) -> str:
        server = self.server
        rotation = refresh_token.rotate(
            server.db,
            self.token,
            self.row,
            now=server.now,
            idle_seconds=idle_seconds(self.client, server.services),
            absolute_end=authorization["expires_at"],
            reuse_seconds=server.services.settings.refresh_reuse_seconds,
        )
        if rotation.outcome is Outcome.REUSED:
            self._revoke_family(authorization)
        if rotation.successor is None:
            raise because(InvalidGrantError(_REFUSED), str(rotation.outcome.value))
        return rotation.successor

    def _keep(self, authorization: Mapping[str, Any]) -> None:
        """Leave the token as it is: the client proves itself and its key with each use (FAPI 2.0 section 5.3.2.1)."""
        idle, absolute_end = idle_seconds(self.client, self.server.services), authorization["expires_at"]
        now = self.server.now
        if not refresh_token.keep(self.server.db, self.row, now=now, idle_seconds=idle, absolute_end=absolute_end):
            raise because(InvalidGrantError(_REFUSED), "expired")

    def _revoke_family(self, authorization: Mapping[str, Any]) -> None:
        authorizations.revoke(self.server.db, authorization["id"], self.server.now)
        record(
            self.server.db,
            Event.REFRESH_TOKEN_REUSED,
            self.request.context,
            now=self.server.now,
            user_id=authorization["user_id"],
            client_id=self.client.client_id,
            actor=self.client.client_id,
            authorization_id=authorization["id"],
        )
