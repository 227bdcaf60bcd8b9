"""Where clients learn which authorization server to ask: RFC 9728 section 5.1, in challenges of our own resources."""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders

from server.settings import Settings

WELL_KNOWN = "/.well-known/oauth-protected-resource"
REALM = 'realm="ostiary"'
"""What every challenge of ours begins with, whatever its scheme."""


def path_of(settings: Settings) -> str:
    """Return the path of the metadata: the resource's own path comes behind the well-known name (section 3.1)."""
    return WELL_KNOWN + urlsplit(settings.issuer).path.rstrip("/")


def add_to_challenge(headers: MutableHeaders, settings: Settings) -> None:
    """Name the metadata in each challenge of these headers."""
    challenge = headers.get("www-authenticate")
    if challenge is not None:
        named = f'{REALM}, resource_metadata="{settings.origin}{path_of(settings)}"'
        headers["www-authenticate"] = challenge.replace(REALM, named)
