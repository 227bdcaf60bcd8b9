"""What a person has decided, and the tokens that come of it: shared by codes, devices and requests from elsewhere."""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749.grants import BaseGrant
from sqlalchemy import Connection

from clients.client import Client
from server.accounts.sessions import Session
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.grants.response import TokenResponse, check_redemption, for_person
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.services import Services
from server.protocol.token_issue import Redemption
from server.storage import authorizations
from server.tokens import opaque, refresh_token

POLL_INTERVAL_SECONDS = 5
"""How long who polls waits between two requests (RFC 8628 section 3.2, CIBA section 7.3)."""
LONGEST_POLL_INTERVAL_SECONDS = 60
POLL_MEMORY_SECONDS = 3600
"""What has expired stays known this long, so that who polls is told `expired_token`."""


def authorize(
    db: Connection, request: AuthorizationRequest, user: User, session: Session, *, now: int, expires_at: int
) -> Mapping[str, Any]:
    """Store the decision behind everything that an answer holds, and return it."""
    authorization = {
        "id": opaque.new_identifier("aut_"),
        "user_id": user.id,
        "client_id": request.client_id,
        "session_id": session.id,
        "scope": " ".join(request.scopes),
        "claims": request.claims,
        "details": request.details,
        "auth_time": session.authenticated_at,
        "acr": session.acr,
        "amr": list(session.amr),
        "created_at": now,
        "expires_at": expires_at,
    }
    authorizations.add(db, authorization)
    return authorization


def record_decision(
    db: Connection,
    event: Event,
    request: AuthorizationRequest,
    user_id: str,
    context: Context,
    now: int,
    **details: str,
) -> None:
    """Write down what the person has decided about a request."""
    record(db, event, context, now=now, user_id=user_id, client_id=request.client_id, actor=user_id, **details)


def paced(last: int | None, interval: int, now: int) -> tuple[bool, int]:
    """Return whether a poll comes too early, and the interval from now on: then it is five seconds longer.

    RFC 8628 section 3.5, CIBA section 11: `slow_down`.
    """
    if last is None or now - last >= interval:
        return False, interval
    return True, min(interval + POLL_INTERVAL_SECONDS, LONGEST_POLL_INTERVAL_SECONDS)


def check_first(grant: BaseGrant, authorization: Mapping[str, Any] | None, payload: Mapping[str, Any]) -> None:
    """Let every extension check the first redemption of an authorization, None where it is over, before it is used up.

    `payload` is what was stored with the code.
    """
    details, scope = ({}, "") if authorization is None else (authorization["details"], authorization["scope"])
    is_over = authorization is None
    redemption = Redemption(grant.GRANT_TYPE, payload, details, grant.client, is_over=is_over)
    check_redemption(grant.request, redemption, scope.split())


def first_tokens(
    grant: BaseGrant, authorization: Mapping[str, Any], user: User, *, nonce: str | None = None
) -> TokenResponse:
    """Return the first tokens of an authorization, all that was granted."""
    server = grant.server
    return for_person(
        server,
        grant.request.token_request,
        grant.client,
        user,
        authorization,
        tuple(authorization["scope"].split()),
        nonce=nonce,
        refresh_token=begin_family(server.db, server.services, grant.client, authorization, now=server.now),
    )


def begin_family(
    db: Connection, services: Services, client: Client, authorization: Mapping[str, Any], *, now: int
) -> str | None:
    """Let an authorization last as long as its tokens, and return its first refresh token, if the client has any."""
    settings = services.settings
    absolute_end = now + settings.refresh_token_absolute_seconds
    if "refresh_token" not in client.grant_types:
        # UserInfo and introspection check the authorization for as long as the access token lives.
        lifetime = client.access_token_seconds or settings.access_token_seconds
        authorizations.extend(db, authorization["id"], now + lifetime)
        return None
    authorizations.extend(db, authorization["id"], absolute_end)
    return refresh_token.issue(
        db,
        authorization_id=authorization["id"],
        client_id=client.client_id,
        scope=authorization["scope"],
        now=now,
        idle_seconds=idle_seconds(client, services),
        absolute_end=absolute_end,
    )


def idle_seconds(client: Client, services: Services) -> int:
    """Return how long a refresh token of the client may lie unused."""
    return client.refresh_token_seconds or services.settings.refresh_token_seconds
