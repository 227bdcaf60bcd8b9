"""Tokens of the JSON API: ordinary ones of this server, issued to a client of its own.

A sign-in here is a session like one in a browser, whose cookie nobody has: the lists of sign-ins show it, and ending
it kills its tokens. The client has no redirect URI and no grant type, so that nothing at the OAuth endpoints takes it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from clients.metadata import validate
from server.accounts import sessions
from server.accounts.sessions import Lifetime
from server.accounts.user import User
from server.api import errors, person
from server.api.call import Call, Reply
from server.api.errors import ApiError
from server.api.operation import Answer, Body, Member, Operation
from server.events.audit import record
from server.events.names import Event
from server.protocol.services import Services
from server.storage import authorizations, clients, users
from server.storage import sessions as session_rows
from server.tokens import access_token, opaque, refresh_token
from server.tokens.refresh_token import Outcome

CLIENT_ID = "ostiary-account-api"
SCOPE = "openid profile email account"
METADATA = {
    "client_name": "Account API",
    "redirect_uris": [],
    "grant_types": [],
    "response_types": [],
    "token_endpoint_auth_method": "none",
    "scope": SCOPE,
}
INVALID_REFRESH_TOKEN = "Invalid refresh token"
TURNED_OFF = "The account API is turned off"

TOKENS_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["access_token", "token_type", "expires_in", "refresh_token", "user"],
    "properties": {
        "access_token": {"type": "string", "description": "A JWT by RFC 9068, for `Authorization: Bearer`."},
        "token_type": {"type": "string", "const": "Bearer"},
        "expires_in": {"type": "integer", "description": "Life of the access token in seconds."},
        "refresh_token": {"type": "string", "description": "Good for one use at `/api/auth/refresh`."},
        "user": {"$ref": "#/components/schemas/User"},
    },
}
TOKENS_EXAMPLE: Mapping[str, Any] = {
    "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c3JfNG4ifQ.c2ln",
    "token_type": "Bearer",
    "expires_in": 600,
    "refresh_token": "ort_Yx3pO0cVb3Cq8n1sX9a6kq7sYy2o5mG0qX2x1Zt0m8E",
    "user": person.USER_EXAMPLE,
}


async def ensure_client(services: Services) -> None:
    """Make the API's own client where nobody needed it before. Raises ApiError where operators have disabled it."""
    client = await services.registry.find(CLIENT_ID)
    if client is None:
        await services.database.run(lambda db: _insert_client(db, services.clock.now()))
        services.registry.clear()
        client = await services.registry.find(CLIENT_ID)
    if client is None or client.disabled:
        raise ApiError(403, TURNED_OFF)


def _insert_client(db: Connection, now: int) -> None:
    if clients.find_client(db, CLIENT_ID) is not None:
        return
    try:
        with db.begin_nested():
            clients.insert_client(db, CLIENT_ID, validate(METADATA), now=now)
    except IntegrityError:
        return  # another node was faster


def issue(db: Connection, call: Call, user: User, amr: Iterable[str]) -> dict[str, Any]:
    """Sign a person in and return the tokens. `ensure_client` was called before."""
    settings, now = call.services.settings, call.now
    lifetime = Lifetime(settings.refresh_token_seconds, settings.refresh_token_absolute_seconds)
    session, _cookie_value = sessions.begin(
        db, user.id, amr=tuple(amr), lifetime=lifetime, context=call.context, now=now
    )
    authorization = {
        "session_id": session.id,
        "auth_time": session.authenticated_at,
        "acr": session.acr,
        "amr": list(session.amr),
        "expires_at": session.expires_at,
    }
    return reissue(db, call, user, authorization)


def reissue(db: Connection, call: Call, user: User, sign_in: Mapping[str, Any]) -> dict[str, Any]:
    """Return new tokens in a sign-in that goes on: `sign_in` is its authorization, which may be revoked by now."""
    services, settings, now = call.services, call.services.settings, call.now
    kept = {name: sign_in[name] for name in ("session_id", "auth_time", "acr", "amr", "expires_at")}
    authorization = {
        **kept,
        "id": opaque.new_identifier("aut_"),
        "user_id": user.id,
        "client_id": CLIENT_ID,
        "scope": SCOPE,
        "claims": {},
        "created_at": now,
    }
    authorizations.add(db, authorization)
    token = refresh_token.issue(
        db,
        authorization_id=authorization["id"],
        client_id=CLIENT_ID,
        scope=SCOPE,
        now=now,
        idle_seconds=settings.refresh_token_seconds,
        absolute_end=authorization["expires_at"],
    )
    return _tokens(db, services, user, authorization, token, now)


