"""Which metadata a client needs to ask people elsewhere: OpenID Connect CIBA Core 1.0 section 4."""

from collections.abc import Mapping
from typing import Any

CIBA = "urn:openid:params:grant-type:ciba"
DELIVERY_MODES = ("poll", "ping")
"""`push` is not served: the client would get tokens without authenticating for them."""
DELIVERY_MODE = "backchannel_token_delivery_mode"
NOTIFICATION_ENDPOINT = "backchannel_client_notification_endpoint"
SIGNING_ALG = "backchannel_authentication_request_signing_alg"
USER_CODE = "backchannel_user_code_parameter"


def problem_of_backchannel(valid: Mapping[str, Any]) -> str | None:
    """Return why a client with this metadata could never ask anybody, None where it can, or does not want to."""
    mode = valid.get(DELIVERY_MODE)
    if CIBA in valid["grant_types"] and mode is None:
        return f"{CIBA} needs {DELIVERY_MODE}"
    if mode == "ping" and NOTIFICATION_ENDPOINT not in valid:
        return f"{DELIVERY_MODE} ping needs {NOTIFICATION_ENDPOINT}"
    if SIGNING_ALG in valid and "jwks" not in valid and "jwks_uri" not in valid:
        return f"{SIGNING_ALG} needs jwks or jwks_uri"
    if valid.get(USER_CODE):
        return f"{USER_CODE} must be false: user codes are not supported"
    return None
