"""What a grant hands to the steps that complete its token response."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from clients.client import Client
from server.accounts.user import User

if TYPE_CHECKING:
    from server.protocol.services import Services


@dataclass(frozen=True, slots=True)
class CodeRedemption:
    """What was stored with an authorization code."""

    payload: Mapping[str, Any]

    @property
    def code_challenge(self) -> str | None:
        """The S256 challenge of the authorization request, None where it had none."""
        value = self.payload["code_challenge"]
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
    access_token: str
    now: int
    nonce: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
