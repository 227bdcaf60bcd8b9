"""Protected resource metadata: RFC 9728. UserInfo and the account API are one resource, named by the issuer."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.protocol.extension import Endpoint, Extension
from server.protocol.resource_metadata import WELL_KNOWN
from server.protocol.services import services_of


async def resource_metadata(request: Request) -> Response:
    """Return the metadata of section 2. Access tokens for this resource have the issuer as their audience."""
    services = services_of(request)
    settings = services.settings
    document = {
        "resource": settings.issuer,
        "authorization_servers": [settings.issuer],
        "jwks_uri": settings.url("/jwks"),
        "scopes_supported": sorted(name for extension in services.extensions for name in extension.scopes),
        "bearer_methods_supported": ["header", "body"],
        "resource_name": settings.brand_name,
    }
    if "dpop_signing_alg_values_supported" in services.metadata:
        document["dpop_signing_alg_values_supported"] = services.metadata["dpop_signing_alg_values_supported"]
    return JSONResponse(document, headers={"cache-control": f"public, max-age={settings.jwks_cache_seconds}"})


PROTECTED_RESOURCE_METADATA = Extension(
    name="protected_resource_metadata",
    title="RFC 9728 OAuth 2.0 Protected Resource Metadata",
    specification="https://www.rfc-editor.org/rfc/rfc9728",
    # Section 4: which resources the authorization server vouches for
    metadata=lambda services: {"protected_resources": [services.settings.issuer]},
    endpoints=(
        Endpoint(
            "protected_resource_metadata",
            WELL_KNOWN,
            ("GET",),
            resource_metadata,
            is_cross_origin=True,
            is_announced=False,
        ),
    ),
)
