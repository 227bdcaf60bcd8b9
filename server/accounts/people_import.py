"""People from another system: one JSON object a line, each checked before anybody is stored.

Members: `email` (required), `name`, `username`, `password_hash` (see `foreign_hashes.py`), `email_verified`, `roles`,
`organization`, `claims` (as `profile.py` has them), `totp_secret` (base32). Without a hash a person has no password
yet. Roles are the given ones only: the default role is for people who register.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection

from keys.decoding import decode_json_object
from keys.sealing import Sealer
from server.accounts import claim_limits, identifiers, registration, totp
from server.accounts.claim_limits import ClaimTooLargeError
from server.accounts.foreign_hashes import checked
from server.accounts.profile import validate_profile
from server.accounts.registration import EmailTakenError, UsernameTakenError
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import totp_devices
from server.tokens import opaque

T = TypeVar("T")
MAX_LINE_BYTES = 65_536
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 10, 64
"""RFC 4226 section 4 wants 16 at least; many apps gave out 10."""
MAX_ROLES = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line cannot be imported."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A line that can be imported, unless its e-mail address or username is taken."""

    line: int
    email: str
    username: str | None
    organization: str | None
    claims: dict[str, Any]
    roles: tuple[str, ...]
    email_verified: bool
    password_hash: str | None = field(repr=False)
    totp_secret: str | None = field(repr=False)


class _Line:
    """Reads the members of one object and collects everything that is wrong with them."""

    def __init__(self, members: dict[str, Any]) -> None:
        self.members = members
        self.problems = [f"{name!r} is not a member that can be imported" for name in set(members) - _MEMBERS]

    def take(self, name: str, kind: type[T], read: Callable[[T], T]) -> T | None:
        value = self.members.get(name)
        if value is None:
            return None
        if not isinstance(value, kind):
            self.problems.append(f"{name}: must be {_KINDS[kind]}")
            return None
        try:
            return read(value)
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return None


_MEMBERS = frozenset(
    {
        "email",
        "name",
        "username",
        "password_hash",
        "email_verified",
        "roles",
        "organization",
        "claims",
        "totp_secret",
    }
)
_KINDS = {str: "a text", bool: "true or false", list: "a list", dict: "an object"}


def read(lines: Iterable[bytes]) -> Iterator[Newcomer | Problem]:
    """Check the lines, each on its own and against those before it. Empty ones are passed over."""
    seen: dict[str, int] = {}
    for number, raw in enumerate(lines, start=1):
        if raw.strip():
            found = _read_line(number, raw)
            yield found if isinstance(found, Problem) else _first_of_its_name(found, seen)


def _first_of_its_name(newcomer: Newcomer, seen: dict[str, int]) -> Newcomer | Problem:
    names = {"e-mail address": identifiers.normalize_email(newcomer.email)}
    if newcomer.username is not None:
        names["username"] = identifiers.normalize_username(newcomer.username)
    for kind, name in names.items():
        if name in seen:
            return Problem(newcomer.line, f"the {kind} is the same as in line {seen[name]}")
    seen.update(dict.fromkeys(names.values(), newcomer.line))
    return newcomer


def _read_line(number: int, raw: bytes) -> Newcomer | Problem:
    if len(raw) > MAX_LINE_BYTES:
        return Problem(number, f"the line has more than {MAX_LINE_BYTES} bytes")
    try:
        line = _Line(decode_json_object(raw))
    except ValueError:
        return Problem(number, "this is not a JSON object")
    claims = line.take("claims", dict, validate_profile) or {}
    name = line.take("name", str, _name)
    roles: list[Any] | None = line.take("roles", list, _roles)
    newcomer = Newcomer(
        line=number,
        email=line.take("email", str, identifiers.clean_email) or "",
        username=line.take("username", str, identifiers.clean_username),
        organization=line.take("organization", str, _organization),
        claims={**claims, **({"name": name} if name else {})},
        roles=tuple(roles or ()),
        email_verified=bool(line.take("email_verified", bool, bool)),
        password_hash=line.take("password_hash", str, checked),
        totp_secret=line.take("totp_secret", str, _secret),
    )
    if not newcomer.email and line.members.get("email") is None:
        line.problems.append("email is missing")
    return Problem(number, "; ".join(line.problems)) if line.problems else newcomer


def _name(name: str) -> str:
    return str(validate_profile({"name": name}).get("name", ""))


def _organization(organization: str) -> str:
    return registration.checked_organization(organization) or ""


def _roles(roles: list[Any]) -> list[Any]:
    if len(roles) > MAX_ROLES or not all(isinstance(role, str) for role in roles):
        raise ValueError(f"must be at most {MAX_ROLES} texts")
    return [*registration.checked_roles(roles)]


def _secret(secret: str) -> str:
    plain = "".join(secret.split()).rstrip("=").upper()
    try:
        size = len(base64.b32decode(plain + "=" * (-len(plain) % 8)))
    except (binascii.Error, ValueError):
        raise ValueError("must be base32") from None
    if not MIN_SECRET_BYTES <= size <= MAX_SECRET_BYTES:
        raise ValueError(f"must have {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes")
    return plain


def store(db: Connection, newcomer: Newcomer, *, sealer: Sealer, context: Context, now: int) -> User | Problem:
    """Store a person, or say that the e-mail address or username is taken; then nothing is stored."""
    try:
        claim_limits.check_roles(db, newcomer.roles)
        user = registration.register(
            db,
            email=newcomer.email,
            username=newcomer.username,
            organization=newcomer.organization,
            claims=newcomer.claims,
            roles=newcomer.roles,
            email_verified=newcomer.email_verified,
            password_hash=newcomer.password_hash,
            context=context,
            now=now,
        )
    except ClaimTooLargeError as error:
        return Problem(newcomer.line, f"roles: {error}")
    except EmailTakenError:
        return Problem(newcomer.line, "somebody has this e-mail address already")
    except UsernameTakenError:
        return Problem(newcomer.line, "somebody has this username already")
    if newcomer.totp_secret is not None:
        _store_device(db, user, newcomer.totp_secret, sealer=sealer, context=context, now=now)
    return user


def _store_device(db: Connection, user: User, secret: str, *, sealer: Sealer, context: Context, now: int) -> None:
    device_id = opaque.new_identifier("totp_")
    totp_devices.insert_device(
        db,
        device_id,
        user_id=user.id,
        name=totp.DEFAULT_NAME,
        sealed_secret=sealer.seal(secret.encode("ascii"), context=f"totp:{device_id}"),
        last_step=0,
        now=now,
    )
    record(db, Event.TOTP_ENROLLED, context, now=now, user_id=user.id, device_id=device_id)
