"""What a token request is to grants and extensions, and what a grant hands to the steps that complete its response."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from clients.client import Client
from server.accounts.user import User
from server.events.context import Context
from server.protocol.request import HttpFacts, Parameters

if TYPE_CHECKING:
    from server.protocol.services import Services


@dataclass(slots=True)
class TokenRequest:
    """A token request of an authenticated client, and what extensions have found out about it.

    `db` is None where nobody needs it: client credentials of a cached client without proofs that are used up.
    """

    db: Connection | None
    services: "Services"
    client: Client
    parameters: Parameters
    http: HttpFacts
    context: Context
    now: int
    token_type: str = "Bearer"
    confirmation: dict[str, str] = field(default_factory=dict)
    """`cnf` of the tokens (RFC 7800 section 3.1): what their holder must prove."""
    audience: tuple[str, ...] = ()
    """The resources that the access token is for; empty: our own."""
    excluded_scopes: frozenset[str] = frozenset()
    """Scopes that mean nothing at the audience, so that the access token goes without them (RFC 8707 section 2.2)."""
    members: dict[str, Any] = field(default_factory=dict)
    """Members that an extension's check adds to the token response."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers that an extension's check adds to the answer, whatever it is."""
    found: dict[str, Any] = field(default_factory=dict)
    """What an extension's check leaves for its later steps, by the extension's name."""


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a code or refresh token stands for, before it is used up."""

    grant_type: str
    payload: Mapping[str, Any]
    """What was stored with the code; empty for a refresh token."""
    details: Mapping[str, Any]
    """What extensions keep with the authorization."""
    client: Client
    is_over: bool = False
    """Whether the authorization is over, so that there is nothing to compare a request with: it fails anyway."""

    @property
    def code_challenge(self) -> str | None:
        """The S256 challenge of the authorization request, None where it had none."""
        value = self.payload.get("code_challenge")
        return None if value is None else str(value)


@dataclass(frozen=True, slots=True)
class TokenIssue:
    """A token response in the making."""

    db: Connection
    services: "Services"
    client: Client
    user: User
    authorization: Mapping[str, Any]
    scopes: tuple[str, ...]
    access_token: str | None
    """None where only an ID token is issued (`response_type=id_token`)."""
    now: int
    nonce: str | None = None
    code: str | None = None
    """The code that travels with the ID token, in an answer of the authorization endpoint."""
    state: str | None = None
    """The `state` to bind the ID token to, for clients whose profile asks for that."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    request: TokenRequest | None = None
    """The token request behind it; None for an answer of the authorization endpoint."""
