"""Who may see a page of the account: its owner, signed in as the server's policy demands, recently where it matters.

Whoever is not goes through the interaction dispatcher first and comes back to the page.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.accounts.sessions import Session
from server.accounts.user import User
from server.events.context import Context
from server.pages import interaction as dispatcher
from server.pages.account.navigation import links_of, notice_of
from server.pages.visit import Visit
from server.protocol import interaction
from server.protocol.interaction import Interaction, fresh_sign_in
from server.protocol.request import Parameters, form_parameters, query_parameters
from server.storage import backchannel_requests

T = TypeVar("T")


class SignInNeededError(Exception):
    """The browser is not signed in, not as strongly as it must be, or not recently enough."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The person whose account it is, in the session of the browser that asks."""

    session: Session
    user: User
    context: Context
    """The request's, with the person as the one who acts."""
    pending_requests: int = 0
    """How many requests of applications wait for the person's decision."""

    @property
    def name(self) -> str:
        """What the person is called on the pages."""
        return self.user.name or self.user.username or self.user.email


@dataclass(frozen=True, slots=True)
class Room:
    """One request for a page of the account."""

    visit: Visit
    path: str
    demand: Interaction
    """The sign-in that the page needs."""
    notice: str = ""
    """Name of what has just been done."""

    async def run(self, work: Callable[[Connection, Owner], T]) -> T:
        """Do work in one transaction with the owner of the account. Raises SignInNeededError."""
        return await self.visit.services.database.run(lambda db: work(db, self._owner(db)))

    def _owner(self, db: Connection) -> Owner:
        visit = self.visit
        session, user = visit.session(db)
        if session is None or user is None:
            raise SignInNeededError
        facts = dispatcher.facts_of(db, visit, self.demand, session, user, None)
        if interaction.next_step(self.demand, facts) is not interaction.Step.DONE:
            raise SignInNeededError
        pending = sum(backchannel_requests.count_pending(db, user.id, visit.now).values())
        return Owner(session, user, replace(visit.context, actor=user.id), pending)

    def page(self, owner: Owner, template: str, context: Mapping[str, Any], *, status: int = 200) -> Response:
        """Render a page of the account with its navigation."""
        values = {
            "owner": {"name": owner.name, "email": owner.user.email, "initial": owner.name[:1].upper()},
            "links": links_of(self.visit.renderer.url, self.path, owner.pending_requests),
            "notice": notice_of(self.notice) if status < 400 else None,  # noqa: PLR2004  from here on it is an error
            "action": self.visit.renderer.url(self.path),
            **context,
        }
        return self.visit.page(f"account/{template}", values, status=status)

    def leave(self, path: str, done: str = "") -> Response:
        """Go to a page of the account, which says what was done."""
        query = f"?done={done}" if done else ""
        return self.visit.redirect(self.visit.renderer.url(path) + query)

    async def client_name(self, client_id: str) -> str:
        """Return what people call an application."""
        client = await self.visit.services.registry.find(client_id)
        return client_id if client is None else client.client_name or client_id


Show = Callable[[Room, Parameters], Awaitable[Response]]
Handler = Callable[[Request], Awaitable[Response]]
Demand = Callable[[int, str, Parameters], Interaction]
"""Returns the sign-in that is needed: gets the time, the page to come back to, and what was sent."""


def recent(now: int, path: str, _sent: Parameters) -> Interaction:
    """Demand a sign-in of the last minutes, with the best factor that the person has."""
    return fresh_sign_in(now, path)


def _any(now: int, path: str, _sent: Parameters) -> Interaction:
    return Interaction(created_at=now, continue_to=path)


def page(path: str, show: Show, demand: Demand = _any) -> Handler:
    """Return the handler of a page; `show` gets the query."""

    async def get(request: Request) -> Response:
        query = query_parameters(request)
        return await _enter(Visit.of(request), path, path, show, query, demand, notice=query.get("done") or "")

    return get


def form(path: str, take: Show, demand: Demand = _any) -> Handler:
    """Return the handler of a form; `take` gets its fields. A sign-in that is needed first leads to the page."""

    async def post(request: Request) -> Response:
        visit = Visit.of(request)
        fields = await form_parameters(request)
        visit.check_csrf(fields)
        return await _enter(visit, path, f"{path}?done=again", take, fields, demand)

    return post


async def _enter(
    visit: Visit, path: str, back: str, work: Show, sent: Parameters, demand: Demand, *, notice: str = ""
) -> Response:
    needed = demand(visit.now, back, sent)
    try:
        return await work(Room(visit, path, needed, notice), sent)
    except SignInNeededError:
        return await dispatcher.begin(visit, needed, None)
