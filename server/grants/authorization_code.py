"""`authorization_code`: issuing a code, and redeeming it once (RFC 6749 section 4.1)."""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin
from sqlalchemy import Connection

from clients.client import Client
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.grants.decision import check_first, first_tokens
from server.grants.response import TokenResponse
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.errors import InvalidGrantError, InvalidRequestError, because
from server.protocol.services import Services
from server.storage import authorizations, one_time, users
from server.tokens import opaque

KIND = "authorization_code"
PREFIX = "oac_"
REPLAY_MEMORY_SECONDS = 86_400
"""A used code stays known this long, so that a replay revokes what it gave (RFC 9700 section 4.5)."""
_REFUSED = "The authorization code is not valid, has expired, or was used"


def issue_code(
    db: Connection,
    services: Services,
    request: AuthorizationRequest,
    client: Client,
    authorization: Mapping[str, Any],
    *,
    context: Context,
    now: int,
) -> str:
    """Store a code that can be redeemed for an authorization, and return the code."""
    seconds, most = services.settings.authorization_code_seconds, client.security_profile.code_seconds
    expires_at = now + (seconds if most is None else min(seconds, most))
    authorization_id = authorization["id"]
    code = opaque.mint(PREFIX)
    payload = {
        "authorization_id": authorization_id,
        "redirect_uri": request.redirect_uri if request.has_redirect_uri else None,
        "code_challenge": request.code_challenge,
        "nonce": request.nonce,
    }
    one_time.add(
        db,
        KIND,
        opaque.digest(KIND, code),
        payload,
        now=now,
        expires_at=expires_at,
        user_id=authorization["user_id"],
        client_id=request.client_id,
        purge_at=expires_at + REPLAY_MEMORY_SECONDS,
    )
    record(
        db,
        Event.CODE_ISSUED,
        context,
        now=now,
        user_id=authorization["user_id"],
        client_id=request.client_id,
        authorization_id=authorization_id,
    )
    return code


class AuthorizationCodeGrant(BaseGrant, TokenEndpointMixin):
    """Redeems a code: bound to client, redirect URI and challenge, once, within its life."""

    GRANT_TYPE = "authorization_code"
    NEEDS_DATABASE = True
    row: Mapping[str, Any]

    def validate_token_request(self) -> None:
        """Find the code and check all it is bound to; nothing is used up by a wrong request (RFC 6749 4.1.3)."""
        code = self.request.parameters.get("code")
        if code is None:
            raise InvalidRequestError("The code is missing")
        row = one_time.find(self.server.db, KIND, opaque.digest(KIND, code))
        if row is None or row["client_id"] != self.client.client_id:
            raise because(InvalidGrantError(_REFUSED), "unknown" if row is None else "of another client")
        if row["payload"]["redirect_uri"] != self.request.parameters.get("redirect_uri"):
            raise InvalidGrantError("The redirect_uri is not the one of the authorization request")
        # What a used code was for no longer matters: whatever comes with a replay, it is noticed.
        is_used = row["consumed_at"] is not None
        authorization_id, now = row["payload"]["authorization_id"], self.server.now
        authorization = None if is_used else authorizations.find_live(self.server.db, authorization_id, now)
        check_first(self, authorization, row["payload"])
        self.row = row

    def create_token_response(self) -> TokenResponse:
        """Use the code up and mint the tokens; a second use revokes what the first one gave."""
        db, now = self.server.db, self.server.now
        authorization_id = self.row["payload"]["authorization_id"]
        if one_time.consume(db, KIND, self.row["digest"], now) is None:
            self._refuse_replay(authorization_id)
        authorization = authorizations.find_live(db, authorization_id, now)
        user = users.find_by_id(db, self.row["user_id"])
        if authorization is None or user is None:
            raise because(InvalidGrantError(_REFUSED), "the sign-in or the consent behind it is over")
        self._record(Event.CODE_REDEEMED, authorization_id)
        return first_tokens(self, authorization, user, nonce=self.row["payload"]["nonce"])

    def _refuse_replay(self, authorization_id: str) -> None:
        used = one_time.find(self.server.db, KIND, self.row["digest"])
        if used is not None and used["consumed_at"] is not None:
            # RFC 9700 section 4.5: a code that comes twice was stolen; nobody knows which one was the thief
            authorizations.revoke(self.server.db, authorization_id, self.server.now)
            self._record(Event.CODE_REPLAYED, authorization_id)
            raise because(InvalidGrantError(_REFUSED), "used before")
        raise because(InvalidGrantError(_REFUSED), "expired")

    def _record(self, event: Event, authorization_id: str) -> None:
        record(
            self.server.db,
            event,
            self.request.context,
            now=self.server.now,
            user_id=self.row["user_id"],
            client_id=self.client.client_id,
            actor=self.client.client_id,
            authorization_id=authorization_id,
        )
