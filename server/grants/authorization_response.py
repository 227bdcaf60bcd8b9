"""What the answer to an authorization request holds: RFC 6749 section 4.1.2, OpenID Connect Core sections 3.2, 3.3."""

import json
from typing import Any

from sqlalchemy import Connection

from clients.client import Client
from clients.response_types import words_of
from server.accounts.sessions import Session
from server.accounts.user import User
from server.events.context import Context
from server.grants import authorization_code
from server.grants.decision import authorize
from server.grants.response import check_redemption, claims_for_person, mint, permitted_there
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.request import HttpFacts, Parameters, ProtocolRequest
from server.protocol.services import Services
from server.protocol.token_issue import Redemption, TokenIssue, TokenRequest

GRANT_TYPE = "implicit"


def issue(
    db: Connection,
    services: Services,
    request: AuthorizationRequest,
    client: Client,
    user: User,
    session: Session,
    *,
    context: Context,
    now: int,
) -> dict[str, str]:
    """Issue what the response type asks for; a refresh token never is (RFC 6749 section 4.2.2)."""
    words, settings = words_of(request.response_type), services.settings
    lifetime = client.access_token_seconds or settings.access_token_seconds
    # Everything that is issued hangs on the authorization, so it lasts as long as the longest of that.
    life = max(settings.authorization_code_seconds, lifetime if "token" in words else 0)
    authorization = authorize(db, request, user, session, now=now, expires_at=now + life)
    code, body, permitted = None, {}, request.scopes
    if words != {"code"}:
        token_request = _token_request(db, services, request, client, context=context, now=now)
        permitted = permitted_there(token_request, request.scopes)
    if "token" in words:
        claims = claims_for_person(db, services, client, user, authorization, permitted)
        body = mint(token_request, claims, request.details, lifetime)
    if "code" in words:
        code = authorization_code.issue_code(db, services, request, client, authorization, context=context, now=now)
    answer: dict[str, Any] = {} if code is None else {"code": code}
    answer |= body
    if "id_token" in words:
        issued = TokenIssue(
            db=db,
            services=services,
            client=client,
            user=user,
            authorization=authorization,
            # What is told of the person is what a token would open; that it is an authentication stays as it was asked.
            scopes=tuple(name for name in request.scopes if name in permitted or name == "openid"),
            access_token=body.get("access_token"),
            now=now,
            nonce=request.nonce,
            code=code,
            state=request.state if client.security_profile.binds_state else None,
        )
        answer["id_token"] = _id_token(issued)
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in answer.items()}


def _token_request(
    db: Connection, services: Services, request: AuthorizationRequest, client: Client, *, context: Context, now: int
) -> TokenRequest:
    """Return the token request that this answer stands for, with what extensions say of its audience and scopes."""
    http = HttpFacts("GET", services.settings.url("/authorize"))
    token_request = TokenRequest(db, services, client, Parameters({}), http, context, now)
    protocol_request = ProtocolRequest(http, token_request.parameters, context)
    protocol_request.token_request = token_request
    check_redemption(protocol_request, Redemption(GRANT_TYPE, {}, request.details, client), request.scopes)
    return token_request


def _id_token(issued: TokenIssue) -> str:
    """Let the extensions make the ID token; what else they add is for answers of the token endpoint."""
    body: dict[str, Any] = {}
    for step in issued.services.hooks.response_steps:
        step(issued, body)
    return str(body["id_token"])
