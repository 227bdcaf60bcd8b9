"""The dispatcher: asks for the next step, shows its page, takes its form, and answers the client in the end."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from clients.client import Client
from server.accounts import sessions
from server.accounts.sessions import Session
from server.accounts.user import User
from server.grants import authorization_response, ciba, device_code
from server.languages import Message as _
from server.pages import answer
from server.pages.visit import PageError, Visit, stale
from server.protocol import client_encryption, interaction, pushed_request
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.errors import OAuth2Error
from server.protocol.interaction import Facts, Interaction, Step, error_without_interaction, next_step
from server.protocol.refusals import note
from server.protocol.request import Parameters, form_parameters
from server.protocol.response import error_parameters


@dataclass(frozen=True, slots=True)
class Situation:
    """An open interaction and what is true around it, read in one transaction."""

    id: str
    state: Interaction
    facts: Facts
    step: Step

    @property
    def session(self) -> Session:
        """The browser's session, which every step after the sign-in has."""
        if self.facts.session is None:
            raise stale()
        return self.facts.session

    @property
    def user(self) -> User:
        """The person who is signed in, whom every step after the sign-in has."""
        if self.facts.user is None:
            raise stale()
        return self.facts.user

    @property
    def client_name(self) -> str | None:
        """The application's name, None where the person signs in to their own account."""
        client = self.facts.client
        return None if client is None else client.client_name or client.client_id

    @property
    def form_targets(self) -> tuple[str, ...]:
        """Where a form of this interaction may lead in the end."""
        return () if self.state.request is None else (self.state.request.redirect_uri,)


Show = Callable[[Connection, Visit, Situation], Mapping[str, Any]]
Take = Callable[[Visit, Situation, Parameters], Awaitable[Response | None]]


@dataclass(frozen=True, slots=True)
class StepPage:
    """One step's page: its template, what the template needs, and what its form does.

    `take` returns a response to show at once (an error in the form), or None to go on to whatever is due next.
    """

    template: str
    show: Show
    take: Take


Pages = Mapping[Step, StepPage]


def facts_of(
    db: Connection,
    visit: Visit,
    state: Interaction,
    session: Session | None,
    user: User | None,
    client: Client | None,
) -> Facts:
    """Read what the next step depends on, in this browser."""
    services, trusted, subject = visit.services, visit.trusted_cookie, None
    if session is not None and client is not None:
        subject = services.subject_of(client, session.user_id)
    return interaction.gather(
        db, services.settings, state, session, user, client, trusted_cookie=trusted, now=visit.now, subject=subject
    )


async def begin(visit: Visit, state: Interaction, client: Client | None, *, is_same_site: bool = True) -> Response:
    """Start an interaction. It is answered at once where nothing is due, else the browser goes to its first page.

    A request that came by POST from another site has no cookies with it (SameSite=Lax), so nothing can be decided yet.
    """
    settings = visit.services.settings

    def work(db: Connection) -> Callable[[], Response]:
        if is_same_site:
            state.browser = visit.browser_digest
            session, user = visit.session(db)
            facts = facts_of(db, visit, state, session, user, client)
            settled = _settle(db, visit, None, state, facts)
            if settled is not None:
                return settled
        interaction_id = interaction.begin(db, state, now=visit.now, seconds=settings.interaction_seconds)
        return lambda: visit.redirect(visit.renderer.url(f"/interaction/{interaction_id}"))

    return (await visit.services.database.run(work))()


def _settle(
    db: Connection, visit: Visit, interaction_id: str | None, state: Interaction, facts: Facts
) -> Callable[[], Response] | None:
    """Answer the client if nothing is due or nothing can be asked; None where a page is due."""
    request = state.request
    try:
        step = next_step(state, facts)
        if step is not Step.DONE and request is not None and "none" in request.prompt:
            raise error_without_interaction(step)
    except OAuth2Error as error:
        if request is None:
            raise
        note(error)
        _finish(db, visit, interaction_id, request)
        parameters = error_parameters(error)
        return lambda: answer.to_client(visit, request, facts.client, parameters)
    if step is not Step.DONE:
        return None
    _finish(db, visit, interaction_id, request)
    if request is None:
        return lambda: visit.redirect(visit.renderer.url(state.continue_to or "/account"))
    if facts.session is None or facts.user is None or not sessions.hold(db, facts.session.id, visit.now):
        raise stale()
    parameters = _issue(db, visit, request, facts.user, facts.session, facts.client)
    return lambda: answer.to_client(visit, request, facts.client, parameters)


def _finish(db: Connection, visit: Visit, interaction_id: str | None, request: AuthorizationRequest | None) -> None:
    """Use up the interaction and what was pushed for it: one request has one answer. Raises PageError."""
    is_ours = interaction_id is None or interaction.finish(db, interaction_id, visit.now)
    if not is_ours or not pushed_request.use_up(db, request, visit.now):
        raise stale()


def _issue(
    db: Connection, visit: Visit, request: AuthorizationRequest, user: User, session: Session, client: Client | None
) -> dict[str, str]:
    if client is None:
        raise stale()
    try:
        if request.device is not None:
            device_code.approve(db, request, user, session, context=visit.context, now=visit.now)
            return {}
        if request.backchannel is not None:
            ciba.approve(db, visit.services, request, user, session, context=visit.context, now=visit.now)
            return {}
        parameters = authorization_response.issue(
            db, visit.services, request, client, user, session, context=visit.context, now=visit.now
        )
        for step in visit.services.hooks.authorization_response_steps:
            step(visit.services, request, session, parameters)
    except OAuth2Error as error:
        note(error)
        return error_parameters(error)
    return parameters


