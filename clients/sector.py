"""Sectors, within which clients know a person by the same pairwise identifier: OpenID Connect Core section 8.1."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

PAIRWISE = "pairwise"
SUBJECT_TYPES = ("public", PAIRWISE)
NEEDED = "subject_type pairwise needs a sector_identifier_uri here:"
PROVES_KEYS = frozenset({"private_key_jwt", "self_signed_tls_client_auth"})
WITHOUT_BROWSER = frozenset(
    {"urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:device_code"},
)
"""The grants in which tokens go to whoever asked for them, not to a redirect URI: it says nothing about the client."""
SHOWS_THE_ID = "account"
"""The scope of the account API, which is about one account by its id."""


def sector_of(client_id: str, metadata: Mapping[str, Any]) -> str | None:
    """Return the host that names a client's sector, None for a client that has the public identifiers.

    Metadata from before a rule below may name no host that counts: such a client is a sector of its own.
    """
    if metadata.get("subject_type") != PAIRWISE:
        return None
    if metadata.get("sector_identifier_uri"):
        return urlsplit(str(metadata["sector_identifier_uri"])).hostname
    uris = (*metadata.get("redirect_uris", ()), metadata.get("jwks_uri"))
    return next((host_of(uri) for uri in uris if uri), "") or f"client:{client_id}"


def problem_of_sector(metadata: Mapping[str, Any]) -> str | None:
    """Return why there can be no pairwise identifiers for a client with this metadata, None where there can."""
    if metadata.get("subject_type") != PAIRWISE:
        return None
    if SHOWS_THE_ID in str(metadata.get("scope", "")).split():
        return f"the scope {SHOWS_THE_ID} shows the person's public id, which subject_type pairwise hides"
    if metadata.get("sector_identifier_uri"):
        return None
    redirect_uris = metadata.get("redirect_uris") or ()
    if not redirect_uris:
        return _problem_without_redirect_uris(metadata)
    return _problem_of_hosts({host_of(uri) for uri in redirect_uris}, "redirect_uris")


def problem_of_own_sector(metadata: Mapping[str, Any]) -> str | None:
    """Return why a client that nobody vouches for does not prove its sector, None where it does.

    OpenID Connect CIBA Core section 4, and the same for devices: a redirect URI where nothing ever arrives could be
    that of another client, so the host of `jwks_uri` counts, or the document that lists it.
    """
    is_asked = metadata.get("subject_type") == PAIRWISE and WITHOUT_BROWSER & set(metadata.get("grant_types", ()))
    if not is_asked:
        return None
    if not proves_keys(metadata):
        return "subject_type pairwise with a grant without redirects needs a jwks_uri with whose keys it authenticates"
    if metadata.get("sector_identifier_uri"):
        return None  # the document must list all of them
    uris = (*(metadata.get("redirect_uris") or ()), metadata["jwks_uri"])
    return _problem_of_hosts({host_of(uri) for uri in uris}, "redirect_uris and the jwks_uri")


def proves_keys(metadata: Mapping[str, Any]) -> bool:
    """Whether a client authenticates with the keys at its `jwks_uri`, so that the address is its own."""
    return bool(metadata.get("jwks_uri")) and metadata.get("token_endpoint_auth_method") in PROVES_KEYS


def _problem_of_hosts(hosts: set[str], where: str) -> str | None:
    if len(hosts) > 1:
        return f"{NEEDED} the {where} have several hosts (OpenID Connect Core section 8.1)"
    return f"{NEEDED} the {where} name no host of the client's own" if "" in hosts else None


def _problem_without_redirect_uris(metadata: Mapping[str, Any]) -> str | None:
    # OpenID Connect CIBA Core section 4: the host of jwks_uri. Who does not prove to have these keys could name the
    # host of another client, and would be in its sector.
    if not proves_keys(metadata):
        return f"{NEEDED} there are no redirect_uris, and no jwks_uri with whose keys the client authenticates"
    return _problem_of_hosts({host_of(metadata["jwks_uri"])}, "jwks_uri")


def host_of(uri: str) -> str:
    """Return the host of a web address in small letters, "" where it says nothing about who a client is.

    What stands there in a private-use scheme (RFC 8252 section 7.1) is whatever somebody wrote, and every client on a
    person's own machine has the same loopback addresses.
    """
    parts = urlsplit(uri)
    host = parts.hostname or ""
    return host if parts.scheme in ("http", "https") and not _is_loopback(host.removesuffix(".")) else ""


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True  # RFC 6761 section 6.3
    try:
        address = ip_address(host)
    except ValueError:
        # Browsers take 127.1 and 0x7f000001 for addresses, as they take every host whose last part begins like that.
        return host.rpartition(".")[2][:1].isdigit()
    return address.is_loopback or address.is_unspecified
