"""An MCP server behind Ostiary: tools that only somebody with an access token for this very server may use.

It checks tokens offline with the published keys, and tells clients where to get them (RFC 9728): docs/mcp.md.
Settings: ISSUER, RESOURCE. It needs the package `mcp` and nothing else.
"""

import asyncio
import os
from typing import Any

import jwt
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
RESOURCE = os.environ.get("RESOURCE", "http://localhost:8003/mcp")
"""The URL of this server, exactly as in `ostiary resource create`: the audience of its tokens."""
SCOPE = "mcp:tools"


class JwtVerifier(TokenVerifier):
    """Checks access tokens as RFC 9068 section 4 says."""

    def __init__(self) -> None:
        self._keys = jwt.PyJWKClient(f"{ISSUER}/jwks")

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what a good token says, None for any other."""
        try:
            claims = await asyncio.to_thread(self._claims, token)  # it fetches keys now and then
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims.get("scope", "").split(),
            expires_at=claims["exp"],
            resource=RESOURCE,
            subject=claims["sub"],
            claims=claims,
        )

    def _claims(self, token: str) -> dict[str, Any]:
        decoded = jwt.decode_complete(
            token,
            self._keys.get_signing_key_from_jwt(token),
            algorithms=["RS256"],
            issuer=ISSUER,
            audience=RESOURCE,
            options={"require": ["exp", "iss", "aud", "sub", "client_id"]},
        )
        if decoded["header"].get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("an ID token is no access token")
        claims: dict[str, Any] = decoded["payload"]
        return claims


server = MCPServer(
    "Notes",
    token_verifier=JwtVerifier(),
    # From strings: AnyHttpUrl by itself would add a slash to the issuer, and then it is another one.
    auth=AuthSettings.model_validate(
        {
            "issuer_url": ISSUER,
            "resource_server_url": RESOURCE,
            "required_scopes": [SCOPE],
            "validate_token_resource": True,
        }
    ),
)


@server.tool()
def whoami() -> str:
    """Say for whom this client is here."""
    token = get_access_token()
    return "nobody" if token is None else f"{token.subject} through {token.client_id}"


app = server.streamable_http_app(json_response=True)
