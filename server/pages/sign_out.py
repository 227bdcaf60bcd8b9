"""Signing out: OpenID Connect RP-Initiated Logout 1.0, and the person's own wish.

Without a valid hint about the browser's own sign-in the person is asked first (section 2); the return address is used
only if it is registered, letter for letter (section 3). Clients that want it are told in frames of the last page
(OpenID Connect Front-Channel Logout 1.0).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from clients.client import Client
from keys.jose import JoseError
from server.accounts import logout_notices, sessions
from server.accounts.sessions import Session
from server.languages import Message as _
from server.pages.visit import PageError, Visit, stale
from server.protocol.errors import InvalidRequestError
from server.protocol.request import Parameters, form_parameters, query_parameters
from server.protocol.response import with_parameters
from server.protocol.services import Services
from server.storage import one_time
from server.tokens import id_token, opaque

KIND = "sign_out"
REQUEST_KIND = "logout_request"
PREFIX = "oso_"
REQUEST_SECONDS = 60
MAX_STATE_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A validated logout request."""

    client_name: str | None
    hinted_session: str | None
    """The sign-in of a valid `id_token_hint`. Its `sid` alone says who: the `sub` beside it may be pairwise."""
    return_to: str | None


async def end_session(request: Request) -> Response:
    """End the browser's sign-in, at once with its own hint, else after a confirmation."""
    visit = Visit.of(request)
    try:
        parameters = await form_parameters(request) if request.method == "POST" else query_parameters(request)
    except InvalidRequestError:
        raise _invalid(_("The request is malformed.")) from None
    if parameters.repeated:
        raise _invalid(_("A parameter is repeated."))
    logout = await _validate(visit, parameters)
    if visit.is_post and visit.session_cookie is None:
        return await _ask_with_get(visit, logout)
    return await _end(visit, logout)


async def _ask_with_get(visit: Visit, logout: LogoutRequest) -> Response:
    """Let the browser come back with its cookies: a POST from another site has none of them (SameSite=Lax)."""
    ticket = opaque.mint(PREFIX)
    expires_at = visit.now + REQUEST_SECONDS
    await visit.services.database.run(
        lambda db: one_time.add(
            db, REQUEST_KIND, opaque.digest(REQUEST_KIND, ticket), asdict(logout), now=visit.now, expires_at=expires_at
        )
    )
    return visit.redirect(visit.renderer.url(f"/sign-out/{ticket}"))


async def resume(request: Request) -> Response:
    """Go on with a logout request that came by POST."""
    visit = Visit.of(request)
    digest = opaque.digest(REQUEST_KIND, request.path_params["ticket"])
    row = await visit.services.database.run(lambda db: one_time.consume(db, REQUEST_KIND, digest, visit.now))
    if row is None:
        raise stale()
    return await _end(visit, LogoutRequest(**row["payload"]))


async def _end(visit: Visit, logout: LogoutRequest) -> Response:
    def work(db: Connection) -> tuple[tuple[str, ...], str | None]:
        session, _ = visit.session(db)
        if session is None:
            return _end_what_is_over(db, visit, logout), None
        if logout.hinted_session == session.id:
            return _end_session(db, visit, session.id, session.user_id), None
        return (), _remember(db, visit, logout, session)

    frames, ticket = await visit.services.database.run(work)
    if ticket is None:
        visit.forget_session()
        return _done(visit, logout.client_name, logout.return_to, frames)
    context = {
        "action": visit.renderer.url(f"/sign-out/{ticket}"),
        "client_name": logout.client_name,
        "cancel_url": visit.renderer.url("/account"),
    }
    targets = () if logout.return_to is None else (logout.return_to,)
    return visit.page("sign_out.html", context, form_targets=targets)


def _end_session(db: Connection, visit: Visit, session_id: str, user_id: str) -> tuple[str, ...]:
    """End a session and return the frames that tell its clients (Front-Channel Logout 1.0 section 3)."""
    addresses = logout_notices.front_channel(db, session_id)
    if not sessions.end(db, session_id, user_id=user_id, context=visit.context, now=visit.now):
        return ()
    # Section 3: if either is there, both are.
    issuer, sid_of = visit.services.settings.issuer, visit.services.subjects.sid_of
    return tuple(
        with_parameters(address, {"iss": issuer, "sid": sid_of(sector, session_id)}) for address, sector in addresses
    )


