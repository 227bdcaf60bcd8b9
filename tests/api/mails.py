"""The mails that wait to be sent, and the links in them."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import Connection, select

from server.mail.outbox import context_of
from server.storage.schema import outbox
from tests.support.server import RunningServer


async def mails_of(server: RunningServer) -> list[dict[str, Any]]:
    """Return the mails in the outbox, the oldest first."""

    def read(db: Connection) -> list[dict[str, Any]]:
        rows = db.execute(select(outbox).order_by(outbox.c.created_at)).mappings().all()
        return [json.loads(server.services.sealer.unseal(r["sealed"], context=context_of(r["id"]))) for r in rows]

    return await server.run(read)


async def token_for(server: RunningServer, template: str) -> str:
    """Return the token of the link in the one mail of this kind."""
    (mail,) = [mail for mail in await mails_of(server) if mail["template"] == template]
    return parse_qs(urlsplit(str(mail["values"]["link"])).query)["token"][0]
