"""Another e-mail address: asked for here after a recent sign-in, confirmed from the new mailbox."""

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import email_change
from server.accounts.identifiers import InvalidIdentifierError
from server.accounts.throttling import Throttled
from server.languages import Message
from server.pages.account import navigation
from server.pages.account.guard import Owner, Room, form, page, recent
from server.pages.waiting import too_many_attempts
from server.protocol.request import Parameters


async def _show(room: Room, _query: Parameters) -> Response:
    owner = await room.run(lambda _db, owner: owner)
    return _page(room, owner, "", None)


def _page(room: Room, owner: Owner, typed: str, error: Message | None, *, status: int = 200) -> Response:
    context = {"typed": typed, "error": error, "back_url": room.visit.renderer.url(navigation.PROFILE)}
    return room.page(owner, "email.html", context, status=status)


async def _take(room: Room, fields: Parameters) -> Response:
    typed = fields.get("new_email") or ""

    def work(db: Connection, owner: Owner) -> tuple[Owner, Message | Throttled | None]:
        services = room.visit.services
        try:
            refusal = email_change.request(
                db,
                owner.user,
                typed,
                sealer=services.sealer,
                settings=services.settings,
                context=owner.context,
                now=room.visit.now,
            )
        except InvalidIdentifierError as error:
            return owner, error.message
        return owner, refusal

    owner, refusal = await room.run(work)
    if refusal is None:
        return room.leave(navigation.PROFILE, "email")
    if isinstance(refusal, Throttled):
        text = too_many_attempts(refusal.retry_after)
        response = _page(room, owner, typed, text, status=429)
        response.headers["retry-after"] = str(refusal.retry_after)
        return response
    return _page(room, owner, typed, refusal, status=400)


show = page(navigation.EMAIL, _show, recent)
take = form(navigation.EMAIL, _take, recent)
