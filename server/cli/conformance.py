"""`ostiary serve --profile conformance`: a server that the OpenID Foundation's conformance suite can be let loose on.

Not for production: anybody may register clients, tokens travel through browsers, and there is a person whose password
lies in a file. Everything is made once; it is made anew when the folder is removed.
"""

import asyncio
import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from sqlalchemy import Connection

from clients.client import Client
from clients.metadata import validate
from keys.sealing import Sealer
from server.accounts import credentials, registration
from server.accounts.passwords import PasswordHasher
from server.api.tokens import CLIENT_ID as ACCOUNT_API
from server.cli.conformance_plans import (
    CLAIMS,
    FAPI_ALGORITHM,
    SETTINGS,
    SUITE,
    PlannedClient,
    clients_of,
    configuration,
)
from server.cli.running import now, refuse, transact
from server.events.audit import record
from server.events.context import CLI
from server.events.names import Event
from server.protocol import client_secrets
from server.settings import Settings
from server.storage import clients, migrations, users

PROFILE = "conformance"
EMAIL = "conformance@example.com"
FOLDER = "conformance"
PERSON_FILE, SUITE_MEMBER = "person.json", "suite"
WARNING = "WARNING: --profile conformance weakens this server on purpose. Never let real people or applications use it."


def check_suite(suite: str) -> str:
    """Return the address under which the suite waits for answers, or refuse."""
    parts = urlsplit(suite)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        refuse(
            "--suite must be an https URL that ends with the plan's alias, such as https://suite.example/test/a/mine"
        )
    return suite.rstrip("/")


def check_alone(db: Connection, administrator: str) -> None:
    """Refuse a database with clients or people that the profile did not make: it would weaken what protects them.

    After its first start there are also those clients that the suite registered, and an administrator's password.
    """
    if migrations.applied(db) is None:
        return
    if not migrations.check_applied(db):
        refuse("the database is one of an older version, and --profile conformance migrates none: `ostiary db upgrade`")
    is_ours = users.find_by_email(db, EMAIL) is not None
    planned = {client.client_id for members in clients_of(SUITE).values() for _, client in members}
    planned.add(ACCOUNT_API)  # which comes with the first sign-in there
    for client in _all_clients(db):
        if client.client_id not in planned and not (is_ours and client.is_unverified):
            _refuse_shared(f"the client {client.client_id}")
    for person in users.list_users(db):
        is_first = person.email == administrator and (is_ours or person.password_hash is None)
        if not is_first and person.email != EMAIL:
            _refuse_shared(f"the person {person.email}")


def _all_clients(db: Connection) -> Iterator[Client]:
    after = ""
    while page := clients.list_clients(db, after=after):
        yield from page
        after = page[-1].client_id


def _refuse_shared(whom: str) -> NoReturn:
    refuse(
        f"--profile {PROFILE} weakens the server and must have a database of its own, but there is {whom}: set "
        "OSTIARY_DATA_DIR to an empty directory, and OSTIARY_DATABASE_URL, if it is set, to an empty database"
    )


def check_same_suite(settings: Settings, suite: str) -> None:
    """Refuse another suite than the one for which everything was made."""
    folder = settings.data_dir / FOLDER
    made_for = _made_for(folder)
    if made_for not in (None, suite):
        refuse(f"{folder.resolve()} was made for the suite at {made_for}: remove it, and all is made for {suite}")


def _made_for(folder: Path) -> str | None:
    try:
        suite = json.loads((folder / PERSON_FILE).read_text("utf-8")).get(SUITE_MEMBER)
    except (OSError, ValueError):
        return None
    return None if suite is None else str(suite)


def is_configured(settings: Settings) -> bool:
    """Whether settings can do all that the clients of the profile were made for."""
    needed = Settings.model_validate({"response_types": SETTINGS["RESPONSE_TYPES"]})
    types, algorithms = set(needed.response_types), settings.signing_algorithms
    return types <= set(settings.response_types) and FAPI_ALGORITHM in algorithms


def prepare(settings: Settings, sealer: Sealer, suite: str) -> list[str]:
    """Make clients and a person for the suite, unless they are there, and return the lines that say where."""
    folder = settings.data_dir / FOLDER
    if not folder.exists():
        _make(settings, sealer, suite, folder)
    files = sorted(folder.glob("*.json"))
    hint = (
        [] if settings.is_https else ["The suite speaks https only: set OSTIARY_ISSUER to the URL of your TLS proxy."]
    )
    return ["", WARNING, *hint, "Configurations for the suite, and the person who signs in:", *map(_line, files)]


def _line(file: Path) -> str:
    return f"  {file.resolve()}"


def _make(settings: Settings, sealer: Sealer, suite: str, folder: Path) -> None:
    plans, at = clients_of(suite), now()
    planned = [client for members in plans.values() for _, client in members]
    password = secrets.token_urlsafe(18)
    password_hash = _hash(settings, password)

    def work(db: Connection) -> dict[str, str]:
        _put_person(db, password_hash, at)
        return dict(_put_clients(db, sealer, planned, at))

    given = transact(work, settings)
    made: Mapping[str, str] = {
        f"{name}.json": configuration(name, members, given, issuer=settings.issuer, suite=suite)
        for name, members in plans.items()
    }
    folder.mkdir(mode=0o700, parents=True)
    for name, text in {
        **made,
        PERSON_FILE: json.dumps({"email": EMAIL, "password": password, SUITE_MEMBER: suite}, indent=2) + "\n",
    }.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")


def _put_clients(db: Connection, sealer: Sealer, planned: list[PlannedClient], at: int) -> Iterator[tuple[str, str]]:
    for client in planned:
        clients.remove_client(db, client.client_id)
        valid = validate(dict(client.metadata))
        clients.insert_client(db, client.client_id, valid, now=at)
        record(db, Event.CLIENT_CREATED, CLI, now=at, client_id=client.client_id)
        secret = client_secrets.give(db, sealer, client.client_id, valid["token_endpoint_auth_method"], now=at)
        if secret is not None:
            yield client.client_id, secret


def _put_person(db: Connection, password_hash: str, at: int) -> None:
    known = users.find_by_email(db, EMAIL)
    if known is not None:
        credentials.set_password(db, known, password_hash, context=CLI, now=at)
        return
    registration.register(
        db, email=EMAIL, password_hash=password_hash, claims=CLAIMS, email_verified=True, context=CLI, now=at
    )


def _hash(settings: Settings, password: str) -> str:
    hasher = PasswordHasher(settings.argon2_time_cost, settings.argon2_memory_kib, 1, 1)
    try:
        return asyncio.run(hasher.hash(password))
    finally:
        hasher.close()
