"""`private_key_jwt`: RFC 7523 section 2.2 and OpenID Connect Core section 9."""

from server.protocol.extension import Extension
from server.settings import ALGORITHMS

JWT_CLIENT_AUTHENTICATION = Extension(
    name="jwt_client_authentication",
    title="RFC 7523 JWT Client Authentication",
    specification="https://www.rfc-editor.org/rfc/rfc7523",
    metadata=lambda _services: {
        f"{endpoint}_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS)
        for endpoint in ("token", "introspection", "revocation")
    },
)
