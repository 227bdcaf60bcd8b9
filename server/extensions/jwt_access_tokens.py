"""JWT access tokens: RFC 9068. `tokens/access_token.py` makes and reads them; the JWK Set verifies them."""

from server.protocol.extension import Extension

JWT_ACCESS_TOKENS = Extension(
    name="jwt_access_tokens",
    title="RFC 9068 JWT Profile for OAuth 2.0 Access Tokens",
    specification="https://www.rfc-editor.org/rfc/rfc9068",
)
