"""What a fetched document must be called: a page or an upload of somebody else's at the same host is none (C076)."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Media:
    """What is asked for, and which Content-Type of the answer is taken for it."""

    accept: str
    is_fine: Callable[[str], bool]


def _is_json(name: str) -> bool:
    return name == "application/json" or (name.startswith("application/") and name.endswith("+json"))


def _is_request_object(name: str) -> bool:
    """Tell names under which clients serve request objects; the signature decides what they are.

    RFC 9101 section 5.2.3 shows the first, mod_auth_openidc writes the second, and OpenID Connect Core section 6.2
    names none, so that a file on a web server is one as well. What is made for browsers or holds JSON is none.
    """
    return name in _REQUEST_OBJECTS or (name.startswith("application/") and name.endswith("+jwt"))


_REQUEST_OBJECTS = frozenset(
    {
        "application/oauth-authz-req+jwt",
        "application/jwt",
        "application/jose",
        "application/octet-stream",
        "text/plain",
        "",  # RFC 9110 section 8.3: the same as application/octet-stream
    }
)

JSON = Media("application/json", _is_json)
KEY_SET = Media("application/jwk-set+json, application/json", _is_json)
REQUEST_OBJECT = Media("application/oauth-authz-req+jwt, application/jwt", _is_request_object)
IMAGE = Media("image/png, image/jpeg, image/webp, image/gif", lambda _name: True)
"""Its first bytes decide, and are served under the name that they have."""


def media_type_of(content_type: str) -> str:
    """Return the media type without its parameters, in small letters."""
    return content_type.partition(";")[0].strip().lower()
