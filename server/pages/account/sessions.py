"""Where the person is signed in: with which browser, from where, for which applications; ending that."""

from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import sessions
from server.accounts.sessions import Session
from server.pages.account import navigation
from server.pages.account.guard import Owner, Room, form, page
from server.pages.devices import describe
from server.pages.visit import Visit
from server.protocol.request import Parameters
from server.storage import sessions as session_rows

_BACK = {"overview": navigation.OVERVIEW}


def line_of(visit: Visit, session: Session, current_id: str) -> dict[str, Any]:
    """Return what a page says about one sign-in."""
    return {
        "id": session.id,
        "device": visit.say(describe(session.user_agent)),
        "address": visit.place(session.address),
        "signed_in": visit.moment(session.authenticated_at),
        "last_used": visit.moment(session.last_used_at),
        "is_current": session.id == current_id,
        "applications": [],
    }


async def _show(room: Room, _query: Parameters) -> Response:
    def work(db: Connection, owner: Owner) -> tuple[Owner, list[Session], dict[str, list[str]]]:
        return (
            owner,
            sessions.list_live(db, owner.user.id, room.visit.now),
            session_rows.clients_of_user(db, owner.user.id),
        )

    owner, live, clients = await room.run(work)
    lines = [line_of(room.visit, session, owner.session.id) for session in live]
    for line in lines:
        line["applications"] = [await room.client_name(client_id) for client_id in clients.get(line["id"], ())]
    url = room.visit.renderer.url
    context = {
        "sessions": lines,
        "end_action": url("/account/sessions/end"),
        "end_others_action": url("/account/sessions/end-others"),
        "sign_out_url": url("/end-session"),
    }
    return room.page(owner, "sessions.html", context)


async def _end(room: Room, fields: Parameters) -> Response:
    session_id = fields.get("session_id") or ""

    def work(db: Connection, owner: Owner) -> bool:
        now = room.visit.now
        is_own = any(session.id == session_id for session in sessions.list_live(db, owner.user.id, now))
        return is_own and sessions.end_device(db, session_id, user_id=owner.user.id, context=owner.context, now=now)

    is_ended = await room.run(work)
    back = _BACK.get(fields.get("back") or "", navigation.SESSIONS)
    return room.leave(back, "session" if is_ended else "")


async def _end_others(room: Room, _fields: Parameters) -> Response:
    def work(db: Connection, owner: Owner) -> None:
        sessions.end_all(db, owner.user.id, except_id=owner.session.id, context=owner.context, now=room.visit.now)

    await room.run(work)
    return room.leave(navigation.SESSIONS, "sessions")


show = page(navigation.SESSIONS, _show)
end = form(navigation.SESSIONS, _end)
end_others = form(navigation.SESSIONS, _end_others)
