"""The consent page: who asks for what. It is made from the stored request; the form says only allow or deny."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from sqlalchemy import Connection
from starlette.responses import Response

from clients.client import Client
from server.accounts import consent
from server.grants import device_code
from server.outbound.client_logos import has_logo
from server.pages import refusal
from server.pages.interaction import Situation, StepPage, save
from server.pages.visit import Visit, stale
from server.protocol import authorization_details, interaction
from server.protocol.request import Parameters
from server.storage import clients


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
        "client_logo": _logo_url(visit, client) if has_logo(client) else None,
        "client_uri": client.client_uri,
        "redirect_host": parts.netloc or f"{parts.scheme}:",
        "user_code": None if request.device is None else device_code.shown(request.device),
        "details": authorization_details.in_words(request.details.get(authorization_details.NAME, ()), visit.services),
        "scopes": [scope for scope in scopes if scope["name"] != "openid"] or scopes,
        "user": {"name": user.claims.get("name") or user.username or user.email, "email": user.email},
        "policy_uri": client.policy_uri,
        "tos_uri": client.tos_uri,
        "is_unverified": interaction.must_always_ask(client),
        "is_self_registered": client.is_unverified,
        "client_host": (urlsplit(client.client_id).netloc or None) if client.is_unverified else None,
        "offline": "offline_access" in request.scopes,
        "sign_out_url": visit.renderer.url("/end-session"),
    }


def _logo_url(visit: Visit, client: Client) -> str:
    return visit.renderer.url("/client-logo") + "?" + urlencode({"client_id": client.client_id})


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | None:
    """Remember the consent, or tell the client that access is denied; anything else asks again."""
    decision = form.get("decision")
    request = situation.state.request
    if request is None or decision not in ("allow", "deny"):
        return None
    if decision == "deny":
        return await refusal.of_access(visit, situation)
    await visit.services.database.run(
        lambda db: _allow(db, visit, situation, request.client_id, request.consent_scopes)
    )
    return None


def _allow(db: Connection, visit: Visit, situation: Situation, client_id: str, scopes: tuple[str, ...]) -> None:
    user, client = situation.user, situation.facts.client
    if client is not None and client.is_unverified:
        clients.keep_client(db, client_id, client.metadata, now=visit.now)
    consent.grant(db, user.id, client_id, scopes, context=visit.context, now=visit.now)
    situation.state.consented_user_id = user.id
    save(db, visit, situation)


PAGE = StepPage("consent.html", show, take)
