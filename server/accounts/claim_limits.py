"""How much the claims about what somebody may do can take in a token: what would be more is refused when it is given.

Tokens travel in a header, and proxies commonly take 8 KB of it. A token with all three claims at their limits fits.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from server.storage import roles as rows

MAX_ROLES_CHARACTERS = 800
MAX_PERMISSIONS_CHARACTERS = 2400
MAX_ORGANIZATIONS_CHARACTERS = 1600
"""Characters of a claim's JSON, with its quotes and commas."""


class ClaimTooLargeError(ValueError):
    """Somebody would have more than fits into a token; the message says what to do."""


def check_roles(db: Connection, names: Iterable[str]) -> None:
    """Check that the roles, and the permissions behind all of them, fit. Raises ClaimTooLargeError."""
    listed = sorted(set(names))
    if _characters(listed) > MAX_ROLES_CHARACTERS:
        raise ClaimTooLargeError(
            f"these {len(listed)} roles do not fit into a token ({MAX_ROLES_CHARACTERS} characters): give fewer"
        )
    permissions = rows.permissions_of_roles(db, listed)
    if _characters(permissions) > MAX_PERMISSIONS_CHARACTERS:
        raise ClaimTooLargeError(
            f"the {len(permissions)} permissions behind these roles do not fit into a token "
            f"({MAX_PERMISSIONS_CHARACTERS} characters): give fewer roles"
        )


def check_permissions(db: Connection, role: str) -> None:
    """Check that the permissions of a role fit, and those of each person who has it. Raises ClaimTooLargeError."""
    if _characters(rows.permissions_of(db, role)) > MAX_PERMISSIONS_CHARACTERS:
        raise ClaimTooLargeError(
            f"the permissions of {role} would not fit into a token ({MAX_PERMISSIONS_CHARACTERS} characters, with "
            "quotes and commas): grant fewer, each for more"
        )
    if rows.longest_permissions(db, role) + len("[]") - len(",") > MAX_PERMISSIONS_CHARACTERS:
        raise ClaimTooLargeError(
            f"somebody who has {role} and other roles would have more permissions than fit into a token "
            f"({MAX_PERMISSIONS_CHARACTERS} characters): grant fewer"
        )


def check_organizations(memberships: Iterable[Mapping[str, Any]]) -> None:
    """Check that a person's `org` claim fits. Raises ClaimTooLargeError."""
    listed = [dict(membership) for membership in memberships]
    if _characters(listed) > MAX_ORGANIZATIONS_CHARACTERS:
        raise ClaimTooLargeError(
            f"{len(listed)} organizations of one person do not fit into a token "
            f"({MAX_ORGANIZATIONS_CHARACTERS} characters): remove them from another one first"
        )


def _characters(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":")))
