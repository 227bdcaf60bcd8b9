"""What a refused client gets, at every endpoint where it authenticates."""

from typing import Any

import httpx
import pytest

from tests.keys.material import segment, signer

CLIENT_ENDPOINTS = ("/token", "/introspect", "/revoke")
FORM = {"grant_type": "client_credentials", "token": "x"}
DEEP = "[" * 1100 + "]" * 1100
one_database = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
"""For what is refused before it reaches storage; the fuzz tests send the same kinds of values to both."""


def check_refused(response: httpx.Response, error: str) -> None:
    """RFC 6749 section 5.2: JSON, a code, a text in the characters that are allowed, and not stored."""
    assert response.status_code in (400, 401), response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body["error"] == error
    assert all(" " <= character <= "~" and character not in '"\\' for character in body["error_description"])
    assert "location" not in response.headers


def request_object(payload: dict[str, Any] | str, header: str = '{"alg":"none"}') -> str:
    return f"{segment(header)}.{segment(payload)}."


def public_keys() -> dict[str, Any]:
    key = signer("ES256").verification_key()
    return {"keys": [{**key.key.as_dict(private=False), "kid": "k1", "alg": "ES256", "use": "sig"}]}
