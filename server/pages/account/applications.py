"""The applications that may use the account: what they may do, and taking it back."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import RowMapping
from starlette.responses import Response

from clients.client import Client
from server.accounts import consent
from server.pages.account import navigation
from server.pages.account.guard import Owner, Room, form, page
from server.protocol.request import Parameters
from server.protocol.response import with_parameters
from server.storage import consents

_BACK = {"overview": navigation.OVERVIEW}


def login_url(client: Client, issuer: str) -> str | None:
    """Return where a client begins a sign-in with us that the person asks for here; None where it has no such place.

    OpenID Connect Core section 4. Without a `login_hint`: not every client may know the e-mail address.
    """
    uri = client.initiate_login_uri
    return None if uri is None or client.disabled else with_parameters(uri, {"iss": issuer})


async def lines_of(room: Room, rows: Sequence[RowMapping]) -> list[dict[str, Any]]:
    """Return what a page says about each consent."""
    services = room.visit.services
    lines = []
    for row in rows:
        client = await services.registry.find(row["client_id"])
        lines.append(
            {
                "client_id": row["client_id"],
                "name": await room.client_name(row["client_id"]),
                "website": None if client is None else client.client_uri,
                "open_url": None if client is None else login_url(client, services.settings.issuer),
                "scopes": [services.scope_description(name) for name in row["scope"].split()],
                "since": room.visit.moment(row["created_at"]),
                "changed": None if row["updated_at"] == row["created_at"] else room.visit.moment(row["updated_at"]),
            }
        )
    return sorted(lines, key=lambda line: line["name"].casefold())


async def _show(room: Room, _query: Parameters) -> Response:
    owner, rows = await room.run(lambda db, owner: (owner, consents.list_of_user(db, owner.user.id)))
    context = {
        "applications": await lines_of(room, rows),
        "revoke_action": room.visit.renderer.url("/account/applications/revoke"),
    }
    return room.page(owner, "applications.html", context)


async def _revoke(room: Room, fields: Parameters) -> Response:
    client_id = fields.get("client_id") or ""

    def work(db: Connection, owner: Owner) -> bool:
        return consent.revoke(db, owner.user.id, client_id, context=owner.context, now=room.visit.now)

    is_revoked = await room.run(work)
    back = _BACK.get(fields.get("back") or "", navigation.APPLICATIONS)
    return room.leave(back, "application" if is_revoked else "")


show = page(navigation.APPLICATIONS, _show)
revoke = form(navigation.APPLICATIONS, _revoke)
