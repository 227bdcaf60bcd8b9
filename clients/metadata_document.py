"""Client ID metadata documents: draft-ietf-oauth-client-id-metadata-document-00. The client_id is a URL that says who.

Nobody registers such a client. What the document may say is what a client may register by itself, and less: it holds
no shared secret, and only the code flow.
"""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from clients.metadata import InvalidClientMetadata
from clients.redirect_uris import LOOPBACK_HOSTS
from clients.self_registration import DEFAULT_SCOPE, validate_own

MAX_BYTES = 5_120
"""Section 6.6: five kilobytes are enough."""
GRANT_TYPES = ("authorization_code", "refresh_token")
_SECRETS = ("client_secret", "client_secret_expires_at")
_MAX_SCOPES = 50


def is_document_url(client_id: str, *, allow_loopback: bool = False) -> bool:
    """Whether a client_id is the URL of a document (section 3). `allow_loopback` is for development."""
    try:
        parts = urlsplit(client_id)
        is_port_fine = parts.port != 0
    except ValueError:
        return False
    is_https = parts.scheme == "https" or (
        allow_loopback and parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    )
    has_nobody = parts.username is None and parts.password is None
    segments = parts.path.lower().replace("%2e", ".").split("/")
    is_plain = "#" not in client_id and "\\" not in client_id and not {".", ".."} & set(segments)
    return bool(is_https and parts.hostname and parts.path and has_nobody and is_plain and is_port_fine)


def read(
    client_id: str,
    document: Mapping[str, Any],
    *,
    operators: Mapping[str, Any],
    scopes_known: Collection[str],
    scopes_defined: Collection[str] = (),
) -> dict[str, Any]:
    """Return the valid metadata of a document. Raises InvalidClientMetadata.

    `scopes_defined` are those of `scopes_known` that operators defined for their resource servers. Grants and scopes
    that are not served here are left out rather than refused: the document is written for everybody.
    """
    if document.get("client_id") != client_id:
        # Section 4.1: simple string comparison, or whoever can serve a file could speak for another
        raise InvalidClientMetadata("client_id is not the URL of the document")
    method = document.get("token_endpoint_auth_method", "none")
    if any(name in document for name in _SECRETS) or not isinstance(method, str) or method.startswith("client_secret"):
        # Section 4.1: a document that everybody can read holds no secret
        raise InvalidClientMetadata("a document must not rest on a shared secret")
    own = {
        **document,
        "token_endpoint_auth_method": method,
        "grant_types": _known(document.get("grant_types"), GRANT_TYPES),
        "response_types": ["code"],
        "scope": _scope(document.get("scope"), scopes_known, scopes_defined),
    }
    return validate_own(own, operators=operators, scopes_known=scopes_known)


def _known(given: object, known: tuple[str, ...]) -> list[str]:
    if given is None:
        return [known[0]]
    return [name for name in known if isinstance(given, list) and name in given]


def _scope(given: object, known: Collection[str], defined: Collection[str]) -> str:
    if given is None:
        # Documents seldom name the scopes of a resource server, which are for requests to name and for people to
        # decide. What this server has of its own, such as roles, is for clients that say that they want it.
        first = [name for name in DEFAULT_SCOPE.split() if name in known]
        names = [*first, *sorted(set(defined) - set(first))]
    else:
        names = [name for name in str(given).split(" ") if name in known]
    return " ".join(names[:_MAX_SCOPES])
