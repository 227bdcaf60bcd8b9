"""`ostiary doctor`: checks what an operator would check, and says how to mend it."""

import asyncio
import sys
from collections.abc import Iterator

import typer
from sqlalchemy import Connection, text

from clients.client import Client
from keys.sealing import Sealer, SealError
from keys.signing_key import KeyState, KeyUse, SigningKey
from server.accounts.places import places_of
from server.cli import conformance, tls_files
from server.cli.key_reseal import SEALED
from server.cli.running import Json, missing_database, moment, now, print_json
from server.configured_database import database_of
from server.mail.outbox import TOPIC
from server.mail.outgoing import MailError
from server.mail.transport import transport_for
from server.root_key import sealer_of
from server.settings import Loaded, Settings, SettingsError, load
from server.storage import clients, migrations, outbox, signing_keys
from server.storage.database import DatabaseRefusedError, DatabaseUnavailableError

Line = tuple[str, bool | None, str]
"""What was looked at; whether it is fine, None: it works, but should be different; what to know or do."""
CLOCK_SECONDS = 5
RENEWAL_DAYS = 14
MOST_NAMED = 5
"""Rows of a table that cannot be unsealed: mostly it is all of them, for the same reason."""
MARKS = {True: "ok  ", None: "warn", False: "FAIL"}
MIGRATIONS = {
    migrations.State.APPLIED: "applied",
    migrations.State.MISSING: "missing: run `ostiary db upgrade`, or start the server on SQLite",
    migrations.State.NEWER: "made by a newer version: run that version, or restore a backup from before the upgrade",
}


SEALED_NAMES = {
    "totp_devices": "second factors",
    "client_secrets": "sealed client secrets",
    "server_secrets": "server secrets",
    "outbox": "sealed outbox",
    "backchannel_requests": "backchannel requests",
}


def doctor(*, as_json: Json = False) -> None:
    """Check configuration, database, migrations, keys, issuer and clock; exit code 1 on a failure."""
    lines = list(_check_all())
    if as_json:
        print_json(
            [
                {"check": name, "ok": is_ok is not False, "warning": is_ok is None, "detail": detail}
                for name, is_ok, detail in lines
            ]
        )
    else:
        for name, is_ok, detail in lines:
            sys.stdout.write(f"{MARKS[is_ok]}  {name}: {detail}\n")
    if any(is_ok is False for _, is_ok, _ in lines):
        raise typer.Exit(1)


def _check_all() -> Iterator[Line]:
    try:
        configuration = load()
    except SettingsError as error:
        yield "configuration", False, str(error)
        return
    yield from _check(configuration)


def _check(configuration: Loaded) -> Iterator[Line]:
    settings = configuration.settings
    unknown = ", ".join(configuration.unknown)
    yield (
        "configuration",
        not unknown,
        f"unknown variables: {unknown}: `ostiary settings` lists them all" if unknown else "valid",
    )
    yield "issuer", True, settings.issuer if settings.is_https else f"{settings.issuer} (http: only for this machine)"
    if settings.is_https and not settings.trusted_proxies and settings.tls_certificate is None:
        yield "proxy", None, "no address is trusted, so all visitors seem to be one: set OSTIARY_TRUSTED_PROXIES"
    if settings.rate_limits is False:
        yield "throttling", None, "guesses are not slowed down: remove OSTIARY_RATE_LIMITS"
    yield from _check_conformance(settings)
    yield _check_hashing(settings)
    yield from _check_tls(settings)
    yield from _check_places(settings)
    problem = missing_database(settings)
    if problem is not None:
        yield "database", False, problem
        return
    try:
        sealer = sealer_of(settings)
        yield "root key", True, "readable"
    except SettingsError as error:
        yield "root key", False, str(error)
        return
    try:
        yield from asyncio.run(_check_database(settings, sealer))
    except DatabaseUnavailableError as error:
        yield "database", False, f"does not answer ({error}): check OSTIARY_DATABASE_URL and that it is running"
    except DatabaseRefusedError as error:
        yield "database", False, str(error)


def _check_conformance(settings: Settings) -> Iterator[Line]:
    """Look whether commands have the settings of the profile that the server is started with."""
    if (settings.data_dir / conformance.FOLDER).exists() and not conformance.is_configured(settings):
        mend = f"`ostiary serve --profile {conformance.PROFILE}` has other settings than this command: export them"
        yield "conformance", None, f"{mend} as docs/certification.md says"


def _check_tls(settings: Settings) -> Iterator[Line]:
    """Look at the files, and when the server's own certificate ends; behind a proxy there is nothing to look at."""
    try:
        tls_files.check(settings)
        ends = tls_files.ends_at(settings)
    except SettingsError as error:
        yield "TLS files", False, str(error)
        return
    if ends is None:
        return
    days = (int(ends.timestamp()) - now()) // 86_400
    is_fine = False if days < 0 else days >= RENEWAL_DAYS or None
    mend = "" if is_fine else ": renew it, and restart the server"
    yield "TLS files", is_fine, f"the certificate is valid until {moment(int(ends.timestamp()))}{mend}"


def _check_places(settings: Settings) -> Iterator[Line]:
    try:
        places_of(settings)
    except SettingsError as error:
        yield "places", False, str(error)


