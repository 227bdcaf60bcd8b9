"""JWT introspection answers: RFC 9701. A resource server keeps what was said, with our signature to show for it."""

from dataclasses import replace
from typing import Any

from clients.client import Client
from clients.encryption import INTROSPECTION
from keys.jwe import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from server.protocol import client_encryption
from server.protocol.extension import Extension
from server.protocol.request import HttpFacts
from server.protocol.response import Answer
from server.protocol.services import Services
from server.protocol.signing import algorithm_for

TYPE = "token-introspection+jwt"
MEDIA_TYPE = f"application/{TYPE}"
JSON_TYPE = "application/json"
MAX_RANGES = 20


def encode(services: Services, client: Client, http: HttpFacts, answer: Answer, now: int) -> Answer:
    """Return the answer as a JWT to a client that asks for one by its Accept header (sections 4 and 5)."""
    if not is_wanted(",".join(http.values("accept"))):
        return answer
    # section 5: neither `sub` nor `exp` outside of `token_introspection`, so that nobody takes it for an access token
    claims = {
        "iss": services.settings.issuer,
        "aud": client.client_id,
        "iat": now,
        "token_introspection": answer.body,
    }
    algorithm = algorithm_for(client, client.introspection_signed_response_alg, services.settings)
    signed = services.keys.signer(algorithm).sign(claims, typ=TYPE)
    body = client_encryption.encrypt(services, client, INTROSPECTION, signed)
    return replace(answer, body=body, media_type=MEDIA_TYPE)


def is_wanted(accept: str) -> bool:
    """Whether an Accept header names the JWT, and does not like JSON better (RFC 9110 section 12.5.1)."""
    weights = {JSON_TYPE: 0.0, MEDIA_TYPE: 0.0}
    for media_range in accept.split(",")[:MAX_RANGES]:
        name, *options = (part.strip().lower() for part in media_range.split(";"))
        if name in weights:
            weights[name] = _weight(options)
    return weights[MEDIA_TYPE] > 0 and weights[MEDIA_TYPE] >= weights[JSON_TYPE]


def _weight(options: list[str]) -> float:
    for option in options:
        name, _, value = option.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def metadata(services: Services) -> dict[str, Any]:
    """Return the members of section 7."""
    return {
        "introspection_signing_alg_values_supported": list(services.settings.signing_algorithms),
        "introspection_encryption_alg_values_supported": list(KEY_MANAGEMENT),
        "introspection_encryption_enc_values_supported": list(CONTENT_ENCRYPTION),
    }


JWT_INTROSPECTION_RESPONSES = Extension(
    name="jwt_introspection_responses",
    title="RFC 9701 JSON Web Token (JWT) Response for OAuth Token Introspection",
    specification="https://www.rfc-editor.org/rfc/rfc9701",
    metadata=metadata,
    introspection_encoding=encode,
)
