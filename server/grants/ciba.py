"""`urn:openid:params:grant-type:ciba`: a client that asks a person elsewhere (OpenID Connect CIBA Core 1.0).

One row tells of one request. The person's decision and the polls change different columns of it, each by one
conditional update, so that no poll can undo a decision and one poll of any number gets the tokens.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin
from sqlalchemy import Connection

from clients.backchannel_metadata import CIBA
from clients.client import Client
from server.accounts import consent
from server.accounts.sessions import Session
from server.accounts.user import User
from server.events.audit import record
from server.events.context import ADDRESS_LENGTH, Context
from server.events.names import Event
from server.grants.decision import (
    POLL_INTERVAL_SECONDS,
    POLL_MEMORY_SECONDS,
    authorize,
    check_first,
    first_tokens,
    paced,
    record_decision,
)
from server.grants.response import TokenResponse
from server.protocol import pings
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.errors import (
    AccessDeniedError,
    AuthorizationPendingError,
    ExpiredTokenError,
    InvalidGrantError,
    InvalidRequestError,
    SlowDownError,
)
from server.protocol.services import Services
from server.storage import authorizations, backchannel_requests, users
from server.storage.backchannel_requests import APPROVED, DENIED, PENDING, USED
from server.tokens import opaque

KIND = "auth_req_id"
PREFIX, ID_PREFIX = "ocr_", "bcr_"
LIFETIME_SECONDS, MIN_LIFETIME_SECONDS, MAX_LIFETIME_SECONDS = 600, 30, 1800
_REFUSED = "The auth_req_id is not valid, or was used"
_EXPIRED = "The auth_req_id has expired"
_DECIDED = "The request has expired or was answered"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks a person."""

    request: AuthorizationRequest
    binding_message: str | None
    notification_token: str | None
    """What a ping is authenticated with; None for a client that polls."""
    seconds: int


def begin(
    db: Connection, services: Services, client: Client, asked: Asked, user: User | None, *, context: Context, now: int
) -> str:
    """Store a request and return its `auth_req_id`. Without a person nobody ever decides it."""
    auth_req_id, request_id = opaque.mint(PREFIX), opaque.new_identifier(ID_PREFIX)
    digest, expires_at = opaque.digest(KIND, auth_req_id), now + asked.seconds
    expected = () if user is None else (services.subject_of(client, user.id),)
    request = replace(asked.request, backchannel=request_id, expected_subjects=expected)
    told = {"auth_req_id": auth_req_id, "token": asked.notification_token}
    row = {
        "digest": digest,
        "id": request_id,
        "client_id": client.client_id,
        "user_id": None if user is None else user.id,
        "request": request.to_json(),
        "binding_message": asked.binding_message,
        "address": context.address[:ADDRESS_LENGTH],
        "sealed": None
        if asked.notification_token is None
        else services.sealer.seal(json.dumps(told).encode(), context=context_of(digest)),
        "created_at": now,
        "expires_at": expires_at,
        "poll_interval": POLL_INTERVAL_SECONDS,
        "purge_at": expires_at + POLL_MEMORY_SECONDS,
    }
    backchannel_requests.add(db, row)
    user_id = None if user is None else user.id
    record(db, Event.BACKCHANNEL_REQUESTED, context, now=now, user_id=user_id, client_id=client.client_id)
    return auth_req_id


def context_of(digest: str) -> str:
    """Return the context in which a request's answer to the client is sealed."""
    return f"backchannel_request:{digest}"


def approve(
    db: Connection,
    services: Services,
    request: AuthorizationRequest,
    user: User,
    session: Session,
    *,
    context: Context,
    now: int,
) -> None:
    """Let the client have tokens. Of several decisions the first counts; raises ExpiredTokenError."""
    row = _decide(db, services, request, user.id, APPROVED, now)
    consent.grant(db, user.id, request.client_id, request.consent_scopes, context=context, now=now)
    authorization = authorize(db, request, user, session, now=now, expires_at=row["expires_at"])
    backchannel_requests.set_authorization(db, row["id"], authorization["id"])
    details = {"authorization_id": authorization["id"]}
    record_decision(db, Event.BACKCHANNEL_APPROVED, request, user.id, context, now, **details)


def deny(
    db: Connection, services: Services, request: AuthorizationRequest, user_id: str, *, context: Context, now: int
) -> None:
    """Tell the client that the person refused. Raises ExpiredTokenError."""
    _decide(db, services, request, user_id, DENIED, now)
    record_decision(db, Event.BACKCHANNEL_DENIED, request, user_id, context, now)


def _decide(
    db: Connection, services: Services, request: AuthorizationRequest, user_id: str, status: str, now: int
) -> Mapping[str, Any]:
    request_id = request.backchannel or ""
    row = backchannel_requests.find_of_user(db, request_id, user_id)
    if row is None or not backchannel_requests.decide(db, request_id, user_id, status, now):
        raise ExpiredTokenError(_DECIDED)
    if row["sealed"] is not None:
        told = json.loads(services.sealer.unseal(row["sealed"], context=context_of(row["digest"])))
        ping = pings.Ping(row["client_id"], told["auth_req_id"], told["token"], row["expires_at"])
        pings.enqueue(db, services.sealer, ping, now=now)
    return row


class CibaGrant(BaseGrant, TokenEndpointMixin):
    """Gives the tokens once the person has approved, to one poll of any number (sections 10.1 and 11)."""

    GRANT_TYPE = CIBA
    NEEDS_DATABASE = True
    row: Mapping[str, Any]
    authorization: Mapping[str, Any]

    def validate_token_request(self) -> None:
        """Say how the decision stands (section 11); nothing is used up before it is favourable."""
        db, now = self.server.db, self.server.now
        auth_req_id = self.request.parameters.get("auth_req_id")
        if auth_req_id is None:
            raise InvalidRequestError("The auth_req_id is missing")
        row = backchannel_requests.find(db, opaque.digest(KIND, auth_req_id))
        if row is None or row["client_id"] != self.client.client_id or row["status"] == USED:
            raise InvalidGrantError(_REFUSED)
        if row["expires_at"] <= now:
            raise ExpiredTokenError(_EXPIRED)
        if row["status"] == DENIED:
            raise AccessDeniedError("The person denied access")
        if row["status"] == PENDING:
            self._pace(row)
            raise AuthorizationPendingError("The person has not decided yet")
        authorization = authorizations.find_live(db, row["authorization_id"], now)
        if authorization is None:
            # The sign-in in which the person approved has ended, or the person was disabled.
            raise InvalidGrantError(_REFUSED)
        check_first(self, authorization, {})
        self.row, self.authorization = row, authorization

    def _pace(self, row: Mapping[str, Any]) -> None:
        """Slow down a client that asks too often: five seconds more from now on (section 11)."""
        now = self.server.now
        is_early, interval = paced(row["last_poll_at"], row["poll_interval"], now)
        backchannel_requests.pace(self.server.db, row["digest"], interval=interval, now=now)
        if is_early:
            raise SlowDownError("The client asks too often")

    def create_token_response(self) -> TokenResponse:
        """Use the request up and mint the tokens."""
        db, now = self.server.db, self.server.now
        user = users.find_by_id(db, self.authorization["user_id"])
        if user is None or not backchannel_requests.consume(db, self.row["digest"], now):
            raise InvalidGrantError(_REFUSED)
        return first_tokens(self, self.authorization, user)
