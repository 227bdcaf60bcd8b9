"""Token revocation: RFC 7009."""

from clients.authentication import METHODS
from server.endpoints.revocation import revocation
from server.protocol.extension import Endpoint, Extension

TOKEN_REVOCATION = Extension(
    name="token_revocation",
    title="RFC 7009 OAuth 2.0 Token Revocation",
    specification="https://www.rfc-editor.org/rfc/rfc7009",
    metadata=lambda _services: {"revocation_endpoint_auth_methods_supported": list(METHODS)},
    endpoints=(Endpoint("revocation_endpoint", "/revoke", ("POST",), revocation, is_cross_origin=True),),
)
