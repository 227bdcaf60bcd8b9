"""`ostiary serve`."""

import asyncio
import os
import socket
import ssl
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
import uvicorn
from sqlalchemy import Connection
from uvicorn.supervisors import Multiprocess

from keys.sealing import Sealer, SealError
from server.accounts import roles
from server.accounts.credentials import create_password_link
from server.accounts.places import places_of
from server.accounts.registration import register
from server.app import create_app, ensure_migrated
from server.cli import conformance, conformance_plans, tls_files
from server.cli.running import loaded, now, refuse, say, sealer, warn_of_unknown
from server.configured_database import database_of
from server.events.context import CLI
from server.middleware.deadline import BoundedConfig
from server.pages.set_password import PATH as SET_PASSWORD_PATH
from server.settings import Settings, SettingsError
from server.storage import users
from server.storage.database import DatabaseRefusedError, DatabaseUnavailableError, lock_for_transaction
from server.tokens import key_rotation

ADMIN_NAME = "admin"
ADMIN_EMAIL = "admin@localhost"
LOCK_NUMBER = 0x05_71_A4
LINK_SECONDS = 86_400
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2, below which nothing is spoken: RFC 9325 section 4.2."""
Host = Annotated[str | None, typer.Option(help="Address to listen on (OSTIARY_HOST).")]
Port = Annotated[int | None, typer.Option(help="Port to listen on (OSTIARY_PORT).", min=0, max=65535)]
Workers = Annotated[int | None, typer.Option(help="Server processes (OSTIARY_WORKERS).", min=1)]
Profile = Annotated[
    str | None, typer.Option(help="conformance: settings, clients and a person for the OpenID conformance suite.")
]
Suite = Annotated[
    str | None,
    typer.Option(
        help=f"With that profile: where the suite waits for answers, its alias last; else {conformance_plans.SUITE}."
    ),
]


def serve(
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    profile: Profile = None,
    suite: Suite = None,
) -> None:
    """Run the server. The embedded database, its migrations and the first signing key are made as needed."""
    waiting = _suite(profile, suite)
    _apply(profile)
    for name, value in (("HOST", host), ("PORT", port), ("WORKERS", workers)):
        if value is not None:
            os.environ[f"OSTIARY_{name}"] = str(value)  # so that worker processes see it too
    configuration = loaded()
    settings = configuration.settings
    warn_of_unknown(configuration)
    _check_port(settings)
    _check_files(settings)
    if profile is not None and suite is not None:
        conformance.check_same_suite(settings, waiting)
    root = sealer(settings, create=True)
    try:
        link = asyncio.run(_prepare(settings, root, is_conformance=profile is not None))
    except (SettingsError, SealError, DatabaseRefusedError) as error:
        refuse(str(error))
    except DatabaseUnavailableError as error:
        refuse(f"the database does not answer ({error}): check OSTIARY_DATABASE_URL and that it is running")
    _greet(settings, link)
    if profile is not None:
        for line in conformance.prepare(settings, root, waiting):
            say(line)
    _run(settings)


def _suite(profile: str | None, suite: str | None) -> str:
    """Return where the suite waits, or refuse, before anything is read or made."""
    if profile is None and suite is not None:
        refuse(f"--suite goes with --profile {conformance.PROFILE}, which makes what the suite needs")
    return conformance.check_suite(suite or conformance_plans.SUITE)


def _apply(profile: str | None) -> None:
    """Set what a profile needs and the environment does not say, before anything is read."""
    if profile not in (None, conformance.PROFILE):
        refuse(f"there is no profile {profile} to serve: {conformance.PROFILE} is the only one")
    if profile is not None:
        for name, value in conformance_plans.SETTINGS.items():
            os.environ.setdefault(f"OSTIARY_{name}", value)


def _check_files(settings: Settings) -> None:
    """Refuse files that cannot be used, before anything is made or printed."""
    try:
        tls_files.check(settings)
        places_of(settings)
    except SettingsError as error:
        refuse(str(error))


def _check_port(settings: Settings) -> None:
    """Refuse a port that is taken, before anything is made or printed."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            refuse(
                f"cannot listen on {settings.host} port {settings.port} ({error.strerror}): choose another one with "
                "OSTIARY_HOST and OSTIARY_PORT, and OSTIARY_ISSUER with it"
            )


