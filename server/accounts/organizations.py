"""Organizations, and who belongs to them in which role.

Only an operator makes somebody a member. What people type as their organization (`User.organization`) is a text about
them and gives them nothing.
"""

from typing import Any

from sqlalchemy import Connection

from server.accounts import claim_limits, registration
from server.accounts.identifiers import fold, is_storable
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import organizations as rows
from server.storage import users
from server.storage.rows import Row
from server.tokens import opaque

ID_PREFIX = "org_"
MAX_NAME_CHARACTERS = 255


class InvalidOrganizationError(ValueError):
    """The text cannot be the name of an organization; the message says why."""


class OrganizationExistsError(Exception):
    """There is an organization of this name."""


class UnknownOrganizationError(LookupError):
    """There is no such organization."""


class OrganizationInUseError(Exception):
    """People belong to the organization."""

    def __init__(self, people: int) -> None:
        super().__init__(f"{people} people belong to the organization")
        self.people = people


def claim_of(db: Connection, user: User) -> list[dict[str, Any]]:
    """Return the `org` claim: id, name and role of each membership, the oldest first."""
    return _claim(rows.memberships_of(db, user.id))


def find(db: Connection, identifier: str) -> Row:
    """Return the organization with this id or name, in any spelling. Raises UnknownOrganizationError."""
    found = None
    if is_storable(identifier):
        found = rows.find_by_id(db, identifier) or rows.find_by_name(db, fold(identifier.strip()))
    if found is None:
        raise UnknownOrganizationError(identifier)
    return found


def create(db: Connection, name: str, *, context: Context, now: int) -> Row:
    """Make an organization and return it. Raises InvalidOrganizationError, OrganizationExistsError."""
    trimmed = name.strip()
    folded = fold(trimmed)
    if not trimmed.isprintable() or not 0 < len(trimmed) <= MAX_NAME_CHARACTERS or len(folded) > MAX_NAME_CHARACTERS:
        raise InvalidOrganizationError(f"an organization's name has 1 to {MAX_NAME_CHARACTERS} visible characters")
    if folded.startswith(ID_PREFIX):
        # operators name organizations by name or id: no name may pass for an id
        raise InvalidOrganizationError(f"an organization's name cannot start with {ID_PREFIX}")
    organization_id = opaque.new_identifier(ID_PREFIX)
    if not rows.insert_organization(db, organization_id, trimmed, folded, now=now):
        raise OrganizationExistsError(trimmed)
    record(db, Event.ORGANIZATION_CREATED, context, now=now, organization=organization_id, name=trimmed)
    return find(db, organization_id)


def delete(db: Connection, identifier: str, *, ends_memberships: bool, context: Context, now: int) -> int:
    """Delete an organization and return how many people belonged to it.

    Raises UnknownOrganizationError, and OrganizationInUseError unless `ends_memberships`.
    """
    organization_id = find(db, identifier)["id"]
    if not rows.lock(db, organization_id):
        raise UnknownOrganizationError(identifier)  # somebody else has just deleted it
    people = rows.count_members(db, [organization_id]).get(organization_id, 0)
    if people and not ends_memberships:
        raise OrganizationInUseError(people)
    rows.delete_organization(db, organization_id)
    record(db, Event.ORGANIZATION_DELETED, context, now=now, organization=organization_id, people=people)
    return people


def put_member(db: Connection, identifier: str, user: User, role: str, *, context: Context, now: int) -> bool:
    """Let a person belong to an organization in a role, and say whether this changed anything.

    Raises UnknownOrganizationError, InvalidRoleError, ClaimTooLargeError.
    """
    (checked,) = registration.checked_roles([role])
    organization_id = find(db, identifier)["id"]
    if not rows.hold(db, organization_id):
        raise UnknownOrganizationError(identifier)
    users.lock(db, user.id)  # two of these at once could together be more than fits
    before = rows.role_of(db, organization_id, user.id)
    if before == checked:
        return False
    rows.put_member(db, organization_id, user.id, checked, now=now)
    claim_limits.check_organizations(claim_of(db, user))
    details = {"organization": organization_id, "role": checked, "former_role": before}
    record(db, Event.MEMBERSHIP_CHANGED, context, now=now, user_id=user.id, **details)
    return True


def remove_member(db: Connection, identifier: str, user: User, *, context: Context, now: int) -> bool:
    """End a membership, and say whether there was one. Raises UnknownOrganizationError."""
    organization_id = find(db, identifier)["id"]
    if not rows.remove_member(db, organization_id, user.id):
        return False
    record(db, Event.MEMBERSHIP_ENDED, context, now=now, user_id=user.id, organization=organization_id)
    return True


def _claim(memberships: list[Row]) -> list[dict[str, Any]]:
    return [{name: membership[name] for name in ("id", "name", "role")} for membership in memberships]
