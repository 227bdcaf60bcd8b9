"""How the JSON API shows a person: the `user` object."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from server.accounts import second_factor
from server.accounts.roles import primary
from server.accounts.user import User
from server.settings import Settings

_TEXT_OR_NULL = {"type": ["string", "null"]}
USER_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": [
        "id",
        "email",
        "username",
        "name",
        "organization",
        "role",
        "roles",
        "mfa_enabled",
        "email_verified",
    ],
    "properties": {
        "id": {"type": "string", "description": "Never changes; the `sub` of tokens."},
        "email": {"type": "string"},
        "username": _TEXT_OR_NULL,
        "name": _TEXT_OR_NULL,
        "organization": _TEXT_OR_NULL,
        "role": {
            **_TEXT_OR_NULL,
            "description": "Of `roles`: `admin`, else the first by name that is not the default role, else that.",
        },
        "roles": {"type": "array", "items": {"type": "string"}},
        "mfa_enabled": {"type": "boolean", "description": "Whether the person has a second factor."},
        "email_verified": {"type": "boolean"},
    },
}
USER_EXAMPLE: Mapping[str, Any] = {
    "id": "usr_4nq2hv7mzk3wd6xj5rb2ytcaue",
    "email": "ada@example.com",
    "username": "ada",
    "name": "Ada Lovelace",
    "organization": "Analytical Engines",
    "role": "user",
    "roles": ["user"],
    "mfa_enabled": False,
    "email_verified": True,
}


def describe(db: Connection, settings: Settings, user: User, *, with_roles: bool = True) -> dict[str, Any]:
    """Return the `user` object. `with_roles` is whether the token may see roles."""
    roles = list(user.roles) if with_roles else []
    return {
        "id": user.id,
        "email": user.email,
        "username": user.username,
        "name": user.name,
        "organization": user.organization,
        "role": primary(roles, settings.default_role),
        "roles": roles,
        "mfa_enabled": second_factor.factors_of(db, settings, user).has_any,
        "email_verified": user.email_verified,
    }
