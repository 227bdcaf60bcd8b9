"""What one specification contributes. Metadata, routes, grants and checks come from the same value.

So discovery cannot promise what the server does not do, and removing a specification is removing its file and its line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from starlette.requests import Request

from server.accounts.user import User
from server.protocol.authorization_request import Draft
from server.protocol.request import Parameters
from server.settings import Settings

if TYPE_CHECKING:
    from clients.client import Client
    from server.protocol.services import Services
    from server.protocol.token_issue import CodeRedemption, TokenIssue

AuthorizationCheck = Callable[[Draft, Parameters, "Client", "Services"], None]
"""Checks its parameters of an authorization request and fills the draft; raises a protocol error."""
RedemptionCheck = Callable[[Parameters, "CodeRedemption"], None]
"""Checks a token request against what was stored with the code; raises a protocol error."""
ResponseStep = Callable[["TokenIssue", dict[str, Any]], None]
"""Adds its members to a token response."""
PersonClaim = Callable[[Connection, User], Any]
"""Reads one claim about a person as it is now."""


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
    scopes: Mapping[str, str] = field(default_factory=dict)
    """Scopes it defines, in words for the consent page."""
    person_claims: Mapping[str, PersonClaim] = field(default_factory=dict)
    """Claims about people that it reads, each given with the scope of its own name."""
    authorization_check: AuthorizationCheck | None = None
    redemption_check: RedemptionCheck | None = None
    response_step: ResponseStep | None = None
    endpoints: tuple[Endpoint, ...] = ()