def _check_hashing(settings: Settings) -> Line:
    # OWASP ASVS 5.0 appendix C: t=1 with 46 MiB, t=2 with 19 MiB, t>=3 with 12 MiB
    passes, kib = settings.argon2_time_cost, settings.argon2_memory_kib
    least = {1: 47_104, 2: 19_456}.get(passes, 12_288)
    is_strong = kib >= least
    mend = "" if is_strong else f": OSTIARY_ARGON2_MEMORY_KIB should be {least}"
    return "password hashing", is_strong or None, f"argon2id, {passes} passes, {kib} KiB{mend}"


async def _check_database(settings: Settings, sealer: Sealer) -> list[Line]:
    database = database_of(settings, is_server=False)
    try:
        lines: list[Line] = [("database", True, await database.read(_describe))]
        found = await database.read(migrations.state)
        is_migrated = found is migrations.State.APPLIED
        lines.append(("migrations", is_migrated, MIGRATIONS[found]))
        if is_migrated:
            lines += await database.read(lambda db: _check_rows(db, sealer, settings))
            lines.append(await _check_mail(settings, await database.read(lambda db: outbox.counts(db, TOPIC))))
        return lines
    finally:
        await database.close()


def _describe(db: Connection) -> str:
    version = "sqlite_version()" if db.dialect.name == "sqlite" else "current_setting('server_version')"
    return f"{db.dialect.name} {db.execute(text(f'SELECT {version}')).scalar()}"


def _check_rows(db: Connection, sealer: Sealer, settings: Settings) -> list[Line]:
    keys = signing_keys.list_keys(db)
    lines = [_check_keys(use, keys, sealer, settings) for use in KeyUse]
    for table, found in SEALED.items():
        if table != "signing_keys":  # looked at by their use
            sealed = [(one.context, one.text) for one in found(db)]
            problem = _problems(sealer, sealed)
            lines.append((SEALED_NAMES.get(table, table), problem is None, problem or f"{len(sealed)} readable"))
    lines.append(_check_clients(db, settings))
    if db.dialect.name == "postgresql":
        apart = abs(int(db.execute(text("SELECT extract(epoch FROM now())::bigint")).scalar() or 0) - now())
        detail = f"{apart} s apart from the database's" + ("" if apart <= CLOCK_SECONDS else ": set both by NTP")
        lines.append(("clock", apart <= CLOCK_SECONDS, detail))
    else:
        newest = max((key.created_at for key in keys), default=0)
        is_sane = newest <= now()
        lines.append(("clock", is_sane, "plausible" if is_sane else "a key was made in the future: set the clock"))
    return lines


async def _check_mail(settings: Settings, counts: outbox.Counts) -> Line:
    transport = transport_for(settings)
    rows = f"{counts.waiting} waiting, {counts.failing} failing"
    if counts.failing:
        rows += " (`ostiary mail list` says why)"
    try:
        await transport.check()
    except MailError as error:
        mend = "check OSTIARY_SMTP_URL" if settings.smtp_url else "check OSTIARY_DATA_DIR"
        return "mail", False, f"{error}: {mend}; {rows}"
    if not settings.smtp_url and settings.is_https:
        return "mail", True, f"{transport.destination}: set OSTIARY_SMTP_URL so that they reach people; {rows}"
    return "mail", True, f"{transport.destination}; {rows}"


def _check_keys(use: KeyUse, keys: list[SigningKey], sealer: Sealer, settings: Settings) -> Line:
    is_signing = use is KeyUse.SIGNATURE
    name = "signing keys" if is_signing else "encryption keys"
    usable = [key for key in keys if key.use is use and key.state is not KeyState.REVOKED]
    problem = _problems(sealer, [(f"signing_key:{key.kid}", key.sealed_private) for key in usable])
    if problem is not None:
        return name, False, problem
    active = {key.algorithm for key in usable if key.state is KeyState.ACTIVE}
    wanted = settings.signing_algorithms if is_signing else settings.encryption_algorithms
    missing = [algorithm for algorithm in wanted if algorithm not in active]
    if missing:
        return name, False, f"no active key for {missing[0]}: start the server, which makes one"
    return name, True, f"{len(usable)} readable, active for {' '.join(sorted(active)) or 'nothing'}"


def _all_clients(db: Connection) -> Iterator[Client]:
    after = ""
    while page := clients.list_clients(db, after=after):
        yield from page
        after = page[-1].client_id


def _check_clients(db: Connection, settings: Settings) -> Line:
    registered = 0
    for client in _all_clients(db):
        registered += 1
        algorithm = client.id_token_signed_response_alg
        if algorithm is not None and algorithm not in settings.signing_algorithms:
            problem = f"{client.client_id} wants ID tokens signed with {algorithm}"
            return "clients", False, f"{problem}: add it to OSTIARY_SIGNING_ALGORITHMS, or change the client"
    return "clients", True, f"{registered} registered"


def _problems(sealer: Sealer, rows: list[tuple[str, str]]) -> str | None:
    problems = []
    for context, sealed in rows:
        try:
            sealer.unseal(sealed, context=context)
        except SealError as error:
            problems.append(str(error))
    more = [f"and {len(problems) - MOST_NAMED} rows more"] if len(problems) > MOST_NAMED else []
    return "; ".join(problems[:MOST_NAMED] + more) or None