async def _prepare(settings: Settings, root: Sealer, *, is_conformance: bool) -> str | None:
    """Migrate, check the keys, and return the link for the first administrator where nobody can administer yet."""
    database = database_of(settings, is_server=settings.is_sqlite)
    try:
        if is_conformance:
            await database.read(lambda db: conformance.check_alone(db, ADMIN_EMAIL))
        await ensure_migrated(settings, database)
        await database.read(lambda db: key_rotation.load(db, root))
        token = await database.run(_first_administrator)
    finally:
        await database.close()
    return None if token is None else settings.url(f"{SET_PASSWORD_PATH}?token={token}")


def _first_administrator(db: Connection) -> str | None:
    """Make sure there is an administrator; return a one-time token where none of them has a password yet."""
    lock_for_transaction(db, LOCK_NUMBER)  # of nodes that start together one makes the account
    at = now()
    administrators = users.list_with_role(db, roles.ADMIN)
    if any(user.password_hash is not None for user in administrators):
        return None
    if administrators:
        user = administrators[0]
    elif users.find_by_email(db, ADMIN_EMAIL) or users.find_by_username(db, ADMIN_NAME):
        return None  # an operator disabled this account or took its role: that is not undone by a restart
    else:
        user = register(
            db,
            email=ADMIN_EMAIL,
            username=ADMIN_NAME,
            claims={"name": "Administrator"},
            password_hash=None,
            roles=(roles.ADMIN,),
            context=CLI,
            now=at,
        )
    return create_password_link(db, user, context=CLI, now=at, seconds=LINK_SECONDS)


def _greet(settings: Settings, link: str | None) -> None:
    say(f"Ostiary is starting at {settings.issuer}")
    port = urlsplit(settings.issuer).port
    if not settings.is_https and port is not None and port != settings.port:
        say(f"warning: it listens on port {settings.port}, but OSTIARY_ISSUER says {port}: links will lead there")
    say(f"  your account   {settings.url('/account')}")
    say(f"  discovery      {settings.url('/.well-known/openid-configuration')}")
    if link is not None:
        say("")
        say(f"Set the first administrator's password with this link (once, within {LINK_SECONDS // 3600} hours):")
        say(f"  {link}")
        say(f"Then sign in as {ADMIN_NAME!r} at {settings.url('/account')}")


def _tls(settings: Settings) -> dict[str, Any]:
    """Return uvicorn's options for speaking TLS ourselves, none where a proxy does."""
    if settings.tls_certificate is None:
        return {}
    client_ca = settings.tls_client_ca
    return {
        "ssl_certfile": settings.tls_certificate,
        "ssl_keyfile": settings.tls_key,
        "ssl_ca_certs": None if client_ca is None else str(client_ca),
        # A certificate is asked for, not demanded: browsers and most clients have none.
        "ssl_cert_reqs": ssl.CERT_NONE if client_ca is None else ssl.CERT_OPTIONAL,
        "ssl_ciphers": CIPHERS,
    }


def _run(settings: Settings) -> None:
    is_single = settings.workers == 1
    config = BoundedConfig(
        create_app(settings) if is_single else "server.app:from_environment",
        factory=not is_single,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        request_seconds=settings.request_seconds,
        loop="uvloop",
        access_log=False,
        server_header=False,
        log_level="warning",
        lifespan="on",
        proxy_headers=False,  # `middleware.proxies` does it, where the peer's address is still known
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=10,
        **_tls(settings),
    )
    if is_single:
        uvicorn.Server(config).run()
        return
    Multiprocess(config, [config.bind_socket()]).run()
