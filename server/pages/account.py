"""The account's home: who one is, second factor, sign-ins, connected applications."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.accounts import consent, recovery_codes, sessions
from server.accounts.sessions import Session
from server.accounts.user import User
from server.pages import interaction as dispatcher
from server.pages.devices import describe
from server.pages.visit import Visit
from server.protocol import interaction
from server.protocol.interaction import Interaction
from server.protocol.request import form_parameters
from server.settings import Mfa
from server.storage import consents, totp_devices

PATH = "/account"


def moment(seconds: int) -> str:
    """Return a time for people, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %B %Y, %H:%M UTC")


async def account(request: Request) -> Response:
    """Show the account, after a sign-in that satisfies the server's policy."""
    visit = Visit.of(request)
    state = Interaction(created_at=visit.now, continue_to=PATH)

    def work(db: Connection) -> dict[str, Any] | None:
        session, user = visit.session(db)
        if session is None or user is None:
            return None
        facts = interaction.gather(db, visit.services.settings, state, session, user, None)
        if interaction.next_step(state, facts) is not interaction.Step.DONE:
            return None
        return _context(db, visit, session, user)

    context = await visit.services.database.run(work)
    if context is None:
        return await dispatcher.begin(visit, state, None)
    names = {app["client_id"]: await _client_name(visit, app["client_id"]) for app in context["applications"]}
    for app in context["applications"]:
        app["client_name"] = names[app["client_id"]]
    return visit.page("account.html", context)


async def _client_name(visit: Visit, client_id: str) -> str:
    client = await visit.services.registry.find(client_id)
    return client_id if client is None else client.client_name or client_id


def _context(db: Connection, visit: Visit, session: Session, user: User) -> dict[str, Any]:
    url = visit.renderer.url
    devices = [{"name": d["name"], "created": moment(d["created_at"])} for d in totp_devices.list_of_user(db, user.id)]
    return {
        "user": {"name": user.claims.get("name") or user.username or user.email, "email": user.email},
        "has_second_factor": bool(devices),
        "is_second_factor_available": visit.services.settings.mfa is not Mfa.OFF,
        "devices": devices,
        "recovery_codes_left": recovery_codes.left(db, user.id),
        "enrol_url": url("/account/second-factor"),
        "sessions": [
            {
                "id": s.id,
                "device": describe(s.user_agent),
                "address": s.address,
                "signed_in": moment(s.authenticated_at),
                "last_used": moment(s.last_used_at),
                "is_current": s.id == session.id,
            }
            for s in sessions.list_live(db, user.id, visit.now)
        ],
        "end_session_action": url("/account/sessions/end"),
        "applications": [
            {
                "client_id": c["client_id"],
                "scopes": [visit.services.scope_description(name) for name in c["scope"].split()],
                "since": moment(c["created_at"]),
            }
            for c in consents.list_of_user(db, user.id)
        ],
        "revoke_action": url("/account/applications/revoke"),
        "sign_out_url": url("/end-session"),
    }


async def _change(
    request: Request, work: Callable[[Connection, Visit, Session, User, str], None], field: str
) -> Response:
    visit = Visit.of(request)
    form = await form_parameters(request)
    visit.check_csrf(form)

    def guarded(db: Connection) -> None:
        session, user = visit.session(db)
        if session is not None and user is not None:
            work(db, visit, session, user, form.get(field) or "")

    await visit.services.database.run(guarded)
    return visit.redirect(visit.renderer.url(PATH))


async def end_session(request: Request) -> Response:
    """End one of the person's own sign-ins."""

    def work(db: Connection, visit: Visit, _session: Session, user: User, session_id: str) -> None:
        if any(s.id == session_id for s in sessions.list_live(db, user.id, visit.now)):
            sessions.end(db, session_id, user_id=user.id, context=visit.context, now=visit.now)

    return await _change(request, work, "session_id")


async def revoke_application(request: Request) -> Response:
    """Take back what an application was allowed, with every token it has."""

    def work(db: Connection, visit: Visit, _session: Session, user: User, client_id: str) -> None:
        consent.revoke(db, user.id, client_id, context=visit.context, now=visit.now)

    return await _change(request, work, "client_id")


async def enrol(request: Request) -> Response:
    """Begin setting up a second factor, after a recent sign-in."""
    visit = Visit.of(request)
    visit.check_csrf(await form_parameters(request))
    state = Interaction(
        created_at=visit.now, continue_to=PATH, is_enrolling=True, fresh_seconds=interaction.FRESH_SECONDS
    )
    return await dispatcher.begin(visit, state, None)
