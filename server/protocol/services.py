"""What the handlers share: made once by the composition root, given to everyone who needs it."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection
from starlette.requests import Request

from clients.registry import ClientRegistry
from keys.sealing import Sealer
from server.accounts.passwords import PasswordHasher
from server.accounts.user import User
from server.clock import Clock
from server.events.context import Context
from server.settings import Settings
from server.storage.database import Database
from server.tokens.key_ring import KeyRing

if TYPE_CHECKING:
    from server.protocol.extension import Extension


@dataclass(slots=True)
class Services:
    """The parts of one running server."""

    settings: Settings
    clock: Clock
    database: Database
    sealer: Sealer
    keys: KeyRing
    registry: ClientRegistry
    hasher: PasswordHasher
    extensions: tuple["Extension", ...]
    grants: tuple[type[Any], ...]
    scopes: Mapping[str, str] = field(default_factory=dict)
    """Scopes that operators defined, with their descriptions; a cache that the version row renews."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The discovery document."""

    def scope_description(self, name: str) -> str:
        """Return a scope in words: the operator's, else the specification's, else its name."""
        if self.scopes.get(name):
            return self.scopes[name]
        for extension in self.extensions:
            if name in extension.scopes:
                return extension.scopes[name]
        return name

    def person_claims(self, db: Connection, user: User, names: Container[str]) -> dict[str, Any]:
        """Return which of these claims extensions have about a person, as they are now."""
        return {
            name: read(db, user)
            for extension in self.extensions
            for name, read in extension.person_claims.items()
            if name in names
        }


def services_of(request: Request) -> Services:
    """Return the services of the server that received the request."""
    return cast("Services", request.app.state.services)


def context_of(request: Request, actor: str = "anonymous") -> Context:
    """Return who asks and from where. The address is the peer's, or what a trusted proxy says of it."""
    client = request.client
    return Context(
        request_id=request.scope.get("request_id", ""),
        address=client.host if client else "",
        user_agent=request.headers.get("user-agent", "")[:255],
        actor=actor,
    )
