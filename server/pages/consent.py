"""The consent page: who asks for what. It is made from the stored request; the form says only allow or deny."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import consent
from server.events.audit import record
from server.events.names import Event
from server.pages import answer
from server.pages.interaction import Situation, StepPage, save
from server.pages.visit import Visit, stale
from server.protocol import interaction
from server.protocol.errors import AccessDeniedError
from server.protocol.request import Parameters
from server.protocol.response import error_parameters


def show(_db: Connection, visit: Visit, situation: Situation) -> Mapping[str, Any]:
    """Return what the person decides about (RFC 6819 section 5.2.4.1)."""
    request, client = situation.state.request, situation.facts.client
    if request is None or client is None:
        raise stale()
    user = situation.user
    parts = urlsplit(request.redirect_uri)
    scopes = [{"name": name, "description": visit.services.scope_description(name)} for name in request.consent_scopes]
    return {
        "client_name": situation.client_name,
        "client_uri": client.client_uri,
        "redirect_host": parts.netloc or f"{parts.scheme}:",
        "scopes": [scope for scope in scopes if scope["name"] != "openid"] or scopes,
        "user": {"name": user.claims.get("name") or user.username or user.email, "email": user.email},
        "policy_uri": client.policy_uri,
        "tos_uri": client.tos_uri,
        "is_unverified": interaction.must_always_ask(client),
        "offline": "offline_access" in request.scopes,
        "sign_out_url": visit.renderer.url("/end-session"),
    }


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | None:
    """Remember the consent, or tell the client that access is denied; anything else asks again."""
    decision = form.get("decision")
    request = situation.state.request
    if request is None or decision not in ("allow", "deny"):
        return None
    if decision == "deny":
        await visit.services.database.run(lambda db: _deny(db, visit, situation, request.client_id))
        denied = AccessDeniedError("The person denied access")
        return answer.to_client(visit, request, error_parameters(denied))
    await visit.services.database.run(
        lambda db: _allow(db, visit, situation, request.client_id, request.consent_scopes)
    )
    return None


def _allow(db: Connection, visit: Visit, situation: Situation, client_id: str, scopes: tuple[str, ...]) -> None:
    user = situation.user
    consent.grant(db, user.id, client_id, scopes, context=visit.context, now=visit.now)
    situation.state.consented_user_id = user.id
    save(db, visit, situation)


def _deny(db: Connection, visit: Visit, situation: Situation, client_id: str) -> None:
    if not interaction.finish(db, situation.id, visit.now):
        raise stale()
    user = situation.user
    record(
        db,
        Event.CONSENT_DENIED,
        visit.context,
        now=visit.now,
        user_id=user.id,
        client_id=client_id,
        actor=user.id,
    )


PAGE = StepPage("consent.html", show, take)
