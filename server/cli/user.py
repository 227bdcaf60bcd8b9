"""`ostiary user`: people, by e-mail, username or id."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from server.accounts import (
    claim_limits,
    credentials,
    foreign_hashes,
    lifecycle,
    password_policy,
    profile,
    registration,
    sessions,
    throttling,
)
from server.accounts import user as people
from server.accounts.claim_limits import ClaimTooLargeError
from server.accounts.foreign_hashes import UnreadableHashError
from server.accounts.identifiers import InvalidIdentifierError
from server.accounts.passwords import PasswordHasher
from server.accounts.registration import EmailTakenError, InvalidRoleError, UsernameTakenError
from server.accounts.user import User
from server.cli import user_import
from server.cli.running import Json, loaded, now, print_record, print_rows, read_json_object, refuse, sealer, transact
from server.events.context import CLI
from server.settings import Settings
from server.storage import totp_devices, users

app = typer.Typer(help="The people who sign in.", no_args_is_help=True)
app.command("import")(user_import.import_people)
Who = Annotated[str, typer.Argument(help="E-mail address, username or id.", metavar="USER")]
Stdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
HashStdin = Annotated[
    bool,
    typer.Option("--password-hash-stdin", help="Read the hash that another system made of the password."),
]
Claims = Annotated[
    Path | None,
    typer.Option("--claims", help="JSON file with standard claims (given_name, address, ...); - for stdin."),
]


@app.command()
def create(
    email: Annotated[str, typer.Argument(help="E-mail address.", metavar="EMAIL")],
    *,
    name: Annotated[str | None, typer.Option(help="Full name.")] = None,
    username: Annotated[str | None, typer.Option(help="A second name to sign in with.")] = None,
    password_stdin: Stdin = False,
    password_hash_stdin: HashStdin = False,
    verified: Annotated[bool, typer.Option("--verified", help="The e-mail address is known to be theirs.")] = False,
    role: Annotated[list[str] | None, typer.Option(help="A role; repeat for several.")] = None,
    organization: Annotated[str | None, typer.Option(help="Where they belong.")] = None,
    claims_file: Claims = None,
    as_json: Json = False,
) -> None:
    """Create a person. Without a password or hash a one-time link is printed with which they set a password."""
    settings = loaded().settings
    person_claims = _read_claims(claims_file)
    if name is not None:
        person_claims["name"] = name
    if password_stdin and password_hash_stdin:
        refuse("standard input is either a password or a hash: give one of the two options")
    password_hash = _read_hash() if password_hash_stdin else None
    if password_stdin:
        words = password_policy.words_of(settings.brand_name, email, username, person_claims.get("name"))
        password_hash = _hash(settings, words)

    def work(db: Connection) -> tuple[User, str | None]:
        claim_limits.check_roles(db, role or ())
        person = registration.register(
            db,
            email=email,
            username=username,
            organization=organization,
            claims=person_claims,
            password_hash=password_hash,
            roles=tuple(role or ()),
            email_verified=verified,
            context=CLI,
            now=now(),
        )
        if password_hash is not None:
            return person, None
        token = credentials.create_password_link(db, person, context=CLI, now=now(), seconds=86_400)
        return person, settings.url(f"/account/set-password?token={token}")

    try:
        person, link = transact(work, settings)
    except EmailTakenError:
        refuse(f"{email} belongs to a person already: `ostiary user show {email}`")
    except UsernameTakenError:
        refuse(f"the username {username} belongs to somebody already: choose another one")
    except (InvalidIdentifierError, ValueError) as error:
        refuse(str(error))
    print_record(_record(person) | ({} if link is None else {"password_link": link}), as_json=as_json)


def _read_claims(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    given = read_json_object("--claims", path)
    try:
        return profile.validate_profile(given)
    except ValueError as error:
        refuse(f"--claims: {error}")


def _hash(settings: Settings, words: Sequence[str], former_hashes: Sequence[str] = ()) -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    hasher = PasswordHasher(settings.argon2_time_cost, settings.argon2_memory_kib, 1, 1)

    async def checked_hash() -> str:
        problems = await password_policy.check_all(hasher, settings, password, words, former_hashes=former_hashes)
        return refuse(" ".join(problems)) if problems else await hasher.hash(password)

    try:
        return asyncio.run(checked_hash())
    finally:
        hasher.close()


def _read_hash() -> str:
    try:
        return foreign_hashes.checked(sys.stdin.readline().strip())
    except UnreadableHashError as error:
        refuse(str(error))


def _record(person: User) -> dict[str, Any]:
    return {
        "id": person.id,
        "email": person.email,
        "email_verified": person.email_verified,
        "username": person.username,
        "name": person.claims.get("name"),
        "organization": person.organization,
        "roles": list(person.roles),
        "status": "deleted" if person.is_deleted else "disabled" if person.is_disabled else "active",
        "has_password": person.password_hash is not None,
    }


def _get(db: Connection, who: str) -> User:
    person = people.find(db, who) or people.find_by_login(db, who)
    if person is None:
        refuse(f"nobody is called {who}: `ostiary user list` shows everybody")
    return person


def _change(who: str, work: Callable[[Connection, User], object], *, as_json: bool) -> None:
    def apply(db: Connection) -> User:
        person = _get(db, who)
        work(db, person)
        return users.find_by_id(db, person.id) or person

    print_record(_record(transact(apply)), as_json=as_json)


@app.command("list")
def list_people(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    after: Annotated[str | None, typer.Option(help="Go on after this person (e-mail, username or id).")] = None,
    as_json: Json = False,
) -> None:
    """List people, in the order in which they came."""

    def work(db: Connection) -> list[dict[str, Any]]:
        last = None if after is None else _get(db, after)
        start = (-1, "") if last is None else (last.created_at, last.id)
        return [_record(person) for person in users.list_users(db, after=start, limit=limit)]

    rows = transact(work)
    print_rows(rows, ("id", "email", "username", "name", "roles", "status"), as_json=as_json)


@app.command()
def show(who: Who, *, as_json: Json = False) -> None:
    """Show one person."""

    def work(db: Connection) -> dict[str, Any]:
        person = _get(db, who)
        devices = totp_devices.count_of_user(db, person.id)
        return _record(person) | {"second_factors": devices, "claims": person.claims}

    print_record(transact(work), as_json=as_json)


@app.command()
def update(
    who: Who,
    *,
    claims_file: Claims = None,
    role: Annotated[list[str] | None, typer.Option(help="The roles, instead of the present ones.")] = None,
    verified: Annotated[
        bool | None, typer.Option("--verified/--unverified", help="Whether the e-mail is theirs.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change a person's claims, roles or whether the e-mail address is verified."""
    changed_claims = _read_claims(claims_file)

    def work(db: Connection, person: User) -> None:
        at = now()
        merged = {**person.claims, **changed_claims}
        is_verified = person.email_verified if verified is None else verified
        registration.update(db, person, claims=merged, email_verified=is_verified, context=CLI, now=at)
        if role is not None:
            registration.set_roles(db, person, role, context=CLI, now=at)

    try:
        _change(who, work, as_json=as_json)
    except (InvalidRoleError, ClaimTooLargeError) as error:
        refuse(str(error))