def _tokens(
    db: Connection, services: Services, user: User, authorization: Mapping[str, Any], refresh: str, now: int
) -> dict[str, Any]:
    lifetime = services.settings.access_token_seconds
    claims = access_token.AccessTokenClaims(
        subject=user.id,
        client_id=CLIENT_ID,
        audience=services.settings.issuer,
        scope=authorization["scope"],
        authorization_id=authorization["id"],
        auth_time=authorization["auth_time"],
        acr=authorization["acr"],
        amr=tuple(authorization["amr"]),
    )
    return {
        "access_token": access_token.mint(services.keys, services.settings.issuer, claims, now=now, lifetime=lifetime),
        "token_type": "Bearer",
        "expires_in": lifetime,
        "refresh_token": refresh,
        "user": person.describe(db, services.settings, user),
    }


async def refresh(call: Call) -> Reply:
    """Rotate the refresh token; a late second use ends the sign-in (RFC 9700 section 4.14.2)."""
    await ensure_client(call.services)
    tokens = await call.services.database.run(lambda db: _refresh(db, call))
    if tokens is None:
        raise errors.unauthorized(INVALID_REFRESH_TOKEN, error="invalid_token")
    return Reply(200, tokens)


def _refresh(db: Connection, call: Call) -> dict[str, Any] | None:
    """Return None rather than raise: that a family was revoked must last."""
    token, now, settings = call.text("refresh_token"), call.now, call.services.settings
    row = refresh_token.find(db, token)
    if row is None or row["client_id"] != CLIENT_ID:
        return None
    authorization = authorizations.find_live(db, row["authorization_id"], now)
    user = None if authorization is None else users.find_by_id(db, authorization["user_id"])
    if authorization is None or user is None:
        return None
    rotation = refresh_token.rotate(
        db,
        token,
        row,
        now=now,
        idle_seconds=settings.refresh_token_seconds,
        absolute_end=authorization["expires_at"],
        reuse_seconds=settings.refresh_reuse_seconds,
    )
    if rotation.outcome is Outcome.REUSED:
        _revoke_family(db, call, authorization)
    if rotation.successor is None:
        return None
    session_rows.touch(db, authorization["session_id"], now)
    return _tokens(db, call.services, user, authorization, rotation.successor, now)


def _revoke_family(db: Connection, call: Call, authorization: Mapping[str, Any]) -> None:
    authorizations.revoke(db, authorization["id"], call.now)
    record(
        db,
        Event.REFRESH_TOKEN_REUSED,
        call.context,
        now=call.now,
        user_id=authorization["user_id"],
        client_id=CLIENT_ID,
        actor=CLIENT_ID,
        authorization_id=authorization["id"],
    )


async def logout(call: Call) -> Reply:
    """End the sign-in of the token, with everything that was authorized in it."""

    def work(db: Connection) -> None:
        token = call.authenticated(db)
        session_id, user = token.authorization["session_id"], token.user
        sessions.end(db, session_id, user_id=user.id, context=call.by(user), now=call.now)
        authorizations.revoke(db, token.authorization["id"], call.now)

    await call.services.database.run(work)
    return Reply(200, {"message": "Logged out successfully"})


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/auth/refresh",
        id="refresh",
        tag="Sign-in",
        summary="Get new tokens",
        description=(
            "Exchanges a refresh token for new tokens. Each refresh token is good for one use; a retry within "
            "`OSTIARY_REFRESH_REUSE_SECONDS` gets the same successor again, and a later second use ends the sign-in, "
            "because one of the two users is a thief."
        ),
        handler=refresh,
        body=Body(
            (Member("refresh_token", {"type": "string", "maxLength": 1024}),),
            {"refresh_token": TOKENS_EXAMPLE["refresh_token"]},
        ),
        answers={200: Answer("New tokens.", {"$ref": "#/components/schemas/Tokens"}, TOKENS_EXAMPLE)},
        refusals={401: f"`{INVALID_REFRESH_TOKEN}`: unknown, used, expired or revoked.", 403: f"`{TURNED_OFF}`."},
    ),
    Operation(
        method="POST",
        path="/api/auth/logout",
        id="logout",
        tag="Sign-in",
        summary="Sign out",
        description=(
            "Ends the sign-in that the access token belongs to. Its access and refresh tokens are dead at once, here, "
            "at UserInfo and for introspection."
        ),
        handler=logout,
        is_bearer=True,
        answers={
            200: Answer(
                "Signed out.",
                {
                    "type": "object",
                    "required": ["message"],
                    "properties": {"message": {"type": "string", "const": "Logged out successfully"}},
                },
                {"message": "Logged out successfully"},
            )
        },
    ),
)
