"""What one specification contributes. Metadata, routes, grants and checks come from the same value.

So discovery cannot promise what the server does not do, and removing a specification is removing its file and its line.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request

from server.accounts.sessions import Session
from server.accounts.user import User
from server.protocol.authorization_request import AuthorizationRequest, Draft
from server.protocol.request import HttpFacts, Parameters
from server.protocol.response import Answer
from server.settings import Settings

if TYPE_CHECKING:
    from clients.client import Client
    from server.protocol.bearer import BearerToken
    from server.protocol.services import Services
    from server.protocol.token_issue import Redemption, TokenIssue, TokenRequest

T = TypeVar("T")
AuthorizationCheck = Callable[[Draft, Parameters, "Client", "Services"], None]
"""Checks its parameters of an authorization request and fills the draft; raises a protocol error."""
RequestSource = Callable[[Draft, Parameters, "Client", "Services"], Awaitable[Parameters]]
"""Puts the parameters of an authorization request in place of a reference to them, before anything is checked; notes in
the draft where they come from."""
PushStep = Callable[["TokenRequest", dict[str, str]], None]
"""Checks the headers of a pushed authorization request and may add to its parameters, before they are checked."""
TokenCheck = Callable[["TokenRequest"], None]
"""Checks its parameters and headers of any token request, before the grant does its own."""
DatabaseNeed = Callable[[Parameters, HttpFacts], bool]
"""Whether a token request needs the database for its checks."""
RedemptionCheck = Callable[["TokenRequest", "Redemption"], None]
"""Checks a token request against what was stored with the code or the authorization; raises a protocol error."""
AccessTokenStep = Callable[["TokenRequest", Mapping[str, Any], dict[str, Any]], None]
"""Adds its claims to an access token; it gets the request, the authorization's details, the claims."""
ResponseStep = Callable[["TokenIssue", dict[str, Any]], None]
"""Adds its members to a token response."""
UserInfoCheck = Callable[[Connection, "Services", "BearerToken", int], None]
"""Checks a verified access token at the UserInfo endpoint, at a time; raises a BearerError."""
AuthorizationResponseStep = Callable[["Services", AuthorizationRequest, Session, dict[str, str]], None]
"""Adds its parameters to a successful authorization response that a session backs."""
IntrospectionEncoding = Callable[["Services", "Client", HttpFacts, Answer, int], Answer]
"""Writes a successful introspection answer in another form, if the client asked for that, at a time."""
PersonClaim = Callable[[Connection, User], Any]
"""Reads one claim about a person as it is now."""


@dataclass(frozen=True, slots=True)
class ResponseEncoding:
    """A way to write the parameters of an authorization response, whichever way they travel."""

    check: Callable[["Client", "Services"], None]
    """Refuses a client for whom it cannot be done; raises a protocol error."""
    encode: Callable[["Services", "Client", Mapping[str, str], int], dict[str, str]]
    """Returns the parameters that travel; the last argument is the time."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route: RFC 8414 metadata name, path under the issuer, methods, handler."""

    name: str
    path: str
    methods: tuple[str, ...]
    handler: Callable[[Request], Any]
    is_cross_origin: bool = False
    """Whether scripts of any origin may read the answer; never for pages (RFC 9700 section 2.6)."""
    is_announced: bool = True
    """Whether metadata names its URL."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One specification."""

    name: str
    title: str
    specification: str
    is_enabled: Callable[[Settings], bool] = lambda _settings: True
    metadata: Callable[["Services"], Mapping[str, Any]] = lambda _services: {}
    live_metadata: Callable[["Services"], Mapping[str, Any]] = lambda _services: {}
    """Metadata that changes while the server runs, such as what operators define."""
    scopes: Mapping[str, str] = field(default_factory=dict)
    """Scopes it defines, in words for the consent page."""
    person_claims: Mapping[str, PersonClaim] = field(default_factory=dict)
    """Claims about people that it reads, each given with the scope of its own name."""
    authorization_check: AuthorizationCheck | None = None
    details_check: AuthorizationCheck | None = None
    """The same for parameters that mean the same wherever a person is asked: also at the device authorization
    endpoint. It reads its own parameters only, and runs after the authorization checks."""
    request_source: RequestSource | None = None
    push_step: PushStep | None = None
    response_encodings: Mapping[str, ResponseEncoding] = field(default_factory=dict)
    """By the last part of the response_mode: `jwt` for `query.jwt`."""
    token_check: TokenCheck | None = None
    needs_database: DatabaseNeed | None = None
    """Whether its token check needs the database, for grants that do without."""
    redemption_check: RedemptionCheck | None = None
    access_token_step: AccessTokenStep | None = None
    response_step: ResponseStep | None = None
    authorization_response_step: AuthorizationResponseStep | None = None
    userinfo_check: UserInfoCheck | None = None
    introspection_encoding: IntrospectionEncoding | None = None
    grants: tuple[type[Any], ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


def _those(hooks: Iterable[T | None]) -> tuple[T, ...]:
    return tuple(hook for hook in hooks if hook is not None)


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the extensions have to do at each place, in their order: found once, since every request passes there."""

    request_sources: tuple[RequestSource, ...] = ()
    authorization_checks: tuple[AuthorizationCheck, ...] = ()
    details_checks: tuple[AuthorizationCheck, ...] = ()
    push_steps: tuple[PushStep, ...] = ()
    database_needs: tuple[DatabaseNeed, ...] = ()
    token_checks: tuple[TokenCheck, ...] = ()
    redemption_checks: tuple[RedemptionCheck, ...] = ()
    access_token_steps: tuple[AccessTokenStep, ...] = ()
    response_steps: tuple[ResponseStep, ...] = ()
    authorization_response_steps: tuple[AuthorizationResponseStep, ...] = ()
    userinfo_checks: tuple[UserInfoCheck, ...] = ()
    introspection_encodings: tuple[IntrospectionEncoding, ...] = ()

    @classmethod
    def of(cls, extensions: Sequence[Extension]) -> "Hooks":
        """Collect them."""
        return cls(
            request_sources=_those(one.request_source for one in extensions),
            authorization_checks=_those(one.authorization_check for one in extensions),
            details_checks=_those(one.details_check for one in extensions),
            push_steps=_those(one.push_step for one in extensions),
            database_needs=_those(one.needs_database for one in extensions),
            token_checks=_those(one.token_check for one in extensions),
            redemption_checks=_those(one.redemption_check for one in extensions),
            access_token_steps=_those(one.access_token_step for one in extensions),
            response_steps=_those(one.response_step for one in extensions),
            authorization_response_steps=_those(one.authorization_response_step for one in extensions),
            userinfo_checks=_those(one.userinfo_check for one in extensions),
            introspection_encodings=_those(one.introspection_encoding for one in extensions),
        )
