"""A client that registers itself (RFC 7591)."""

from typing import Any

import httpx

from server.endpoints.registration import INITIAL_KIND
from server.storage import client_registrations
from server.tokens import opaque
from tests.support.server import RunningServer

WEB = {"client_name": "Web Shop", "redirect_uris": ["https://client.example/cb"]}


async def register(server: RunningServer, metadata: Any, token: str | None = None, **options: Any) -> httpx.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with server.http(**options) as http:
        return await http.post("/register", json=metadata, headers=headers)


async def initial_token(server: RunningServer, *, uses: int = 1, seconds: int = 60, is_trusted: bool = False) -> str:
    token = opaque.mint("oia_")
    digest, now = opaque.digest(INITIAL_KIND, token), server.clock.now()
    await server.run(
        lambda db: client_registrations.add_token(
            db, digest, uses=uses, is_trusted=is_trusted, now=now, expires_at=now + seconds
        )
    )
    return token
