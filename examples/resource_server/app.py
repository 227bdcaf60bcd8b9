"""A protected API: verifies access tokens offline, through the JWK Set of the authorization server.

Routes are guarded by scopes and roles; refusals follow RFC 6750 section 3. Settings: ISSUER, ALLOWED_ORIGIN.
"""

import json
import os
import re
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
ALLOWED_ORIGIN = os.environ.get("ALLOWED_ORIGIN", "http://localhost:5173")
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)
REFETCH_SECONDS = 30
"""A token that does not verify makes us fetch the keys again, but not more often than this."""

Handler = Callable[[Request], Awaitable[Response]]


class Refusal(Exception):  # noqa: N818  it becomes an answer
    """A request without a token that is good enough."""

    def __init__(self, status: int, error: str = "", **attributes: str) -> None:
        super().__init__(error)
        self.status = status
        self.attributes = {"realm": "api", **({"error": error} if error else {}), **attributes}


class TokenVerifier:
    """Holds the authorization server's keys."""

    def __init__(self, issuer: str, audience: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = KeySet([])
        self._fetched_at = float("-inf")
        self._fresh_seconds = 0

    async def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a good token (RFC 9068 section 4). Raises Refusal."""
        if time.monotonic() - self._fetched_at >= self._fresh_seconds:
            await self._fetch()  # a key that was revoked is gone from the new set
        try:
            return self._verify(token)
        except Refusal:
            if time.monotonic() - self._fetched_at < REFETCH_SECONDS:
                raise
        await self._fetch()
        return self._verify(token)

    async def _fetch(self) -> None:
        async with httpx.AsyncClient(timeout=5) as http:
            metadata = (await http.get(f"{self._issuer}/.well-known/openid-configuration")).raise_for_status().json()
            answer = (await http.get(metadata["jwks_uri"])).raise_for_status()
        self._keys = KeySet.import_key_set(answer.json())
        max_age = re.search(r"max-age=(\d+)", answer.headers.get("cache-control", ""))
        self._fresh_seconds = int(max_age[1]) if max_age else REFETCH_SECONDS
        self._fetched_at = time.monotonic()

    def _verify(self, token: str) -> dict[str, Any]:
        rules = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
        )
        try:
            decoded = jwt.decode(token, self._keys, algorithms=["RS256"])
            rules.validate(decoded.claims)
        except (JoseError, ValueError, TypeError):
            raise Refusal(401, "invalid_token") from None
        if str(decoded.header.get("typ", "")).lower().removeprefix("application/") != "at+jwt":
            raise Refusal(401, "invalid_token")  # an ID token is no access token
        return dict(decoded.claims)


VERIFIER = TokenVerifier(ISSUER, AUDIENCE)


def guarded(*, scope: str | None = None, role: str | None = None) -> Callable[[Handler], Handler]:
    """Let only requests through whose token has a scope and whose person has a role."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def guard(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise Refusal(401)
            claims = await VERIFIER.verify(token.strip())
            if scope is not None and scope not in str(claims.get("scope", "")).split():
                raise Refusal(403, "insufficient_scope", scope=scope)
            if role is not None and role not in claims.get("roles", []):
                raise Refusal(403, "insufficient_scope", error_description=f"the role {role} is needed")
            request.state.claims = claims
            return await handler(request)

        return guard

    return decorate


async def refuse(_request: Request, refusal: Exception) -> Response:
    """Answer as RFC 6750 section 3 says."""
    if not isinstance(refusal, Refusal):
        raise TypeError from refusal
    challenge = "Bearer " + ", ".join(f"{name}={json.dumps(value)}" for name, value in refusal.attributes.items())
    body = {"error": refusal.attributes.get("error", "unauthorized")}
    return JSONResponse(body, refusal.status, headers={"www-authenticate": challenge})


@guarded()
async def whoami(request: Request) -> Response:
    """Say whose token this is."""
    claims = request.state.claims
    return JSONResponse({name: claims[name] for name in ("sub", "client_id", "scope") if name in claims})


@guarded(scope="read:things")
async def things(_request: Request) -> Response:
    """Return what only the scope read:things opens."""
    return JSONResponse({"things": ["lantern", "keyring", "bell"]})


@guarded(role="admin")
async def administration(_request: Request) -> Response:
    """Return what only administrators see."""
    return JSONResponse({"secret": "the cellar key hangs behind the clock"})


async def health(_request: Request) -> Response:
    """Say that the API is up."""
    return JSONResponse({"status": "ok"})


app = Starlette(
    routes=[
        Route("/health", health),
        Route("/whoami", whoami),
        Route("/things", things),
        Route("/administration", administration),
    ],
    middleware=[
        Middleware(CORSMiddleware, allow_origins=[ALLOWED_ORIGIN], allow_headers=["authorization"]),
    ],
    exception_handlers={Refusal: refuse},
)
