"""What the handlers share: made once by the composition root, given to everyone who needs it."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection
from starlette.requests import Request

from clients.client import Client
from clients.registry import ClientRegistry
from keys.sealing import Sealer
from server.accounts.passwords import PasswordHasher
from server.accounts.places import Places
from server.accounts.user import User
from server.clock import Clock
from server.events.context import Context
from server.languages import Message as _
from server.outbound.client_keys import ClientKeys
from server.outbound.client_logos import ClientLogos
from server.outbound.fetcher import Fetcher
from server.outbound.request_objects import RequestObjects
from server.protocol.authorization_request import RESOURCE_CONSENT
from server.protocol.extension import Extension, Hooks
from server.protocol.request_pace import RequestPace
from server.settings import Settings
from server.storage.authorization_detail_types import DetailType
from server.storage.database import Database
from server.storage.resources import Resource
from server.tokens.key_ring import KeyRing
from server.tokens.subjects import Subjects


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
    fetcher: Fetcher
    client_keys: ClientKeys
    client_logos: ClientLogos
    request_objects: RequestObjects
    request_pace: RequestPace
    extensions: tuple[Extension, ...]
    grants: tuple[type[Any], ...]
    places: Places = field(default_factory=Places)
    scopes: Mapping[str, str] = field(default_factory=dict)
    """Scopes that operators defined, with their descriptions; a cache that the version row renews."""
    resources: Mapping[str, Resource] = field(default_factory=dict)
    """Registered resources by their URI; a cache like `scopes`."""
    detail_types: Mapping[str, DetailType] = field(default_factory=dict)
    """Defined types of `authorization_details`; a cache like `scopes`."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The discovery document."""
    subjects: Subjects = field(default_factory=Subjects)
    hooks: Hooks = field(init=False)

    def __post_init__(self) -> None:
        """Find out what the extensions have to do where."""
        self.hooks = Hooks.of(self.extensions)

    def subject_of(self, client: Client, user_id: str) -> str:
        """Return the `sub` by which a client knows a person (OpenID Connect Core section 8)."""
        return self.subjects.of(client, user_id)

    def sid_of(self, client: Client, session_id: str) -> str:
        """Return the `sid` by which a client knows a sign-in."""
        return self.subjects.sid_of(client.sector, session_id)

    def scope_names(self) -> set[str]:
        """Return all scopes that there are."""
        return {*self.scopes, *(name for extension in self.extensions for name in extension.scopes)}

    def scope_description(self, name: str) -> str:
        """Return a scope in words: the operator's, else the specification's, else its name. Resources count as such."""
        if name.startswith(RESOURCE_CONSENT):
            uri = name.removeprefix(RESOURCE_CONSENT)
            return _("Use %(resource)s for you", resource=self.resources[uri].title if uri in self.resources else uri)
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
