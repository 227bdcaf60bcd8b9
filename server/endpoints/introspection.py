"""The introspection endpoint: RFC 7662. Tells an authenticated client about the tokens that it may see."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from clients.client import Client
from keys.jose import JoseError
from server.accounts.user import User
from server.endpoints.client_request import ClientRequest, handle
from server.protocol import client_encryption
from server.protocol.bearer import find_authorization
from server.protocol.errors import InvalidRequestError, UnauthorizedClientError
from server.protocol.response import Answer
from server.storage import authorizations, clients, revoked_tokens, users
from server.storage.resources import Resource
from server.tokens import access_token, refresh_token

INACTIVE: dict[str, Any] = {"active": False}
RELAYED = (
    "iss",
    "sub",
    "aud",
    "client_id",
    "exp",
    "iat",
    "jti",
    "scope",
    "auth_time",
    "acr",
    "amr",
    "cnf",
    "act",
    "authorization_details",
)


async def introspection(request: Request) -> Response:
    """Say whether a token is active, and what it says (section 2.2)."""
    return await handle(request, _introspect, prepare=_prepare)


async def _prepare(request: ClientRequest) -> ClientRequest:
    await client_encryption.load_keys(request.services, request.authenticated.client)
    return request


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
    find = _access_token if access_token.unverified_looks_like_access_token(token) else _refresh_token
    answer = Answer(200, find(db, request, client, token))
    for encode in request.services.hooks.introspection_encodings:
        answer = encode(request.services, client, request.http, answer, request.now)
    return answer


def _access_token(db: Connection, request: ClientRequest, client: Client, token: str) -> Mapping[str, Any]:
    services = request.services
    try:
        claims = access_token.read(db, services.keys, services.settings.issuer, token, now=request.now)
    except JoseError:
        return INACTIVE
    if not (may_see(client, claims, services.resources) and is_live(db, request, claims)):
        return INACTIVE
    answer = {"active": True, "token_type": "DPoP" if "jkt" in claims.get("cnf", {}) else "Bearer"}
    answer |= {name: claims[name] for name in RELAYED if name in claims}
    user = _person(db, request, claims)
    if user is not None:
        scopes = str(claims.get("scope", "")).split()
        name = username_of(user, scopes)
        if name is not None and claims["sub"] == user.id:
            # whom the client knows by a pairwise identifier must not become known by a name
            answer["username"] = name
        # what somebody may do is told as it is now: a role that was taken away since then is gone
        answer |= services.person_claims(db, user, scopes)
    return answer


def _person(db: Connection, request: ClientRequest, claims: Mapping[str, Any]) -> User | None:
    """Return whom a live token is about: not by `sub`, which may be pairwise (OpenID Connect Core section 8.1)."""
    authorization = authorizations.find_live(db, claims["gid"], request.now) if "gid" in claims else None
    return None if authorization is None else users.find_by_id(db, authorization["user_id"])


def username_of(user: User, scopes: Collection[str]) -> str | None:
    """Return what to call somebody: no more than the scopes of the token allow at UserInfo."""
    if "profile" in scopes and user.username:
        return user.username
    return user.email if "email" in scopes else None


def may_see(client: Client, claims: Mapping[str, Any], resources: Mapping[str, Resource]) -> bool:
    """Whether a token is the client's, is for it or a resource it serves, or the client may see all (section 4)."""
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else list(audience or ())
    if claims.get("client_id") == client.client_id or client.client_id in audiences or client.may_introspect:
        return True
    return any(client.client_id in resources[uri].served_by for uri in audiences if uri in resources)


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
        "sub": request.services.subject_of(client, authorization["user_id"]),
        "iss": request.services.settings.issuer,
        "scope": row["scope"],
        "iat": row["issued_at"],
        "exp": row["expires_at"],
    }
