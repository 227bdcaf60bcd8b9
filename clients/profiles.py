"""Profiles: which metadata and policies belong together for one kind of application."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clients.metadata import InvalidClientMetadata

PERSON_SCOPE = "openid profile email address phone offline_access"


@dataclass(frozen=True, slots=True)
class Profile:
    """Members that a kind of application needs (`fixed`), and those it starts with (`defaults`)."""

    description: str
    fixed: Mapping[str, Any]
    defaults: Mapping[str, Any]


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
    ),
    "native": Profile(
        "an installed application: public, PKCE, loopback or private-use redirect",
        {"token_endpoint_auth_method": "none", "application_type": "native", "require_pkce": True},
        _WITH_PEOPLE,
    ),
    "service": Profile(
        "a backend service that acts for itself",
        {"grant_types": ["client_credentials"], "response_types": []},
        {"token_endpoint_auth_method": "client_secret_basic"},
    ),
}


def apply(name: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with a profile's members. Raises KeyError, and InvalidClientMetadata for a contradiction."""
    profile = PROFILES[name]
    for member, value in profile.fixed.items():
        if member in metadata and metadata[member] != value:
            raise InvalidClientMetadata(f"{member} contradicts the profile {name}, which is {profile.description}")
    return {**profile.defaults, **metadata, **profile.fixed}
