"""Code exchanges and refreshes a second: each is one transaction that is on the disk before the answer leaves."""

import asyncio
import base64
import contextlib
import hashlib
import http
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

import uvloop

from benchmarks.browser import sign_in
from benchmarks.connection import Connection
from benchmarks.measure import Figure, MeasurementError
from benchmarks.stage import Stage, register_client
from tests.support.process import ServerProcess

CONCURRENCY = 16
CODES_PER_SECOND = 250
"""So many codes are prepared for each second of measuring; a faster server is done sooner."""
MOST_CODES = 2500
"""A code lives for a minute: the first one must still be good when the last one is prepared."""
REDIRECT_URI = "https://client.example/cb"
VERIFIER = secrets.token_urlsafe(48)
WARM_UP_SECONDS = 1
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()

NOTHING: Mapping[str, Any] = MappingProxyType({})

Task = Callable[[Connection], Awaitable[None]]


class Flow:
    """A signed-in person and a first-party client at one server, with more metadata and parameters of a request."""

    def __init__(
        self, server: ServerProcess, metadata: Mapping[str, Any] = NOTHING, parameters: Mapping[str, str] = NOTHING
    ) -> None:
        self._port = server.port
        self._client = register_client(
            server,
            client_name="Benchmark",
            redirect_uris=[REDIRECT_URI],
            scope="openid profile offline_access",
            token_endpoint_auth_method="client_secret_post",
            skip_consent=True,
            **{"grant_types": ["authorization_code", "refresh_token"], **metadata},
        )
        request = {
            "response_type": "code",
            "client_id": self._client["client_id"],
            "redirect_uri": REDIRECT_URI,
            "scope": "openid profile offline_access",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "state": "s",
            "nonce": "n",
            **parameters,
        }
        self._authorize = f"/authorize?{urlencode(request)}"
        self._cookies = sign_in(server, self._authorize)

    async def measure(self, seconds: float) -> tuple[float, float]:
        """Return exchanges and refreshes a second."""
        _, exchanges, tokens = await self.authorize_and_exchange(seconds)
        seen = set(tokens[:CONCURRENCY])
        end = time.perf_counter() + seconds
        refreshing = await self._at_once([self._rotate(token, end, seen) for token in tokens[:CONCURRENCY]])
        return exchanges, (len(seen) - CONCURRENCY) / refreshing

    async def authorize_and_exchange(self, seconds: float) -> tuple[float, float, list[str]]:
        """Return authorization requests and exchanges a second, and the refresh tokens."""
        codes: list[str] = []
        wanted = min(round(CODES_PER_SECOND * seconds), MOST_CODES)
        authorizing = await self._at_once([self._prepare(codes, wanted // CONCURRENCY)] * CONCURRENCY)
        prepared, tokens = len(codes), list[str]()
        exchanging = await self._at_once([self._exchange(codes, tokens)] * CONCURRENCY)
        if len(set(tokens)) != prepared:
            raise MeasurementError(f"{prepared} codes gave {len(set(tokens))} refresh tokens")
        return prepared / authorizing, prepared / exchanging, tokens

    async def access_token(self) -> str:
        """Return an access token of the person."""
        codes: list[str] = []
        await self._at_once([self._prepare(codes, 1)])
        async with Connection(self._port) as connection:
            form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
            answer = await connection.post("/token", {**form, **self._client, "code": codes.pop()})
        return str(json.loads(answer.body)["access_token"])

    async def _at_once(self, tasks: list[Task]) -> float:
        """Run each task on a connection of its own, and return how long all took once the connections stood."""
        async with contextlib.AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(Connection(self._port)) for _ in tasks]
            began = time.perf_counter()
            await asyncio.gather(*(task(connection) for task, connection in zip(tasks, connections, strict=True)))
            return time.perf_counter() - began

    def _prepare(self, codes: list[str], count: int) -> Task:
        async def task(connection: Connection) -> None:
            for _ in range(count):
                answer = await connection.get(self._authorize, self._cookies)
                code = _code_in(answer.headers.get("location", ""))
                if code is None:
                    raise MeasurementError(f"no code: {answer.status} {answer.headers.get('location', '')}")
                codes.append(code)

        return task

    def _exchange(self, codes: list[str], tokens: list[str]) -> Task:
        async def task(connection: Connection) -> None:
            form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
            while codes:
                tokens.append(await self._token(connection, {**form, "code": codes.pop()}))

        return task

    def _rotate(self, token: str, end: float, seen: set[str]) -> Task:
        async def task(connection: Connection) -> None:
            newest = token
            while time.perf_counter() < end:
                newest = await self._token(connection, {"grant_type": "refresh_token", "refresh_token": newest})
                if newest in seen:
                    raise MeasurementError("a refresh token was not rotated")
                seen.add(newest)

        return task

    async def _token(self, connection: Connection, form: dict[str, str]) -> str:
        """Ask for tokens and return the refresh token."""
        answer = await connection.post("/token", {**form, **self._client})
        if answer.status != http.HTTPStatus.OK:
            raise MeasurementError(f"{form['grant_type']}: {answer.status} {answer.body.decode()}")
        body: dict[str, Any] = json.loads(answer.body)
        refresh_token: str = body["refresh_token"]
        return refresh_token


def _code_in(location: str) -> str | None:
    """Return the code of an authorization response: in query or fragment, or in a JWT there (JARM)."""
    parts = urlsplit(location)
    answer = {name: values[0] for name, values in parse_qs(parts.query or parts.fragment).items()}
    if "response" in answer:
        body = answer["response"].split(".")[1]
        answer = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return answer.get("code")


class Codes:
    """What happens when people sign in and their applications stay signed in."""

    NAME: ClassVar[str] = "codes"
    NEEDS_WRK: ClassVar[bool] = False
    FIGURES: ClassVar[Mapping[str, Figure]] = MappingProxyType(
        {
            "exchange_postgresql": Figure("code exchanges on PostgreSQL, a worker per core", "1/s"),
            "refresh_postgresql": Figure("refreshes on PostgreSQL, a worker per core", "1/s"),
            "exchange_sqlite": Figure("code exchanges on SQLite, one process", "1/s"),
            "refresh_sqlite": Figure("refreshes on SQLite, one process", "1/s"),
        }
    )

    def prepare(self, stage: Stage) -> None:
        """Sign a person in at both servers."""
        self._flows = {"postgresql": Flow(stage.postgresql), "sqlite": Flow(stage.sqlite)}
        for flow in self._flows.values():
            uvloop.run(flow.measure(WARM_UP_SECONDS))

    def round(self, seconds: float) -> dict[str, float]:
        """Exchange prepared codes, then rotate families of refresh tokens."""
        values: dict[str, float] = {}
        for name, flow in self._flows.items():
            values[f"exchange_{name}"], values[f"refresh_{name}"] = uvloop.run(flow.measure(seconds))
        return values
