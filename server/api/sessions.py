"""The person's sign-ins, in browsers and through this API."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from server.accounts import sessions
from server.accounts.sessions import Session
from server.api.call import Call, Reply
from server.api.errors import ApiError
from server.api.operation import Answer, Operation, Schema
from server.pages.devices import describe
from server.protocol.bearer import BearerToken
from server.storage import sessions as session_rows

NOT_FOUND = "Session not found"
_TIME: Schema = {"type": "integer", "description": "Unix seconds."}
SESSION_SCHEMA: Schema = {
    "type": "object",
    "required": [
        "id",
        "device",
        "user_agent",
        "address",
        "place",
        "created_at",
        "last_used_at",
        "expires_at",
        "amr",
        "applications",
        "is_current",
    ],
    "properties": {
        "id": {"type": "string"},
        "device": {"type": "string", "description": "Browser and system, in the language that was asked for."},
        "user_agent": {"type": "string"},
        "address": {"type": "string", "description": "IP address of the sign-in."},
        "place": {
            "type": "string",
            "description": "City and country of the address, if the server knows them; else empty.",
        },
        "created_at": _TIME,
        "last_used_at": _TIME,
        "expires_at": _TIME,
        "amr": {"type": "array", "items": {"type": "string"}, "description": "How the person signed in (RFC 8176)."},
        "applications": {"type": "array", "items": {"type": "string"}, "description": "`client_id`s with access."},
        "is_current": {"type": "boolean", "description": "Whether it is the sign-in of the token."},
    },
}
SESSION_EXAMPLE: dict[str, Any] = {
    "id": "ses_2qk7wz4mfx3h6jd5rb8ytcaven",
    "device": "Firefox on Linux",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "address": "192.0.2.7",
    "place": "London, United Kingdom",
    "created_at": 1790000000,
    "last_used_at": 1790000600,
    "expires_at": 1797776000,
    "amr": ["pwd", "otp", "mfa"],
    "applications": ["ostiary-account-api"],
    "is_current": True,
}


def _describe(call: Call, session: Session, clients: Iterable[str], current_id: str) -> dict[str, Any]:
    return {
        "id": session.id,
        "device": call.language.say(describe(session.user_agent)),
        "user_agent": session.user_agent,
        "address": session.address,
        "place": call.services.places.find(session.address, (call.language.tag,)),
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "expires_at": session.expires_at,
        "amr": list(session.amr),
        "applications": list(clients),
        "is_current": session.id == current_id,
    }


async def list_sessions(call: Call) -> Reply:
    """Return the person's live sign-ins, the last used first."""

    def work(db: Connection, token: BearerToken) -> list[dict[str, Any]]:
        current_id = token.authorization["session_id"]
        clients = session_rows.clients_of_user(db, token.user.id)
        live = sessions.list_live(db, token.user.id, call.now)
        return [_describe(call, session, clients.get(session.id, ()), current_id) for session in live]

    return Reply(200, {"sessions": await call.read(work)})


async def end_session(call: Call) -> Reply:
    """End one of the person's own sign-ins, with all that was authorized in it."""

    def work(db: Connection, token: BearerToken) -> bool:
        user, session_id = token.user, call.path["id"]
        return any(one.id == session_id for one in sessions.list_live(db, user.id, call.now)) and sessions.end_device(
            db, session_id, user_id=user.id, context=call.by(user), now=call.now
        )

    if not await call.run(work):
        raise ApiError(404, NOT_FOUND)
    return Reply(204)


async def end_others(call: Call) -> Reply:
    """End all sign-ins of the person but the token's own."""

    def work(db: Connection, token: BearerToken) -> None:
        kept, user = token.authorization["session_id"], token.user
        sessions.end_all(db, user.id, except_id=kept, context=call.by(user), now=call.now)

    await call.run(work)
    return Reply(204)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/auth/sessions",
        id="list_sessions",
        tag="Sign-ins",
        summary="List the sign-ins",
        description="The person's live sign-ins in browsers and through this API, the last used first.",
        handler=list_sessions,
        is_bearer=True,
        answers={
            200: Answer(
                "The sign-ins.",
                {
                    "type": "object",
                    "required": ["sessions"],
                    "properties": {"sessions": {"type": "array", "items": {"$ref": "#/components/schemas/Session"}}},
                },
                {"sessions": [SESSION_EXAMPLE]},
            )
        },
    ),
    Operation(
        method="DELETE",
        path="/api/auth/sessions",
        id="end_other_sessions",
        tag="Sign-ins",
        summary="End all other sign-ins",
        description="Ends every sign-in but the token's own, with all tokens that were issued in them.",
        handler=end_others,
        is_bearer=True,
        answers={204: Answer("They are over.")},
    ),
    Operation(
        method="DELETE",
        path="/api/auth/sessions/{id}",
        id="end_session",
        tag="Sign-ins",
        summary="End one sign-in",
        description="Ends a sign-in, with all tokens that were issued in it.",
        handler=end_session,
        is_bearer=True,
        answers={204: Answer("It is over.")},
        refusals={404: f"`{NOT_FOUND}`: it is over already, or somebody else's."},
    ),
)
