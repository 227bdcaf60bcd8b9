"""Which claims there are, which scope asks for which, and which of them a client gets."""

from collections.abc import Iterable, Mapping
from typing import Any

from server.accounts.user import User

SCOPE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    # OpenID Connect Core section 5.4
    "profile": (
        "name",
        "family_name",
        "given_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
    # What extensions tell about a person (`person_claims`); RFC 9068 section 2.2.3.1 for roles
    "roles": ("roles",),
    "permissions": ("permissions",),
    "org": ("org",),
}
STANDARD_CLAIMS = (
    "sub",
    *SCOPE_CLAIMS["profile"],
    *SCOPE_CLAIMS["email"],
    *SCOPE_CLAIMS["address"],
    *SCOPE_CLAIMS["phone"],
)
"""The twenty claims of OpenID Connect Core section 5.1."""
_COLUMN_CLAIMS = frozenset({"sub", "email", "email_verified", "updated_at"})


def claims_of(user: User) -> dict[str, Any]:
    """Return every standard claim that the person has; one without a value is left out (section 5.3.2)."""
    stored = {name: user.claims[name] for name in STANDARD_CLAIMS if name in user.claims}
    claims = {name: value for name, value in stored.items() if name not in _COLUMN_CLAIMS and value not in (None, "")}
    if "preferred_username" not in claims and user.username is not None:
        claims["preferred_username"] = user.username
    if "phone_number" in claims:
        claims.setdefault("phone_number_verified", False)
    else:
        claims.pop("phone_number_verified", None)
    claims |= {
        "sub": user.id,
        "email": user.email,
        "email_verified": user.email_verified,
        "updated_at": user.updated_at,
    }
    return claims


def demanded_subjects(requested: Mapping[str, Any] | None) -> frozenset[str] | None:
    """Return whom a `claims` request allows the answer to be about (section 5.5.1); None: anybody."""
    demand = (requested or {}).get("sub")
    if not isinstance(demand, Mapping):
        return None
    wanted = [[demand["value"]]] if "value" in demand else []
    if isinstance(demand.get("values"), list):
        wanted.append(demand["values"])
    subjects = [frozenset(value for value in values if isinstance(value, str)) for values in wanted]
    return frozenset.intersection(*subjects) if subjects else None


def implied_scopes(requested: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Return the scopes that cover what the `claims` parameter asks for by name (section 5.5)."""
    names = {name for members in requested.values() for name in members}
    return frozenset(scope for scope, claims in SCOPE_CLAIMS.items() if names.intersection(claims))


def select(
    user_claims: Mapping[str, Any], scopes: Iterable[str], requested: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return `sub` and the claims that the scopes and the `claims` request ask for and the person has.

    `requested` is one member of the `claims` parameter (`userinfo` or `id_token`, section 5.5). Claims that nobody
    knows, and the values that are wished for, are ignored: a demanded `sub` was met before anything was issued.
    """
    names = {"sub"}.union(*(SCOPE_CLAIMS.get(scope, ()) for scope in scopes))
    names.update(requested or {})
    return {name: value for name, value in user_claims.items() if name in names}
