"""Roles, and the permissions behind them: what an application lets people do is told by names that it gives meaning.

A role may be any name. Defining one gives it a description and permissions; `admin` and the default role need no
definition to exist.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from server.accounts import claim_limits, registration
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import roles as rows

ADMIN = "admin"
MAX_DESCRIPTION_CHARACTERS = 500
MAX_PERMISSION_CHARACTERS = 128
_PERMISSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(:[A-Za-z0-9][A-Za-z0-9._-]*)+", re.ASCII)


class RoleExistsError(Exception):
    """The role is defined already."""


class UnknownRoleError(LookupError):
    """Nobody defined the role."""


class RoleInUseError(Exception):
    """People have the role."""

    def __init__(self, people: int) -> None:
        super().__init__(f"{people} people have the role")
        self.people = people


class PermanentRoleError(Exception):
    """The role always exists."""


class InvalidPermissionError(ValueError):
    """The text cannot be a permission; the message says why."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role with what is behind it."""

    name: str
    description: str
    permissions: tuple[str, ...]
    people: int
    """How many have it."""
    is_defined: bool
    """Whether an operator defined it; otherwise it exists because it always does, or because somebody has it."""


def primary(names: Sequence[str], default_role: str) -> str | None:
    """Return the one role for applications that know only one; None for somebody who has none.

    That is `admin`, else the first by name that says more than the default role, else the default role.
    """
    if ADMIN in names:
        return ADMIN
    return min((name for name in names if name != default_role), default=default_role if names else None)


def always_there(default_role: str) -> frozenset[str]:
    """Return the roles that exist without a definition; an empty default role is none."""
    return frozenset({ADMIN, default_role} - {""})


def permissions_of(db: Connection, user: User) -> list[str]:
    """Return the permissions behind all roles of a person, each once, in order."""
    return sorted(rows.permissions_of_person(db, user.id))


def checked_permissions(permissions: Iterable[str]) -> tuple[str, ...]:
    """Return the permissions, each once, in order. Raises InvalidPermissionError."""
    found = tuple(sorted(set(permissions)))
    for permission in found:
        if len(permission) > MAX_PERMISSION_CHARACTERS or not _PERMISSION.fullmatch(permission):
            raise InvalidPermissionError(
                f"{permission!r} cannot be a permission: words such as read:posts, of letters, digits and . _ - with "
                f"colons between them, up to {MAX_PERMISSION_CHARACTERS} characters"
            )
    return found


def list_all(db: Connection, default_role: str) -> list[Role]:
    """Return all roles by name: the defined ones, those that are always there, and those that somebody has."""
    defined, permissions, holders = rows.list_roles(db), rows.list_permissions(db), rows.count_holders(db)
    return [
        Role(
            name,
            defined.get(name, ""),
            tuple(sorted(permissions.get(name, ()))),
            holders.get(name, 0),
            is_defined=name in defined,
        )
        for name in sorted({*defined, *holders, *always_there(default_role)})
    ]


def find(db: Connection, name: str, default_role: str) -> Role:
    """Return one role. Raises UnknownRoleError."""
    for role in list_all(db, default_role):
        if role.name == name:
            return role
    raise UnknownRoleError(name)


def create(
    db: Connection, name: str, *, description: str, permissions: Iterable[str], context: Context, now: int
) -> None:
    """Define a role.

    Raises InvalidRoleError, InvalidPermissionError, ClaimTooLargeError, RoleExistsError, and ValueError for a
    description that is too long or not printable.
    """
    (checked,) = registration.checked_roles([name])
    words = description.strip()
    if len(words) > MAX_DESCRIPTION_CHARACTERS or not words.isprintable():
        raise ValueError(f"a description has at most {MAX_DESCRIPTION_CHARACTERS} printable characters on one line")
    granted = checked_permissions(permissions)
    if not rows.insert_role(db, checked, words, now=now):
        raise RoleExistsError(checked)
    rows.grant(db, checked, granted)
    claim_limits.check_permissions(db, checked)
    record(db, Event.ROLE_CREATED, context, now=now, role=checked, permissions=list(granted))


def grant(
    db: Connection, name: str, permissions: Iterable[str], *, default_role: str, context: Context, now: int
) -> list[str]:
    """Put permissions behind a role and return those that it did not have.

    Raises InvalidPermissionError, ClaimTooLargeError, UnknownRoleError.
    """
    wanted = checked_permissions(permissions)
    if name in always_there(default_role):
        rows.insert_role(db, name, "", now=now)
    _lock(db, name)
    added = rows.grant(db, name, wanted)
    claim_limits.check_permissions(db, name)
    if added:
        record(db, Event.ROLE_PERMISSIONS_CHANGED, context, now=now, role=name, granted=added, withdrawn=[])
    return added


def withdraw(db: Connection, name: str, permissions: Iterable[str], *, context: Context, now: int) -> list[str]:
    """Take permissions from a role and return those that it had. Raises UnknownRoleError."""
    _lock(db, name)
    removed = rows.withdraw(db, name, sorted(set(permissions)))
    if removed:
        record(db, Event.ROLE_PERMISSIONS_CHANGED, context, now=now, role=name, granted=[], withdrawn=removed)
    return removed


def delete(
    db: Connection, name: str, *, permanent: Collection[str], is_taken_away: bool, context: Context, now: int
) -> int:
    """Delete a role and return how many people had it: whoever defines the name anew gives it to nobody.

    Raises UnknownRoleError, PermanentRoleError, and RoleInUseError unless `is_taken_away`.
    """
    if name in permanent:
        raise PermanentRoleError(name)
    is_defined, people = rows.lock(db, name), rows.count_holders(db).get(name, 0)
    if people and not is_taken_away:
        raise RoleInUseError(people)
    taken = rows.delete_role(db, name)
    if not is_defined and not taken:
        raise UnknownRoleError(name)
    record(db, Event.ROLE_DELETED, context, now=now, role=name, people=people)
    return people


def _lock(db: Connection, name: str) -> None:
    if not rows.lock(db, name):
        raise UnknownRoleError(name)
