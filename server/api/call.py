"""One call of the JSON API: who asks, with what, and the transaction in which the token is checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from sqlalchemy import Connection
from starlette.requests import Request

from server.accounts import second_factor
from server.accounts.second_factor import FRESH_SECONDS
from server.accounts.sessions import AAL2
from server.accounts.user import User
from server.api import errors
from server.api.errors import ApiError, Problem
from server.events.context import Context
from server.languages import Language
from server.languages.language import wishes_of
from server.pages.render import Renderer
from server.protocol import bearer
from server.protocol.bearer import BearerToken, PresentedToken
from server.protocol.errors import BearerError
from server.protocol.services import Services, context_of, services_of
from server.storage import users

T = TypeVar("T")
ACCOUNT_SCOPE = "account"
"""The scope without which a token shows and changes nothing here."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers."""

    status: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose body was read. `values` are the known members that were given; `path` those of the path."""

    services: Services
    context: Context
    language: Language
    now: int
    values: Mapping[str, Any]
    path: Mapping[str, str]
    presented: PresentedToken | None
    """The token in the Authorization header; None without one. Nobody has checked it yet."""

    @classmethod
    def of(
        cls, request: Request, values: Mapping[str, Any], path: Mapping[str, str], *, is_bearer: bool = False
    ) -> "Call":
        """Put together what a handler needs. Raises ApiError where `is_bearer` and there are several tokens."""
        services = services_of(request)
        renderer = cast("Renderer", request.app.state.renderer)
        return cls(
            services=services,
            context=context_of(request),
            language=renderer.languages.choose(wishes_of(request.headers.get("accept-language", ""))),
            now=services.clock.now(),
            values=values,
            path=path,
            presented=presented_token(request) if is_bearer else None,
        )

    @property
    def token(self) -> str | None:
        """The text of the presented token."""
        return None if self.presented is None else self.presented.value

    def text(self, name: str) -> str:
        """Return a member that is a text, "" where it was left out or null."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def problem(self, member: str, message: str) -> Problem:
        """Return a problem in the language of whoever asks."""
        return Problem(member, self.language.say(message))

    async def run(self, work: Callable[[Connection, BearerToken], T], *, scope: str = ACCOUNT_SCOPE) -> T:
        """Check the token and run the work in one transaction, so that what was revoked does nothing more.

        Raises ApiError. A refusal that the work raises rolls back; one that must leave a trace is returned.
        """
        return await self.services.database.run(lambda db: work(db, self.authenticated(db, scope)))

    async def read(self, work: Callable[[Connection, BearerToken], T], *, scope: str = ACCOUNT_SCOPE) -> T:
        """Do the same with work that only reads, which is cheaper. Raises ApiError."""
        # A DPoP proof is used up, which is written down.
        is_dpop = self.presented is not None and self.presented.is_dpop
        run = self.services.database.run if is_dpop else self.services.database.read
        return await run(lambda db: work(db, self.authenticated(db, scope)))

    def authenticated(self, db: Connection, scope: str = ACCOUNT_SCOPE) -> BearerToken:
        """Return the verified token. Raises ApiError."""
        if self.presented is None:
            raise errors.unauthorized(errors.NOT_AUTHENTICATED)
        try:
            token = bearer.check(db, self.services, self.presented, now=self.now)
        except BearerError as error:
            headers = {"www-authenticate": error.challenges, **error.extra_headers}
            raise ApiError(401, errors.INVALID_TOKEN, headers=headers) from None
        if not token.scopes & {scope, ACCOUNT_SCOPE}:
            # RFC 6750 section 3.1
            challenge = f'{errors.REALM}, error="insufficient_scope", scope="{scope}"'
            raise ApiError(403, "This token may not be used for that", headers={"www-authenticate": challenge})
        return token

    def by(self, user: User) -> Context:
        """Return the context of something that a person did."""
        return Context(self.context.request_id, self.context.address, self.context.user_agent, user.id)


def presented_token(request: Request) -> PresentedToken | None:
    """Return what stands in the one Authorization header (RFC 6750 section 2.1, RFC 9449 section 7.1)."""
    try:
        return bearer.token_in_header(request)
    except BearerError:
        raise errors.unauthorized(errors.INVALID_TOKEN, error="invalid_request") from None


def check_fresh(call: Call, token: BearerToken) -> None:
    """Refuse a token of a sign-in that is long ago. Raises ApiError."""
    if call.now - token.authorization["auth_time"] > FRESH_SECONDS:
        raise errors.step_up(max_age=FRESH_SECONDS)


def check_proven(db: Connection, call: Call, token: BearerToken) -> None:
    """Refuse a token of a sign-in without the person's second factor, if they have one. Raises ApiError.

    Whoever got a token with the password alone, before there was a factor, has shown none.
    """
    user = users.find_by_id(db, token.user.id) or token.user
    factors = second_factor.factors_of(db, call.services.settings, user)
    if factors.has_any and not second_factor.is_proven(factors, token.authorization["acr"], token.authorization["amr"]):
        # a code by e-mail makes no aal2: the next sign-in asks for it
        raise errors.step_up(acr=AAL2) if factors.is_strong else errors.step_up(max_age=0)
