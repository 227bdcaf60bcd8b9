"""The composition root: settings -> stores -> services -> routes -> Starlette."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from clients.client import Client
from clients.metadata_document import is_document_url
from clients.registry import ClientRegistry
from keys.sealing import Sealer
from server.accounts.passwords import PasswordHasher
from server.accounts.places import places_of
from server.background import Background
from server.clock import Clock, SystemClock
from server.configured_database import database_of
from server.endpoints import metadata
from server.errors import HANDLERS, internal_error
from server.extensions import EXTENSIONS
from server.grants.authorization_code import AuthorizationCodeGrant
from server.grants.client_credentials import ClientCredentialsGrant
from server.grants.refresh_token import RefreshTokenGrant
from server.middleware.edge import Edge
from server.middleware.form_origin import FormOrigin
from server.middleware.proxies import Proxies
from server.observability import logging
from server.outbound.client_documents import ClientDocuments
from server.outbound.client_keys import ClientKeys
from server.outbound.client_logos import ClientLogos
from server.outbound.fetcher import Fetcher
from server.outbound.request_objects import RequestObjects
from server.pages.render import Renderer
from server.protocol.request_pace import RequestPace
from server.protocol.services import Services
from server.root_key import make_if_new, sealer_of
from server.routes import build, endpoints_of
from server.settings import Settings, SettingsError, load
from server.storage import clients, migrations
from server.storage.database import Database
from server.tokens.key_ring import KeyRing

GRANTS: tuple[type[Any], ...] = (AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant)


class DatabaseClients:
    """The registry's source: the clients' rows."""

    def __init__(self, database: Database, *, has_documents: bool = True) -> None:
        self._database = database
        self._has_documents = has_documents

    async def find_client(self, client_id: str) -> Client | None:
        """Return a client from the database.

        Where documents are off, a row that was kept of one is no client, unless an operator vouches for it.
        """
        client = await self._database.read(lambda db: clients.find_client(db, client_id))
        is_of_document = client is not None and client.is_unverified and is_document_url(client_id, allow_loopback=True)
        return None if is_of_document and not self._has_documents else client


def services_for(settings: Settings, database: Database, sealer: Sealer, clock: Clock) -> Services:
    """Put the services together."""
    extensions = tuple(extension for extension in EXTENSIONS if extension.is_enabled(settings))
    fetcher = Fetcher(allow_private=settings.fetch_private_addresses, ca_file=settings.ca_file)
    documents = None
    if settings.client_id_metadata_documents:
        documents = ClientDocuments(
            fetcher,
            clock,
            known_scopes=lambda: services.scope_names(),  # noqa: PLW0108  services does not exist yet
            defined_scopes=lambda: services.scopes,
            allow_loopback=settings.fetch_private_addresses,
        )
    services = Services(
        settings=settings,
        clock=clock,
        database=database,
        sealer=sealer,
        keys=KeyRing(settings.signing_algorithms[0]),
        registry=ClientRegistry(DatabaseClients(database, has_documents=documents is not None), documents=documents),
        hasher=PasswordHasher(
            time_cost=settings.argon2_time_cost,
            memory_kib=settings.argon2_memory_kib,
            parallel=settings.argon2_parallel,
            queue=settings.argon2_queue,
        ),
        fetcher=fetcher,
        client_keys=ClientKeys(fetcher, clock),
        client_logos=ClientLogos(fetcher, clock),
        request_objects=RequestObjects(fetcher, clock, is_paced=settings.rate_limits),
        request_pace=RequestPace(clock, is_on=settings.rate_limits),
        extensions=extensions,
        places=places_of(settings),
        grants=(*GRANTS, *(grant for extension in extensions for grant in extension.grants)),
    )
    services.metadata = metadata.build(services, endpoints_of(extensions))
    return services


def create_app(settings: Settings, *, clock: Clock | None = None) -> Starlette:
    """Return the server as an ASGI application; its lifespan opens and closes the database."""
    logging.configure(settings)
    renderer = Renderer(settings)
    extensions = tuple(extension for extension in EXTENSIONS if extension.is_enabled(settings))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        make_if_new(settings)
        sealer = sealer_of(settings)
        database = database_of(settings, is_server=True)
        services = services_for(settings, database, sealer, clock or SystemClock())
        background = Background(services)
        app.state.services = services
        try:
            await ensure_migrated(settings, database)
            await background.start()
            yield
        finally:
            await background.stop()
            services.hasher.close()
            await services.fetcher.close()
            await database.close()

    app = Starlette(
        routes=build(settings, extensions, renderer),
        middleware=[
            Middleware(Proxies, settings=settings),
            Middleware(Edge, settings=settings, on_error=internal_error),
            Middleware(FormOrigin, settings=settings),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    # A redirect that adds a slash would be built from the Host header.
    app.router.redirect_slashes = False
    app.state.renderer = renderer
    return app


async def ensure_migrated(settings: Settings, database: Database) -> None:
    """Migrate the embedded database; refuse to serve another one that lacks migrations."""
    if settings.is_sqlite:
        await database.run(migrations.upgrade)
    elif not await database.read(migrations.check_applied):
        raise SettingsError("the database lacks migrations: run `ostiary db upgrade` first")


def from_environment() -> Starlette:
    """Return the server as the environment configures it: for uvicorn's worker processes."""
    return create_app(load().settings)
