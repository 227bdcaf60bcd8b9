"""The introspection endpoint: RFC 7662. Tells an authenticated client about the tokens that it may see."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from clients.client import Client
from keys.jose import JoseError
from server.endpoints.client_request import ClientRequest, handle
from server.protocol.bearer import find_authorization
from server.protocol.errors import InvalidRequestError, UnauthorizedClientError
from server.protocol.response import Answer
from server.storage import authorizations, clients, revoked_tokens, users
from server.tokens import access_token, refresh_token

INACTIVE: dict[str, Any] = {"active": False}
RELAYED = ("iss", "sub", "aud", "client_id", "exp", "iat", "jti", "scope", "auth_time", "acr", "amr")


async def introspection(request: Request) -> Response:
    """Say whether a token is active, and what it says (section 2.2)."""
    return await handle(request, _introspect, needs_database=lambda _parameters: True)


def _introspect(db: Connection | None, request: ClientRequest) -> Answer:
    client = request.authenticated.client
    token = request.parameters.get("token")
    if client.is_public:
        # section 2.1: without authentication anybody could scan for tokens
        raise UnauthorizedClientError("Public clients cannot introspect tokens")
    if token is None:
        raise InvalidRequestError("The token is missing")
    if db is None:
        raise RuntimeError("introspection needs the database")
    if access_token.unverified_looks_like_jwt(token):
        return Answer(200, _access_token(db, request, client, token))
    return Answer(200, _refresh_token(db, request, client, token))


def _access_token(db: Connection, request: ClientRequest, client: Client, token: str) -> Mapping[str, Any]:
    services = request.services
    try:
        claims = access_token.read(services.keys, services.settings.issuer, token, now=request.now)
    except JoseError:
        return INACTIVE
    if not (may_see(client, claims) and is_live(db, request, claims)):
        return INACTIVE
    answer = {"active": True, "token_type": "Bearer"}
    answer |= {name: claims[name] for name in RELAYED if name in claims}
    user = users.find_by_id(db, str(claims["sub"])) if "gid" in claims else None
    if user is not None:
        answer["username"] = user.username or user.email
        # what somebody may do is told as it is now: a role that was taken away since then is gone
        answer |= services.person_claims(db, user, str(claims.get("scope", "")).split())
    return answer


def may_see(client: Client, claims: Mapping[str, Any]) -> bool:
    """Whether a token was issued to the client, is meant for it, or the client is a resource server (section 4)."""
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else list(audience or ())
    return claims.get("client_id") == client.client_id or client.client_id in audiences or client.may_introspect


def is_live(db: Connection, request: ClientRequest, claims: Mapping[str, Any]) -> bool:
    """Whether nothing has revoked a verified access token."""
    if "gid" in claims:
        return find_authorization(db, request.services, claims, now=request.now) is not None
    issued_to = clients.find_client(db, str(claims.get("client_id")))
    return issued_to is not None and not issued_to.disabled and not revoked_tokens.is_revoked(db, claims["jti"])


def _refresh_token(db: Connection, request: ClientRequest, client: Client, token: str) -> Mapping[str, Any]:
    row = refresh_token.find(db, token)
    if row is None or row["client_id"] != client.client_id or row["consumed_at"] is not None:
        return INACTIVE
    authorization = authorizations.find_live(db, row["authorization_id"], request.now)
    if authorization is None or row["expires_at"] <= request.now:
        return INACTIVE
    return {
        "active": True,
        "client_id": client.client_id,
        "sub": authorization["user_id"],
        "iss": request.services.settings.issuer,
        "scope": row["scope"],
        "iat": row["issued_at"],
        "exp": row["expires_at"],
    }
