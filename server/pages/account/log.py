"""What happened with the account, so that its owner notices what was not them."""

from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import security_log
from server.accounts.security_log import Doer, Entry
from server.languages import Message as _
from server.pages.account import navigation
from server.pages.account.guard import Owner, Room, page
from server.pages.devices import describe
from server.protocol.request import Parameters

LONGEST_ID = 18
_DOERS = {Doer.ADMINISTRATOR: _("by an administrator"), Doer.SERVER: _("by the server")}


async def _show(room: Room, query: Parameters) -> Response:
    before = query.get("before") or ""
    before_id = int(before) if before.isascii() and before.isdigit() and len(before) <= LONGEST_ID else None

    def work(db: Connection, owner: Owner) -> tuple[Owner, list[Entry], int | None]:
        return owner, *security_log.read(db, owner.user.id, before_id=before_id)

    owner, entries, next_id = await room.run(work)
    here = room.visit.renderer.url(navigation.LOG)
    context = {
        "entries": [await _line(room, entry) for entry in entries],
        "older_url": None if next_id is None else f"{here}?before={next_id}",
        "newest_url": None if before_id is None else here,
    }
    return room.page(owner, "log.html", context)


async def _line(room: Room, entry: Entry) -> dict[str, Any]:
    return {
        "text": entry.text,
        "is_alarming": entry.is_alarming,
        "count": entry.count,
        "time": room.visit.moment(entry.at),
        "doer": _DOERS.get(entry.doer),
        "device": describe(entry.user_agent) if entry.user_agent and entry.doer is Doer.ANYBODY else None,
        "address": room.visit.place(entry.address) if entry.doer is Doer.ANYBODY else "",
        "application": None if entry.client_id is None else await room.client_name(entry.client_id),
    }


show = page(navigation.LOG, _show)
