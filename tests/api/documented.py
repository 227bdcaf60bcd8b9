"""A client of the JSON API that holds every answer against the published document."""

import re
from typing import Any, Self

import httpx
import jsonschema_rs
import pyotp

from tests.support.server import PASSWORD, RunningServer

EMAIL = "alice@example.com"


class Api:
    """Calls `/api/auth/...` and refuses answers that the OpenAPI document does not announce."""

    def __init__(self, server: RunningServer, *, address: str = "192.0.2.1") -> None:
        self.server = server
        self.http = server.http(address=address)
        self.access_token: str | None = None
        self.refresh_token = ""
        self._document: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        self._document = (await self.http.get("/api/openapi.json")).json()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def call(
        self, method: str, path: str, json: object = None, *, form: dict[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        """Make a call with the present access token."""
        if self.access_token is not None:
            headers.setdefault("authorization", f"Bearer {self.access_token}")
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        arguments: dict[str, Any] = {} if json is None else {"json": json}
        if form is not None:
            arguments["data"] = form
        response = await self.http.request(method, f"/api/auth{path}", headers=sent, **arguments)
        self._check(method, path, response)
        return response

    def _check(self, method: str, path: str, response: httpx.Response) -> None:
        documented = self._operation(method, f"/api/auth{path}")["responses"]
        assert str(response.status_code) in documented, f"{method} {path}: undocumented {response.status_code}"
        assert response.headers["cache-control"] == "no-store"
        assert "set-cookie" not in response.headers
        content = documented[str(response.status_code)].get("content")
        if content is None:
            assert response.content == b""
            return
        schema = {**content["application/json"]["schema"], "components": self._document["components"]}
        jsonschema_rs.validate(schema, response.json())

    def _operation(self, method: str, path: str) -> dict[str, Any]:
        for template, operations in self._document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                operation: dict[str, Any] = operations[method.lower()]
                return operation
        raise AssertionError(f"{path} is not documented")

    async def post(self, path: str, **values: object) -> httpx.Response:
        """Send a JSON object."""
        return await self.call("POST", path, values)

    async def get(self, path: str) -> httpx.Response:
        return await self.call("GET", path)

    async def log_in(self, email: str = EMAIL, password: str = PASSWORD) -> dict[str, Any]:
        """Sign in and keep the tokens, where there are any."""
        self.access_token = None
        response = await self.post("/login", email=email, password=password)
        assert response.status_code == 200, response.text
        return self.keep(response)

    def keep(self, response: httpx.Response) -> dict[str, Any]:
        """Use the tokens of an answer from now on."""
        body: dict[str, Any] = response.json()
        self.access_token = body.get("access_token")
        self.refresh_token = body.get("refresh_token", "")
        return body

    async def enrol(self) -> tuple[str, list[str]]:
        """Set up an authenticator app and return its secret and the recovery codes."""
        secret: str = (await self.call("POST", "/mfa/setup")).json()["secret"]
        response = await self.post("/mfa/verify", code=self.code(secret))
        assert response.status_code == 200, response.text
        codes: list[str] = response.json()["recovery_codes"]
        self.server.clock.advance(60)  # the code of this step is used
        return secret, codes

    def code(self, secret: str) -> str:
        """Return what the app shows now."""
        return pyotp.TOTP(secret).at(self.server.clock.now())
