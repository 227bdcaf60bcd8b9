"""New accounts, and changes of what is known about a person."""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypedDict, Unpack

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from server.accounts import claim_limits, identifiers
from server.accounts.identifiers import InvalidIdentifierError
from server.accounts.profile import validate_profile
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.languages import Message as _
from server.setting_checks import ROLE
from server.storage import users
from server.tokens import opaque

MAX_ORGANIZATION_LENGTH = 255


class EmailTakenError(Exception):
    """Somebody has this e-mail address."""


class UsernameTakenError(Exception):
    """Somebody has this username."""


class Changes(TypedDict, total=False):
    """What `update` can change; what is left out stays. `claims` replaces all stored claims."""

    email: str
    email_verified: bool
    username: str | None
    organization: str | None
    claims: Mapping[str, Any]


class InvalidRoleError(ValueError):
    """The text cannot be the name of a role; the message says why."""


def register(  # noqa: PLR0913  one argument a column
    db: Connection,
    *,
    email: str,
    password_hash: str | None,
    context: Context,
    now: int,
    name: str | None = None,
    username: str | None = None,
    organization: str | None = None,
    roles: Iterable[str] = (),
    claims: Mapping[str, Any] | None = None,
    email_verified: bool = False,
) -> User:
    """Store a new person.

    Raises EmailTakenError, UsernameTakenError, InvalidIdentifierError, InvalidProfileError, InvalidRoleError. The
    password is checked by its policy and hashed before; None is an account whose password is yet to be set.
    """
    profile = validate_profile({**(claims or {}), **({"name": name} if name else {})})
    roles = checked_roles(roles)
    user_id = opaque.new_identifier(identifiers.USER_ID_PREFIX)
    row = {
        "id": user_id,
        **_email_columns(email),
        **_username_columns(username or None),
        "email_verified": email_verified,
        "organization": checked_organization(organization),
        "password_hash": password_hash,
        "password_changed_at": None if password_hash is None else now,
        "claims": profile,
        "mfa_postponed_at": None,
        "created_at": now,
        "updated_at": now,
    }
    if not users.insert_user(db, row):
        _raise_taken(db, row)
    if roles:
        users.replace_roles(db, user_id, roles)
    record(db, Event.USER_CREATED, context, now=now, user_id=user_id, roles=list(roles))
    return _get(db, user_id)


def update(db: Connection, user: User, *, context: Context, now: int, **changes: Unpack[Changes]) -> User:
    """Change what is known about a person and return them as they are now. Raises as `register` does.

    Another e-mail address is not verified, unless the call says so.
    """
    columns: dict[str, Any] = {}
    if "email" in changes:
        columns |= _email_columns(changes["email"])
        if columns["email_normalized"] != identifiers.normalize_email(user.email):
            columns["email_verified"] = False
    if "email_verified" in changes:
        columns["email_verified"] = changes["email_verified"]
    if "username" in changes:
        columns |= _username_columns(changes["username"] or None)
    if "organization" in changes:
        columns["organization"] = checked_organization(changes["organization"])
    if "claims" in changes:
        columns["claims"] = validate_profile(changes["claims"])
    try:
        with db.begin_nested():
            users.update_fields(db, user.id, columns, now=now)
    except IntegrityError:
        _raise_taken(db, {"id": user.id, **columns})
    record(db, Event.USER_UPDATED, context, now=now, user_id=user.id, fields=sorted(changes))
    return _get(db, user.id)


def set_roles(db: Connection, user: User, roles: Iterable[str], *, context: Context, now: int) -> User:
    """Give a person exactly these roles. Raises InvalidRoleError, ClaimTooLargeError."""
    checked = checked_roles(roles)
    claim_limits.check_roles(db, checked)
    users.replace_roles(db, user.id, checked)
    users.update_fields(db, user.id, {}, now=now)
    record(db, Event.USER_UPDATED, context, now=now, user_id=user.id, fields=["roles"], roles=list(checked))
    return _get(db, user.id)


def checked_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """Return the roles, each once, in order of their names. Raises InvalidRoleError."""
    found = tuple(sorted(set(roles)))
    for role in found:
        if not ROLE.fullmatch(role):
            raise InvalidRoleError(f"{role!r} cannot be a role: up to 64 letters, digits and : . _ -")
    return found


def _email_columns(email: str) -> dict[str, str]:
    return {"email": identifiers.clean_email(email), "email_normalized": identifiers.normalize_email(email)}


def _username_columns(username: str | None) -> dict[str, str | None]:
    if username is None:
        return {"username": None, "username_normalized": None}
    return {
        "username": identifiers.clean_username(username),
        "username_normalized": identifiers.normalize_username(username),
    }


def checked_organization(organization: str | None) -> str | None:
    """Return the text as it is stored. Raises InvalidIdentifierError."""
    trimmed = (organization or "").strip()
    if len(trimmed) > MAX_ORGANIZATION_LENGTH or not trimmed.isprintable():
        raise InvalidIdentifierError(
            _.plural(
                "An organization has at most %(n)s visible character.",
                "An organization has at most %(n)s visible characters.",
                n=MAX_ORGANIZATION_LENGTH,
            )
        )
    return trimmed or None


def _raise_taken(db: Connection, row: Mapping[str, Any]) -> NoReturn:
    holder = users.find_by_email(db, row["email_normalized"]) if "email_normalized" in row else None
    if holder is not None and holder.id != row.get("id"):
        raise EmailTakenError("this e-mail address is taken")
    raise UsernameTakenError("this username is taken")


def _get(db: Connection, user_id: str) -> User:
    user = users.find_by_id(db, user_id)
    if user is None:
        raise LookupError(f"there is no user {user_id}")
    return user