async def load(visit: Visit, interaction_id: str) -> tuple[Interaction, Client | None]:
    """Return an open interaction of this browser, and its client. Raises PageError."""
    state = await visit.services.database.read(lambda db: interaction.find(db, interaction_id, visit.now))
    if state is None or state.browser not in (None, visit.browser_digest):
        raise stale()
    if state.request is None:
        return state, None
    visit.prefer(state.request.ui_locales)
    client = await visit.services.registry.find(state.request.client_id)
    if client is None or client.disabled:
        raise PageError(
            400,
            _("The application is not available"),
            _("The application that sent you here was removed or switched off."),
            _("Ask the people who run the application."),
        )
    await client_encryption.load_keys(visit.services, client)
    return state, client


def situation_of(
    db: Connection, visit: Visit, interaction_id: str, state: Interaction, client: Client | None
) -> Situation:
    """Derive the step from what is stored now, and write nothing."""
    session, user = visit.session(db, touch=False)
    facts = facts_of(db, visit, state, session, user, client)
    return Situation(interaction_id, state, facts, next_step(state, facts))


def _note_shown(db: Connection, visit: Visit, situation: Situation) -> None:
    """Remember whose page this is; what was prepared for somebody else is forgotten."""
    state, user = situation.state, situation.facts.user
    if user is not None and state.shown_to != user.id:
        state.shown_to, state.enrolment_secret = user.id, None
        save(db, visit, situation)


def _is_for_somebody_else(situation: Situation) -> bool:
    user = situation.facts.user
    return (
        user is not None and situation.step not in (Step.SIGN_IN, Step.REGISTER) and situation.state.shown_to != user.id
    )


async def show(visit: Visit, interaction_id: str, pages: Pages) -> Response:
    """Show the page of the step that is due, or answer the client."""
    state, client = await load(visit, interaction_id)

    def work(db: Connection) -> Callable[[], Response]:
        if state.browser is None:
            state.browser = visit.browser_digest
            interaction.save(db, interaction_id, state, visit.now)
        session, user = visit.session(db)
        facts = facts_of(db, visit, state, session, user, client)
        settled = _settle(db, visit, interaction_id, state, facts)
        if settled is not None:
            return settled
        situation = Situation(interaction_id, state, facts, next_step(state, facts))
        _note_shown(db, visit, situation)
        page = pages[situation.step]
        context = page.show(db, visit, situation)
        return lambda: render(visit, situation, page, context)

    return (await visit.services.database.run(work))()


def render(
    visit: Visit, situation: Situation, page: StepPage, context: Mapping[str, Any], *, status: int = 200
) -> Response:
    """Render a step's page; its form goes to the step's own URL."""
    action = visit.renderer.url(f"/interaction/{situation.id}/{situation.step.value}")
    return visit.page(page.template, {"action": action, **context}, status=status, form_targets=situation.form_targets)


async def take(visit: Visit, interaction_id: str, step_name: str, form: Parameters, pages: Pages) -> Response:
    """Take a step's form, if that step is the one that is due; a stale form only shows what is due."""
    visit.check_csrf(form)
    state, client = await load(visit, interaction_id)
    if state.browser is None:
        # Only a page binds it: otherwise a stranger could take steps that count for whoever opens the link.
        raise stale()
    situation = await visit.services.database.read(lambda db: situation_of(db, visit, interaction_id, state, client))
    here = visit.renderer.url(f"/interaction/{interaction_id}")
    if situation.step.value != step_name or _is_for_somebody_else(situation):
        return visit.redirect(here)
    response = await pages[situation.step].take(visit, situation, form)
    if response is not None:
        return response
    return await _go_on(visit, interaction_id, here, client)


async def _go_on(visit: Visit, interaction_id: str, here: str, client: Client | None) -> Response:
    """Answer the client at once when the form was the last step; else send the browser to the next page."""

    def work(db: Connection) -> Callable[[], Response]:
        state = interaction.find(db, interaction_id, visit.now)
        if state is None:
            raise stale()
        session, user = visit.session(db)
        facts = facts_of(db, visit, state, session, user, client)
        return _settle(db, visit, interaction_id, state, facts) or (lambda: visit.redirect(here))

    return (await visit.services.database.run(work))()


def save(db: Connection, visit: Visit, situation: Situation) -> None:
    """Store the interaction's changed state. Raises PageError where it is over."""
    if not interaction.save(db, situation.id, situation.state, visit.now):
        raise stale()


def handlers(pages: Pages) -> tuple[Callable[[Request], Awaitable[Response]], Callable[[Request], Awaitable[Response]]]:
    """Return the handlers of `GET /interaction/{id}` and `POST /interaction/{id}/{step}`."""

    async def get(request: Request) -> Response:
        return await show(Visit.of(request), request.path_params["id"], pages)

    async def post(request: Request) -> Response:
        form = await form_parameters(request)
        return await take(Visit.of(request), request.path_params["id"], request.path_params["step"], form, pages)

    return get, post
