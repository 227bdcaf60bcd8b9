"""What each extension adds to a request."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import uvloop

from benchmarks.codes import Flow
from benchmarks.connection import Connection
from benchmarks.extension_requests import Case, Form, Headers, Requests
from benchmarks.holder import Holder
from benchmarks.measure import Figure, MeasurementError
from benchmarks.processes import cpu_seconds, workers
from benchmarks.stage import Stage

CONCURRENCY = 16
REQUESTS_PER_SECOND = 600
"""So many requests are made for each second, and measured until they are used up."""
SUCCESS = range(200, 300)
LABELS: Mapping[str, str] = MappingProxyType(
    {
        "plain": "client_credentials, client_secret_post, a JWT signed RS256",
        "private_key_jwt": "private_key_jwt, ES256 (RFC 7523)",
        "client_secret_jwt": "client_secret_jwt, HS256",
        "mutual_tls": "mutual TLS: authentication and bound token (RFC 8705)",
        "dpop": "DPoP, ES256 (RFC 9449)",
        "resource": "resource indicator (RFC 8707)",
        "details": "authorization_details (RFC 9396)",
        "opaque": "opaque access token: a row instead of a signature",
        "exchange": "token exchange (RFC 8693)",
        "jwt_bearer": "JWT bearer grant (RFC 7523)",
        "introspection": "introspection, JSON (RFC 7662)",
        "signed_introspection": "… as a signed JWT (RFC 9701)",
        "par": "pushed authorization request (RFC 9126)",
        "jar": "… that is a signed request object (RFC 9101)",
        "device": "device authorization request (RFC 8628)",
        "ciba": "backchannel authentication request (CIBA)",
        "userinfo": "UserInfo, JSON (OpenID Connect Core)",
        "signed_userinfo": "… as a signed JWT",
    }
)
FLOWS: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, str]]] = MappingProxyType(
    {
        "code": ("code flow", {}, {}),
        "jarm": ("code flow, JARM", {"authorization_signed_response_alg": "RS256"}, {"response_mode": "jwt"}),
        "hybrid": (
            "code id_token",
            {"response_types": ["code id_token"], "grant_types": ["authorization_code", "refresh_token", "implicit"]},
            {"response_type": "code id_token"},
        ),
        "pairwise": ("code flow, pairwise subjects", {"subject_type": "pairwise"}, {}),
        "encrypted": (
            "code flow, encrypted ID token",
            {
                "id_token_encrypted_response_alg": "ECDH-ES",
                "id_token_encrypted_response_enc": "A128GCM",
                "jwks": {"keys": [Holder.encryption_key()]},
            },
            {},
        ),
    }
)
COST = "_cost"
TOKEN_SECONDS = 3600
"""Longer than the measuring takes."""


class Extensions:
    """Each kind of request in turn, on PostgreSQL with a worker for each core."""

    NAME: ClassVar[str] = "extensions"
    NEEDS_WRK: ClassVar[bool] = False
    FIGURES: ClassVar[Mapping[str, Figure]] = MappingProxyType(
        {
            name: figure
            for case, label in LABELS.items()
            for name, figure in (
                (case, Figure(label, "1/s")),
                (case + COST, Figure("… CPU time of the workers", "µs")),
            )
        }
        | {
            name + part: Figure(f"{label}: {word}", "1/s")
            for name, (label, _, _) in FLOWS.items()
            for part, word in (("_authorize", "authorization requests"), ("_exchange", "exchanges"))
        }
    )

    def prepare(self, stage: Stage) -> None:
        """Register the clients, and send every kind of request a few times."""
        self._server = stage.extended
        signed = {"userinfo_signed_response_alg": "RS256"}
        self._cases = (
            *Requests(self._server, stage.directory()).cases(),
            self._userinfo("userinfo", {}),
            self._userinfo("signed_userinfo", signed),
        )
        for case in self._cases:
            uvloop.run(self._send(case, CONCURRENCY))
        self._flows = {name: Flow(self._server, metadata, more) for name, (_, metadata, more) in FLOWS.items()}

    def _userinfo(self, name: str, metadata: Mapping[str, Any]) -> Case:
        flow = Flow(self._server, {"access_token_seconds": TOKEN_SECONDS, **metadata})
        headers = {"Authorization": f"Bearer {uvloop.run(flow.access_token())}"}
        return Case(name, lambda: ({}, headers), "/userinfo")

    def round(self, seconds: float) -> dict[str, float]:
        """Measure every case once."""
        values: dict[str, float] = {}
        pids = workers(self._server.pid)
        count = round(REQUESTS_PER_SECOND * seconds)
        for case in self._cases:
            took, used = uvloop.run(self._send(case, count, pids))
            values[case.name] = count / took
            values[case.name + COST] = used / count * 1_000_000
        for name, flow in self._flows.items():
            found = uvloop.run(flow.authorize_and_exchange(seconds))
            values[f"{name}_authorize"], values[f"{name}_exchange"], _ = found
        return values

    async def _send(self, case: Case, count: int, pids: list[int] | None = None) -> tuple[float, float]:
        """Return how long so many requests took, and the CPU time of the workers meanwhile."""
        made = [case.make() for _ in range(count)]
        async with contextlib.AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(Connection(self._server.port)) for _ in range(CONCURRENCY)]
            before, began = sum(map(cpu_seconds, pids or [])), time.perf_counter()
            await asyncio.gather(*(_work(connection, case, made) for connection in connections))
            return time.perf_counter() - began, sum(map(cpu_seconds, pids or [])) - before


async def _work(connection: Connection, case: Case, made: list[tuple[Form, Headers]]) -> None:
    while made:
        answer = await connection.post(case.path, *made.pop())
        if answer.status not in SUCCESS:
            raise MeasurementError(f"{case.name}: {answer.status} {answer.body.decode()}")
