"""A client that authenticates with a JWT (RFC 7523 section 2.2)."""

import secrets
from typing import Any

import httpx

from clients.authentication.presented import ASSERTION_TYPE
from tests.support.server import RunningServer


def claims_of(server: RunningServer, client_id: str = "service", **changes: Any) -> dict[str, Any]:
    now = server.clock.now()
    own = {
        "iss": client_id,
        "sub": client_id,
        "aud": server.issuer,
        "jti": secrets.token_urlsafe(12),
        "iat": now,
        "exp": now + 60,
    }
    return {name: value for name, value in {**own, **changes}.items() if value is not None}


async def authenticate(server: RunningServer, assertion: str, **form: str) -> httpx.Response:
    values = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        **form,
    }
    async with server.http() as http:
        return await http.post("/token", data=values)


async def assert_refused(server: RunningServer, assertion: str) -> None:
    response = await authenticate(server, assertion)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client"), response.text
