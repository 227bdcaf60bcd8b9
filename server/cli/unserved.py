"""What clients are registered for that this server's settings have switched off.

The order of registration and configuration is free, so that nothing is refused for it; but the client cannot work.
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clients.authentication import PKI_TLS_METHOD, SELF_SIGNED_TLS_METHOD
from server.extensions import mutual_tls
from server.settings import Settings

METHOD_MENDS = {
    PKI_TLS_METHOD: "set OSTIARY_TLS_CLIENT_CA, or OSTIARY_CLIENT_CERTIFICATE_VERIFIED_HEADER behind a proxy",
    SELF_SIGNED_TLS_METHOD: "set OSTIARY_CLIENT_CERTIFICATE_HEADER behind a proxy",
}
BINDING_MEND = "set OSTIARY_TLS_CLIENT_CA, or OSTIARY_CLIENT_CERTIFICATE_HEADER behind a proxy"


@dataclass(frozen=True, slots=True)
class Unserved:
    """What does not work, the section that it comes from, and the settings that mend it."""

    section: str
    problem: str
    mend: str


def unserved_of(metadata: Mapping[str, Any], settings: Settings) -> Iterator[Unserved]:
    """Find what a client's metadata asks for in vain."""
    method = metadata.get("token_endpoint_auth_method")
    if method in METHOD_MENDS and method not in mutual_tls.served_methods(settings):
        problem = f"this server is not configured for {method}, so the client cannot prove who it is"
        yield Unserved("RFC 8705 section 2", problem, METHOD_MENDS[method])
    elif metadata.get("tls_client_certificate_bound_access_tokens") and not mutual_tls.is_enabled(settings):
        problem = "this server sees no certificates of clients, so the client's tokens are bound to none"
        yield Unserved("RFC 8705 section 3", problem, BINDING_MEND)
    missing = [name for name in metadata.get("response_types", ()) if name not in settings.response_types]
    if missing:
        problem = f"response_types are switched off here: {', '.join(missing)}"
        mend = f"set OSTIARY_RESPONSE_TYPES={shlex.quote(', '.join((*settings.response_types, *missing)))}"
        yield Unserved("RFC 7591 section 2", problem, mend)


def warnings_of(metadata: Mapping[str, Any], settings: Settings) -> list[str]:
    """Return what to tell whoever just registered this client."""
    return [f"{one.problem}: {one.mend}" for one in unserved_of(metadata, settings)]
