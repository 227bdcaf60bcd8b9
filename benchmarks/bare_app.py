"""The least that a token endpoint written on Starlette does. No checks that anyone would want to do without.

Parses the form, compares one SHA-256 digest, signs one JWT with a key that was loaded once. uvicorn runs it with the
same event loop, the same HTTP parser and as many workers as Ostiary gets.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEY_FILE = "BENCH_KEY_FILE"
FACTS = "BENCH_FACTS"
"""Names of environment variables: the private key's file; client_id, secret_digest, issuer, kid, scope as JSON."""


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class TokenEndpoint:
    """Answers token requests of one client."""

    def __init__(self, key: RSAPrivateKey, facts: dict[str, str]) -> None:
        self._key = key
        self._facts = facts
        self._digest = bytes.fromhex(facts["secret_digest"])
        self._header = _encoded(_compact({"alg": "RS256", "kid": facts["kid"], "typ": "at+jwt"}))

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        form = dict(parse_qsl((await request.body()).decode("ascii")))
        presented = hashlib.sha256(form["client_secret"].encode()).digest()
        if not hmac.compare_digest(presented, self._digest):
            return JSONResponse({"error": "invalid_client"}, 401)
        body = {"access_token": self._token(), "token_type": "Bearer", "expires_in": 600, "scope": self._facts["scope"]}
        return JSONResponse(body)

    def _token(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self._facts["issuer"],
            "sub": self._facts["client_id"],
            "aud": self._facts["issuer"],
            "client_id": self._facts["client_id"],
            "iat": now,
            "exp": now + 600,
            "jti": secrets.token_urlsafe(16),
            "scope": self._facts["scope"],
        }
        signed = self._header + b"." + _encoded(_compact(claims))
        return (signed + b"." + _encoded(self._key.sign(signed, PKCS1v15(), SHA256()))).decode()


def create_app() -> Starlette:
    """Return the application that the environment describes."""
    key = load_pem_private_key(Path(os.environ[KEY_FILE]).read_bytes(), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError(f"{KEY_FILE} must hold an RSA key")
    return Starlette(
        routes=[Route("/token", TokenEndpoint(key, json.loads(os.environ[FACTS])).__call__, methods=["POST"])]
    )
