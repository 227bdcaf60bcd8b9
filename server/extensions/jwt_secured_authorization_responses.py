"""JWT Secured Authorization Response Mode for OAuth 2.0 (JARM): the answer as one signed JWT, errors too.

Encrypted where the client registered that.
"""

from collections.abc import Mapping
from typing import Any

from clients.client import Client
from clients.encryption import AUTHORIZATION
from keys.jwe import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from server.protocol import client_encryption
from server.protocol.checks import RESPONSE_MODES
from server.protocol.errors import OAuth2Error
from server.protocol.extension import Extension, ResponseEncoding
from server.protocol.response import error_parameters
from server.protocol.services import Services
from server.protocol.signing import algorithm_for

ENCODING = "jwt"
LIFETIME_SECONDS = 120
"""Section 2.1 recommends at most ten minutes; the browser delivers it at once."""
TYPE = "JWT"


def check_client(client: Client, services: Services) -> None:
    """Refuse a client whose answers nobody here can sign, for its algorithm is off, or encrypt, for want of a key."""
    algorithm_for(client, client.authorization_signed_response_alg, services.settings)
    client_encryption.check(services, client, AUTHORIZATION)


def encode(services: Services, client: Client, parameters: Mapping[str, str], now: int) -> dict[str, str]:
    """Return the parameters as one `response` (section 2.1): `iss` and `state` are inside."""
    signed = _sign(services, client, parameters, now)
    try:
        return {"response": client_encryption.encrypt(services, client, AUTHORIZATION, signed)}
    except OAuth2Error as error:
        # Its key is gone since the request: what was to be hidden stays here, and the client learns why.
        kept = {name: value for name, value in parameters.items() if name in ("state", "iss")}
        return {"response": _sign(services, client, {**kept, **error_parameters(error)}, now)}


def _sign(services: Services, client: Client, parameters: Mapping[str, str], now: int) -> str:
    claims = {
        **parameters,
        "iss": services.settings.issuer,
        "aud": client.client_id,
        "exp": now + LIFETIME_SECONDS,
        "iat": now,
    }
    algorithm = algorithm_for(client, client.authorization_signed_response_alg, services.settings)
    return services.keys.signer(algorithm).sign(claims, typ=TYPE)


def metadata(services: Services) -> dict[str, Any]:
    """Return the members of section 4."""
    return {
        "authorization_signing_alg_values_supported": list(services.settings.signing_algorithms),
        "authorization_encryption_alg_values_supported": list(KEY_MANAGEMENT),
        "authorization_encryption_enc_values_supported": list(CONTENT_ENCRYPTION),
        "response_modes_supported": [
            *RESPONSE_MODES,
            ENCODING,
            *(f"{transport}.{ENCODING}" for transport in RESPONSE_MODES),
        ],
    }


JWT_SECURED_AUTHORIZATION_RESPONSES = Extension(
    name="jwt_secured_authorization_responses",
    title="JWT Secured Authorization Response Mode for OAuth 2.0 (JARM)",
    specification="https://openid.net/specs/oauth-v2-jarm-final.html",
    metadata=metadata,
    response_encodings={ENCODING: ResponseEncoding(check_client, encode)},
)
