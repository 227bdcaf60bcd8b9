"""Deleting one's account: after a recent sign-in with the strongest factor, an explanation, and a confirmation."""

import hmac
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import identifiers, lifecycle
from server.accounts.user import User
from server.languages import Message
from server.languages import Message as _
from server.pages.account import navigation
from server.pages.account.guard import Owner, Room, form, page, recent
from server.protocol.request import Parameters

DAY_SECONDS, HOUR_SECONDS = 86_400, 3600


async def _show(room: Room, _query: Parameters) -> Response:
    owner = await room.run(lambda _db, owner: owner)
    return _page(room, owner, None)


def _page(room: Room, owner: Owner, error: Message | None) -> Response:
    grace = room.visit.services.settings.deletion_grace_seconds
    context: dict[str, Any] = {
        "days": grace // DAY_SECONDS,
        "hours": grace // HOUR_SECONDS,
        "erase_time": room.visit.moment(room.visit.now + grace),
        "support_url": room.visit.services.settings.support_url or None,
        "back_url": room.visit.renderer.url(navigation.DATA),
        "error": error,
    }
    return room.page(owner, "delete.html", context, status=200 if error is None else 400)


async def _take(room: Room, fields: Parameters) -> Response:
    """Delete the account once its e-mail address was typed: the sign-in before has shown who asks."""
    typed = fields.get("confirmation") or ""

    def work(db: Connection, owner: Owner) -> Owner | None:
        if not _is_confirmed(owner.user, typed):
            return owner
        services = room.visit.services
        lifecycle.delete(
            db,
            owner.user,
            grace_seconds=services.settings.deletion_grace_seconds,
            sealer=services.sealer,
            context=owner.context,
            now=room.visit.now,
        )
        return None

    refused = await room.run(work)
    if refused is not None:
        return _page(room, refused, _("This is not the e-mail address of your account."))
    room.visit.forget_session()
    grace = room.visit.services.settings.deletion_grace_seconds
    context = {"erase_time": room.visit.moment(room.visit.now + grace) if grace else None}
    return room.visit.page("account/deleted.html", context)


def _is_confirmed(user: User, typed: str) -> bool:
    try:
        given = identifiers.normalize_email(typed)
    except identifiers.InvalidIdentifierError:
        return False
    return hmac.compare_digest(given.encode(), identifiers.normalize_email(user.email).encode())


show = page(navigation.DELETE, _show, recent)
take = form(navigation.DELETE, _take, recent)
