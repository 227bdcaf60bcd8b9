"""JWT bearer grant: RFC 7523 section 2.1. Section 2.2, client authentication, is an extension of its own."""

from server.grants.jwt_bearer import JwtBearerGrant
from server.protocol.extension import Extension

JWT_BEARER_GRANT = Extension(
    name="jwt_bearer_grant",
    title="RFC 7523 JWT Bearer Grant",
    specification="https://www.rfc-editor.org/rfc/rfc7523#section-2.1",
    grants=(JwtBearerGrant,),
)