def _end_what_is_over(db: Connection, visit: Visit, logout: LogoutRequest) -> tuple[str, ...]:
    """End a sign-in that lay idle, so that what it authorized ends too. A live one elsewhere is not this browser's."""
    hinted = logout.hinted_session
    owner = None if hinted is None else sessions.find_owner(db, hinted)
    if hinted is not None and owner is not None and not sessions.hold(db, hinted, visit.now):
        return _end_session(db, visit, hinted, owner)
    return ()


async def sign_out(request: Request) -> Response:
    """Take the confirmation and sign out."""
    visit = Visit.of(request)
    form = await form_parameters(request)
    visit.check_csrf(form)
    if form.get("decision") != "sign-out":
        return visit.redirect(visit.renderer.url("/account"))
    digest = opaque.digest(KIND, request.path_params["ticket"])

    def work(db: Connection) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        ticket = one_time.consume(db, KIND, digest, visit.now)
        if ticket is None or ticket["payload"]["browser"] != visit.browser_digest:
            raise stale()
        payload: Mapping[str, Any] = ticket["payload"]
        return payload, _end_session(db, visit, payload["session_id"], payload["user_id"])

    payload, frames = await visit.services.database.run(work)
    visit.forget_session()
    return _done(visit, payload["client_name"], payload["return_to"], frames)


async def _validate(visit: Visit, parameters: Parameters) -> LogoutRequest:
    services = visit.services
    hint = None
    if parameters.get("id_token_hint") is not None:
        try:
            hint = id_token.read_hint(services.keys, services.settings.issuer, parameters.get("id_token_hint") or "")
        except JoseError:
            hint = None  # section 4: the person is asked instead
    client_id = parameters.get("client_id")
    if hint is not None and client_id is not None and hint["aud"] != client_id:
        raise _invalid(_("The application that is named is not the one you signed in to."))
    client_id = client_id or (None if hint is None else str(hint["aud"]))
    client = None if client_id is None else await services.registry.find(client_id)
    return LogoutRequest(
        client_name=None if client is None else client.client_name or client.client_id,
        hinted_session=_hinted_session(services, client, hint),
        return_to=_return_address(client, client_id, parameters),
    )


def _hinted_session(services: Services, client: Client | None, hint: Mapping[str, Any] | None) -> str | None:
    if hint is None:
        return None
    return services.subjects.session_of(None if client is None else client.sector, hint.get("sid"))


def _return_address(client: Client | None, client_id: str | None, parameters: Parameters) -> str | None:
    uri, state = parameters.get("post_logout_redirect_uri"), parameters.get("state")
    if uri is None:
        return None
    if client_id is None:
        if parameters.get("id_token_hint") is not None:
            raise _invalid(_("The proof of your sign-in (id_token_hint) cannot be read."))
        raise _invalid(_("No application is named to which the address to return to could belong."))
    if client is None or client.disabled:
        raise _invalid(_("The application that is named is not registered."))
    if uri not in client.post_logout_redirect_uris:
        raise _invalid(_("The address to return to after signing out is not registered for the application."))
    if state is not None and len(state) > MAX_STATE_CHARACTERS:
        raise _invalid(_("The state is too long."))
    return uri if state is None else with_parameters(uri, {"state": state})


def _remember(db: Connection, visit: Visit, logout: LogoutRequest, session: Session) -> str:
    ticket = opaque.mint(PREFIX)
    payload = {
        "browser": visit.browser_digest,
        "session_id": session.id,
        "user_id": session.user_id,
        "client_name": logout.client_name,
        "return_to": logout.return_to,
    }
    expires_at = visit.now + visit.services.settings.interaction_seconds
    one_time.add(db, KIND, opaque.digest(KIND, ticket), payload, now=visit.now, expires_at=expires_at)
    return ticket


def _done(visit: Visit, client_name: str | None, return_to: str | None, frames: tuple[str, ...]) -> Response:
    if return_to is not None and not frames:
        return visit.redirect(return_to)
    context = {"client_name": client_name, "continue_url": return_to, "frames": frames}
    return visit.page("signed_out.html", context, frames=frames)


def _invalid(message: str) -> PageError:
    return PageError(
        400,
        _("The application sent an invalid sign-out request"),
        message,
        _("You can sign out on your account page."),
    )
