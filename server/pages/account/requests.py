"""What applications ask the person from elsewhere: OpenID Connect CIBA Core 1.0 section 8.

Everything that is decided about stands on the page. Approving begins an interaction, which ends at once where the
sign-in is as strong and as recent as the client wants it, and leads through what is missing where it is not.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from clients.client import Client
from server.grants import ciba
from server.languages import Message as _
from server.pages import interaction
from server.pages.account import navigation
from server.pages.account.guard import Owner, Room, form, page
from server.pages.visit import PageError
from server.protocol import authorization_details
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.errors import ExpiredTokenError
from server.protocol.interaction import Interaction
from server.protocol.request import Parameters
from server.storage import backchannel_requests
from server.storage.backchannel_requests import PENDING
from server.storage.rows import Row

SHORT_SECONDS = 120
"""What ends sooner is said in seconds: a time of day has none."""


async def _show(room: Room, _query: Parameters) -> Response:
    owner, rows = await room.run(
        lambda db, owner: (owner, backchannel_requests.list_pending(db, owner.user.id, room.visit.now))
    )
    lines = [await _line(room, row) for row in rows]
    return room.page(owner, "requests.html", {"requests": [line for line in lines if line is not None]})


async def _line(room: Room, row: Row) -> Mapping[str, Any] | None:
    """Return what the page says about one request, None where its client is gone."""
    visit, request = room.visit, AuthorizationRequest.from_json(row["request"])
    services, client = visit.services, await _client(room, request.client_id)
    if client is None:
        return None
    details = request.details.get(authorization_details.NAME, ())
    seconds_left = row["expires_at"] - visit.now
    scopes = {name: services.scope_description(name) for name in request.consent_scopes}
    return {
        "id": row["id"],
        "client_name": client.client_name or client.client_id,
        "website": client.client_uri,
        "binding_message": row["binding_message"],
        "scopes": [words for name, words in scopes.items() if name != "openid"] or list(scopes.values()),
        "details": authorization_details.in_words(details, services),
        "offline": "offline_access" in request.scopes,
        "asked": visit.moment(row["created_at"]),
        "address": visit.place(row["address"]),
        "until": visit.moment(row["expires_at"]) if seconds_left >= SHORT_SECONDS else None,
        "seconds_left": seconds_left,
    }


async def _client(room: Room, client_id: str) -> Client | None:
    client = await room.visit.services.registry.find(client_id)
    return None if client is None or client.disabled else client


async def _take(room: Room, fields: Parameters) -> Response:
    request_id, decision = fields.get("request_id") or "", fields.get("decision")
    owner, row = await room.run(
        lambda db, owner: (owner, backchannel_requests.find_of_user(db, request_id, owner.user.id))
    )
    if row is None:
        raise PageError(
            404,
            _("There is no such request"),
            _("It is not yours, or it was answered long ago."),
            _("Go back to your account, and sign in as the person who was asked."),
        )
    request = AuthorizationRequest.from_json(row["request"])
    client = await _client(room, request.client_id)
    if client is None or row["status"] != PENDING or row["expires_at"] <= room.visit.now:
        return room.leave(navigation.REQUESTS, "over")
    if decision == "deny":
        is_denied = await room.run(lambda db, owner: _deny(db, room, owner, request))
        return room.leave(navigation.REQUESTS, "denied" if is_denied else "over")
    if decision != "approve":
        return room.leave(navigation.REQUESTS)
    # The person has read on our page what they allow here; only for them it is not shown again.
    state = Interaction(created_at=room.visit.now, request=request, consented_user_id=owner.user.id)
    return await interaction.begin(room.visit, state, client)


def _deny(db: Connection, room: Room, owner: Owner, request: AuthorizationRequest) -> bool:
    try:
        ciba.deny(db, room.visit.services, request, owner.user.id, context=owner.context, now=room.visit.now)
    except ExpiredTokenError:
        return False
    return True


show = page(navigation.REQUESTS, _show)
take = form(navigation.REQUESTS, _take)
