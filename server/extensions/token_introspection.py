"""Token introspection: RFC 7662."""

from clients.authentication import METHODS
from server.endpoints.introspection import introspection
from server.protocol.extension import Endpoint, Extension

TOKEN_INTROSPECTION = Extension(
    name="token_introspection",
    title="RFC 7662 OAuth 2.0 Token Introspection",
    specification="https://www.rfc-editor.org/rfc/rfc7662",
    metadata=lambda _services: {
        "introspection_endpoint_auth_methods_supported": [name for name in METHODS if name != "none"]
    },
    endpoints=(Endpoint("introspection_endpoint", "/introspect", ("POST",), introspection),),
)
