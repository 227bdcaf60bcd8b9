"""Profiles: which metadata and policies belong together for one kind of application."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from clients.metadata import JWT_BEARER, TOKEN_EXCHANGE, InvalidClientMetadata

MAX_SAID = 200
PERSON_SCOPE = "openid profile email address phone offline_access"


@dataclass(frozen=True, slots=True)
class Profile:
    """Members that a kind of application needs (`fixed`), those it starts with (`defaults`), values it cannot have."""

    description: str
    fixed: Mapping[str, Any]
    defaults: Mapping[str, Any]
    refused: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lists that may hold only these."""
    unless: Mapping[str, str] = field(default_factory=dict)
    """Defaults that another member makes needless."""


_WITH_PEOPLE = {"grant_types": ["authorization_code", "refresh_token"], "scope": PERSON_SCOPE}

PROFILES: dict[str, Profile] = {
    "spa": Profile(
        "a single-page application: public, PKCE",
        {"token_endpoint_auth_method": "none", "application_type": "web", "require_pkce": True},
        _WITH_PEOPLE,
    ),
    "web": Profile(
        "a web application with a server: confidential, PKCE",
        {"application_type": "web"},
        {**_WITH_PEOPLE, "token_endpoint_auth_method": "client_secret_basic"},
        refused={"token_endpoint_auth_method": "none"},
    ),
    "native": Profile(
        "an installed application: public, PKCE, loopback or private-use redirect",
        {"token_endpoint_auth_method": "none", "application_type": "native", "require_pkce": True},
        _WITH_PEOPLE,
    ),
    "mcp": Profile(
        "a client of the Model Context Protocol: public, PKCE, tokens for one named resource",
        {
            "token_endpoint_auth_method": "none",
            "application_type": "native",
            "require_pkce": True,
            "security_profile": "mcp",
        },
        _WITH_PEOPLE,
    ),
    "fapi2": Profile(
        "a client of high-value APIs by FAPI 2.0: confidential, pushed requests, tokens bound to its key",
        {
            "application_type": "web",
            "require_pkce": True,
            "require_pushed_authorization_requests": True,
            "security_profile": "fapi2",
        },
        {
            **_WITH_PEOPLE,
            "token_endpoint_auth_method": "private_key_jwt",
            "dpop_bound_access_tokens": True,
        },
        refused={"token_endpoint_auth_method": "none"},
        unless={"dpop_bound_access_tokens": "tls_client_certificate_bound_access_tokens"},
    ),
    "service": Profile(
        "a backend service that acts for itself",
        {"response_types": []},
        {"grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_basic"},
        refused={"token_endpoint_auth_method": "none"},
        without=("redirect_uris", "post_logout_redirect_uris"),
        only={"grant_types": ("client_credentials", TOKEN_EXCHANGE, JWT_BEARER)},
    ),
}


def apply(name: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with a profile's members. Raises KeyError, and InvalidClientMetadata for a contradiction.

    A member given as null counts as left out (RFC 7591 section 2).
    """
    profile = PROFILES[name]
    given = {member: value for member, value in metadata.items() if value is not None}
    wanted = _contradiction(profile, given)
    if wanted is not None:
        member, wish = wanted
        said = json.dumps(given[member], ensure_ascii=False)
        if len(said) > MAX_SAID:
            said = f"{said[:MAX_SAID]}..."
        raise InvalidClientMetadata(
            f"{member} {said} contradicts the profile {name}, which wants {wish}: {profile.description}"
        )
    needed = {name: value for name, value in profile.defaults.items() if not given.get(profile.unless.get(name, ""))}
    return deepcopy({**needed, **given, **profile.fixed})


def _contradiction(profile: Profile, given: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return a member that contradicts a profile, and what the profile wants there."""
    for member, value in profile.fixed.items():
        if given.get(member, value) != value:
            return member, json.dumps(value)
    for member, value in profile.refused.items():
        if given.get(member) == value:
            return member, f"anything but {json.dumps(value)}"
    for member, permitted in profile.only.items():
        items = given.get(member)
        if items is not None and not (isinstance(items, list) and items and all(item in permitted for item in items)):
            return member, f"only {', '.join(permitted)}"
    return next(((member, "none of them") for member in profile.without if given.get(member)), None)
