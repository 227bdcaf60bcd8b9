"""Implicit and hybrid: OAuth 2.0 Multiple Response Type Encoding Practices, OpenID Connect Core sections 3.2 and 3.3.

Off unless `OSTIARY_RESPONSE_TYPES` names one: tokens in the front channel are what RFC 9700 section 2.1.2 advises
against. `grants/authorization_response.py` issues what they ask for.
"""

from typing import Any

from clients.client import Client
from clients.response_types import is_front_channel, words_of
from server.protocol.authorization_request import Draft
from server.protocol.errors import InvalidRequestError
from server.protocol.extension import Extension
from server.protocol.request import Parameters
from server.protocol.services import Services
from server.settings import Settings

GRANT_TYPE = "implicit"


def is_enabled(settings: Settings) -> bool:
    """Whether any response type but `code` is served."""
    return any(is_front_channel(name) for name in settings.response_types)


def check_front_channel(draft: Draft, parameters: Parameters, _client: Client, _services: Services) -> None:
    """Refuse an ID token that nothing would bind to the request, and ignore what only a code could give."""
    words = words_of(draft.values["response_type"])
    if "code" not in words:
        # OpenID Connect Core section 11: without a code there is no offline access
        draft.values["scopes"] = tuple(name for name in draft.values["scopes"] if name != "offline_access")
    if "id_token" in words and "openid" not in draft.values["scopes"]:
        raise InvalidRequestError("An ID token needs the scope openid")
    if "id_token" in words and parameters.get("nonce") is None:
        # OpenID Connect Core sections 3.2.2.1 and 3.3.2.11: without a nonce it could be replayed
        raise InvalidRequestError("This response_type needs a nonce")


def metadata(services: Services) -> dict[str, Any]:
    """Return the response types that the operator chose."""
    return {
        "response_types_supported": list(services.settings.response_types),
        "grant_types_supported": [*(grant.GRANT_TYPE for grant in services.grants), GRANT_TYPE],
    }


MULTIPLE_RESPONSE_TYPES = Extension(
    name="multiple_response_types",
    title="OAuth 2.0 Multiple Response Type Encoding Practices 1.0",
    specification="https://openid.net/specs/oauth-v2-multiple-response-types-1_0.html",
    is_enabled=is_enabled,
    metadata=metadata,
    authorization_check=check_front_channel,
)