@app.command()
def disable(who: Who, *, as_json: Json = False) -> None:
    """Keep a person out: sign-ins end and tokens die at once."""
    _change(who, lambda db, person: lifecycle.disable(db, person, context=CLI, now=now()), as_json=as_json)


@app.command()
def enable(who: Who, *, as_json: Json = False) -> None:
    """Let a disabled person in again."""
    _change(who, lambda db, person: lifecycle.enable(db, person, context=CLI, now=now()), as_json=as_json)


@app.command()
def delete(who: Who, *, as_json: Json = False) -> None:
    """Delete a person: sign-ins end and tokens die at once; the audit log stays."""
    settings = loaded().settings
    grace, mails = settings.deletion_grace_seconds, sealer(settings)

    def work(db: Connection, person: User) -> bool:
        return lifecycle.delete(db, person, grace_seconds=grace, sealer=mails, context=CLI, now=now())

    _change(who, work, as_json=as_json)


@app.command("set-password")
def set_password(who: Who, *, password_stdin: Stdin = False, as_json: Json = False) -> None:
    """Print a one-time link for a new password, or set one from standard input. Sign-ins of the person end."""
    settings = loaded().settings
    if password_stdin:
        _set_from_stdin(who, settings, as_json=as_json)
        return

    def work(db: Connection) -> str:
        return credentials.create_password_link(db, _get(db, who), context=CLI, now=now(), seconds=86_400)

    link = settings.url(f"/account/set-password?token={transact(work, settings)}")
    print_record({"password_link": link}, as_json=as_json)


def _set_from_stdin(who: str, settings: Settings, *, as_json: bool) -> None:
    keep, mails = settings.password_history, sealer(settings)

    def look(db: Connection) -> tuple[User, list[str]]:
        person = _get(db, who)
        return person, credentials.former_hashes(db, person, keep)

    person, former = transact(look, settings)
    words = password_policy.words_of(settings.brand_name, person.email, person.username, person.name)
    hashed = _hash(settings, words, former)

    def work(db: Connection, present: User) -> None:
        credentials.set_password(db, present, hashed, context=CLI, now=now(), notify=mails, history=keep)

    _change(person.id, work, as_json=as_json)


@app.command("reset-mfa")
def reset_mfa(who: Who, *, as_json: Json = False) -> None:
    """Remove a person's second factors, for somebody who lost them all; sign-ins end."""
    _change(who, lambda db, person: lifecycle.reset_mfa(db, person, context=CLI, now=now()), as_json=as_json)


@app.command("sign-out")
def sign_out(who: Who, *, as_json: Json = False) -> None:
    """End all of a person's sign-ins and what they authorized; every application that wants to know is told."""
    _change(who, lambda db, person: sessions.end_all(db, person.id, context=CLI, now=now()), as_json=as_json)


@app.command()
def unlock(who: Who, *, as_json: Json = False) -> None:
    """Let a person try again at once, after too many wrong passwords or codes."""
    _change(who, lambda db, person: throttling.unlock_account(db, person.id, context=CLI, now=now()), as_json=as_json)


@app.command()
def restore(who: Who, *, as_json: Json = False) -> None:
    """Take the deletion of a person back, before they are erased."""

    def work(db: Connection) -> User:
        person = people.find_deleted(db, who)
        if person is None or not lifecycle.restore(db, person, context=CLI, now=now()):
            refuse(f"nobody who can be restored is called {who}: erased people do not come back")
        return _get(db, person.id)

    print_record(_record(transact(work)), as_json=as_json)
