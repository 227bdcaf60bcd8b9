"""How the JSON API shows a person: the `user` object."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection

from server.accounts import second_factor
from server.accounts.roles import primary
from server.accounts.user import User
from server.settings import Settings

_TEXT_OR_NULL = {"type": ["string", "null"]}
_FLAG_OR_NULL = {"type": ["boolean", "null"]}
_SHOWN_BY = {"email": "email", "email_verified": "email", "organization": "org", "mfa_enabled": None}
"""What is shown only to tokens with the scope `account`, or with the scope that is named here."""
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
        "email": {**_TEXT_OR_NULL, "description": "Null for a token with neither `account` nor `email`."},
        "username": _TEXT_OR_NULL,
        "name": _TEXT_OR_NULL,
        "organization": {**_TEXT_OR_NULL, "description": "Null for a token with neither `account` nor `org`."},
        "role": {
            **_TEXT_OR_NULL,
            "description": "Of `roles`: `admin`, else the first by name that is not the default role, else that.",
        },
        "roles": {"type": "array", "items": {"type": "string"}},
        "mfa_enabled": {
            **_FLAG_OR_NULL,
            "description": "Whether the person has a second factor; null without `account`.",
        },
        "email_verified": {**_FLAG_OR_NULL, "description": "Null where `email` is."},
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


def describe(db: Connection, settings: Settings, user: User) -> dict[str, Any]:
    """Return the `user` object."""
    return {
        "id": user.id,
        "email": user.email,
        "username": user.username,
        "name": user.name,
        "organization": user.organization,
        "role": primary(list(user.roles), settings.default_role),
        "roles": list(user.roles),
        "mfa_enabled": second_factor.factors_of(db, settings, user).has_any,
        "email_verified": user.email_verified,
    }


def describe_to(db: Connection, settings: Settings, user: User, scopes: Collection[str]) -> dict[str, Any]:
    """Return the `user` object as a token of another application may see it: what its scopes do not cover is null."""
    described = describe(db, settings, user)
    if "roles" not in scopes:
        described |= {"role": primary([], settings.default_role), "roles": []}
    return described | {name: None for name, scope in _SHOWN_BY.items() if scope not in scopes}
