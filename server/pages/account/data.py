"""The person's own copy of everything the server holds about them, and the way to deletion."""

import json
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import export
from server.pages.account import navigation
from server.pages.account.guard import Owner, Room, form, page, recent
from server.protocol.request import Parameters

FILE_NAME = "account-data.json"


async def _show(room: Room, _query: Parameters) -> Response:
    owner = await room.run(lambda _db, owner: owner)
    url = room.visit.renderer.url
    context = {"download_action": url("/account/data/download"), "delete_url": url(navigation.DELETE)}
    return room.page(owner, "data.html", context)


async def _download(room: Room, _fields: Parameters) -> Response:
    """Answer with the file. It is asked for by POST: it is written down, and no link can make a browser fetch it."""
    issuer = room.visit.services.settings.issuer

    def work(db: Connection, owner: Owner) -> dict[str, Any]:
        return export.collect(db, owner.user, issuer=issuer, context=owner.context, now=room.visit.now)

    document = await room.run(work)
    text = json.dumps(document, indent=2, ensure_ascii=False)
    headers = {
        "content-disposition": f'attachment; filename="{FILE_NAME}"',
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
    }
    return room.visit.finish(Response(text + "\n", media_type="application/json", headers=headers))


show = page(navigation.DATA, _show)
download = form(navigation.DATA, _download, recent)
