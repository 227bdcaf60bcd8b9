"""The account's first page: how well it is protected, where it is in use, and the way to everything else."""

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import RowMapping
from starlette.responses import Response

from server.accounts import recovery_codes, second_factor, sessions
from server.pages.account import navigation
from server.pages.account.applications import lines_of
from server.pages.account.guard import Owner, Room, page
from server.pages.account.sessions import line_of
from server.protocol.request import Parameters
from server.settings import Mfa
from server.storage import consents

SHOWN = 3
"""Sign-ins and applications on this page; their own pages show all."""


async def _show(room: Room, _query: Parameters) -> Response:
    visit = room.visit

    def work(db: Connection, owner: Owner) -> tuple[Owner, list[RowMapping], dict[str, Any]]:
        live = sessions.list_live(db, owner.user.id, visit.now)
        live.sort(key=lambda session: session.id != owner.session.id)
        facts = {
            "sessions": [line_of(visit, session, owner.session.id) for session in live[:SHOWN]],
            "more_sessions": max(0, len(live) - SHOWN),
            "has_second_factor": second_factor.has_second_factor(db, owner.user.id),
            "recovery_codes_left": recovery_codes.left(db, owner.user.id),
        }
        return owner, consents.list_of_user(db, owner.user.id), facts

    owner, rows, facts = await room.run(work)
    applications = await lines_of(room, rows)
    url = visit.renderer.url
    changed = owner.user.password_changed_at
    context = {
        **facts,
        "pending_requests": owner.pending_requests,
        "is_second_factor_available": visit.services.settings.mfa is not Mfa.OFF,
        "is_email_verified": owner.user.email_verified,
        "password_changed": None if changed is None else visit.moment(changed),
        "enrol_url": url("/account/second-factor"),
        "end_session_action": url("/account/sessions/end"),
        "applications": applications[:SHOWN],
        "more_applications": max(0, len(applications) - SHOWN),
        "revoke_action": url("/account/applications/revoke"),
        "sign_out_url": url("/end-session"),
    }
    return room.page(owner, "overview.html", context)


show = page(navigation.OVERVIEW, _show)
