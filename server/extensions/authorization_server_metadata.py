"""Authorization server metadata: RFC 8414 and OpenID Connect Discovery 1.0, with the JWK Set they point to."""

from server.endpoints.jwks import jwks
from server.endpoints.metadata import metadata
from server.protocol.extension import Endpoint, Extension

AUTHORIZATION_SERVER_METADATA = Extension(
    name="authorization_server_metadata",
    title="RFC 8414 Authorization Server Metadata",
    specification="https://www.rfc-editor.org/rfc/rfc8414",
    endpoints=(
        Endpoint("jwks_uri", "/jwks", ("GET",), jwks, is_cross_origin=True),
        Endpoint(
            "openid_configuration",
            "/.well-known/openid-configuration",
            ("GET",),
            metadata,
            is_cross_origin=True,
            is_announced=False,
        ),
    ),
)
