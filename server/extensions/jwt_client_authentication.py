"""`private_key_jwt` and `client_secret_jwt`: RFC 7523 section 2.2 and OpenID Connect Core section 9."""

from keys.jose import SHARED_SECRET_ALGORITHM
from server.protocol.extension import Extension
from server.settings import ALGORITHMS

JWT_CLIENT_AUTHENTICATION = Extension(
    name="jwt_client_authentication",
    title="RFC 7523 JWT Client Authentication",
    specification="https://www.rfc-editor.org/rfc/rfc7523",
    metadata=lambda _services: {
        f"{endpoint}_endpoint_auth_signing_alg_values_supported": [*ALGORITHMS, SHARED_SECRET_ALGORITHM]
        for endpoint in ("token", "introspection", "revocation")
    },
)
