"""The revocation endpoint: RFC 7009."""

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from keys.jose import JoseError
from server.endpoints.client_request import ClientRequest, handle
from server.events.audit import record
from server.events.names import Event
from server.protocol.errors import InvalidRequestError
from server.protocol.response import Answer
from server.storage import authorizations, revoked_tokens
from server.tokens import access_token, refresh_token


async def revocation(request: Request) -> Response:
    """Revoke a token; 200 also for one that is unknown (section 2.2)."""
    return await handle(request, _revoke)


def _revoke(db: Connection | None, request: ClientRequest) -> Answer:
    token = request.parameters.get("token")
    if token is None:
        raise InvalidRequestError("The token is missing")
    if db is None:
        raise RuntimeError("revocation needs the database")
    if access_token.unverified_looks_like_access_token(token):
        _revoke_access_token(db, request, token)
    else:
        _revoke_refresh_token(db, request, token)
    return Answer(200, {})


def _revoke_refresh_token(db: Connection, request: ClientRequest, token: str) -> None:
    """End the family and with it the access tokens of the same authorization (section 2.1)."""
    row = refresh_token.find(db, token)
    if row is None or row["client_id"] != request.authenticated.client.client_id:
        return
    if authorizations.revoke(db, row["authorization_id"], request.now):
        _record(db, request, kind="refresh_token", authorization_id=row["authorization_id"])


def _revoke_access_token(db: Connection, request: ClientRequest, token: str) -> None:
    services = request.services
    try:
        claims = access_token.read(db, services.keys, services.settings.issuer, token, now=request.now)
    except JoseError:
        return
    if claims.get("client_id") != request.authenticated.client.client_id:
        return
    revoked_tokens.add(db, claims["jti"], claims["exp"])
    _record(db, request, kind="access_token", jti=claims["jti"])


def _record(db: Connection, request: ClientRequest, **details: str) -> None:
    client_id = request.authenticated.client.client_id
    record(db, Event.TOKEN_REVOKED, request.context, now=request.now, client_id=client_id, **details)
