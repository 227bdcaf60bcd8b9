"""The table of contents of the JSON API, and the one place where a request becomes a call and a reply a response."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.accounts.passwords import PasswordHasherBusyError
from server.api import body, cors, email, export, login, me, mfa, password, registration, sessions, tokens
from server.api.call import Call, Reply
from server.api.cors import FirstPartyOrigins
from server.api.errors import ApiError
from server.api.openapi import document
from server.api.operation import JSON_TYPE, TOO_LARGE, UNAVAILABLE, Operation
from server.api.reference import page
from server.observability.logging import logger
from server.protocol.refusals import note_answer
from server.protocol.request import BodyTooLargeError
from server.protocol.resource_metadata import add_to_challenge
from server.protocol.services import services_of
from server.storage.database import DatabaseUnavailableError

RETRY_SECONDS = "2"
NO_STORE = "no-store"
OPERATIONS: tuple[Operation, ...] = (
    *registration.OPERATIONS,
    *login.OPERATIONS,
    *mfa.CHALLENGE,
    *tokens.OPERATIONS,
    *me.OPERATIONS,
    *password.OPERATIONS,
    *email.OPERATIONS,
    *mfa.OPERATIONS,
    *sessions.OPERATIONS,
    *export.OPERATIONS,
)
DOCUMENT_PATH, REFERENCE_PATH = "/api/openapi.json", "/api/docs"


class _Paths:
    """Finds the operations of a path."""

    def __init__(self, operations: tuple[Operation, ...]) -> None:
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in operations:
            by_path.setdefault(operation.path, {})[operation.method] = operation
        self._paths = [(_pattern(path), methods) for path, methods in by_path.items()]

    def find(self, path: str) -> tuple[Mapping[str, Operation], Mapping[str, str]]:
        """Return the operations by method and the parts of the path; nothing where there is no such path."""
        for pattern, methods in self._paths:
            match = pattern.fullmatch(path)
            if match is not None:
                return methods, match.groupdict()
        return {}, {}


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))


class Api:
    """The ASGI application behind `/api`."""

    def __init__(self, prefix: str, operations: tuple[Operation, ...] = OPERATIONS) -> None:
        self._prefix = prefix
        self._operations = operations
        self._paths = _Paths(operations)
        self._origins = FirstPartyOrigins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except (DatabaseUnavailableError, PasswordHasherBusyError) as error:
            response = _unavailable(error)
        response.headers.setdefault("cache-control", NO_STORE)
        add_to_challenge(response.headers, services_of(request).settings)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        origin = await self._allowed_origin(request)
        cors.let_read(request, origin)
        return await self._respond(request, is_allowed_origin=origin is not None)

    async def _allowed_origin(self, request: Request) -> str | None:
        origin = request.headers.get("origin")
        if origin is None:
            return None
        # until the database has answered; where it does not, a script that could read answers reads that
        cors.let_read(request, origin if self._origins.knew(origin) else None)
        return origin if await self._origins.allow(services_of(request), origin) else None

    async def _respond(self, request: Request, *, is_allowed_origin: bool) -> Response:
        path = request.url.path.removeprefix(self._prefix)
        if path in (DOCUMENT_PATH, REFERENCE_PATH):
            return self._documentation(request, path)
        methods, parts = self._paths.find(path)
        if not methods:
            return _error(ApiError(404, "Not found"))
        if request.method == "OPTIONS":
            return _preflight(methods, is_allowed=is_allowed_origin)
        operation = methods.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            allowed = ", ".join((*methods, "OPTIONS"))
            return _error(ApiError(405, "Method not allowed", headers={"allow": allowed}))
        return await run(operation, request, parts)

    def _documentation(self, request: Request, path: str) -> Response:
        if request.method == "OPTIONS":
            return _preflight({"GET": None}, is_allowed=True)
        if request.method not in ("GET", "HEAD"):
            return _error(ApiError(405, "Method not allowed", headers={"allow": "GET, HEAD, OPTIONS"}))
        if path == REFERENCE_PATH:
            return page(request, self._operations)
        return _json(200, document(services_of(request).settings, self._operations))


async def run(operation: Operation, request: Request, path: Mapping[str, str]) -> Response:
    """Read the body, make the call, and answer what came of it."""
    try:
        if operation.is_bearer:
            # so that the check of the token knows the client: operators may have disabled it
            await services_of(request).registry.find(tokens.CLIENT_ID)
        values = {} if operation.body is None else await body.read(request, operation.body)
        return _reply(await operation.handler(Call.of(request, values, path, is_bearer=operation.is_bearer)))
    except ApiError as error:
        members = " ".join(sorted({problem.member for problem in error.problems}))
        note_answer(error.status, error.detail if not members else f"cannot be used: {members}")
        return _error(error)
    except BodyTooLargeError:
        return _error(ApiError(413, TOO_LARGE))
    except (DatabaseUnavailableError, PasswordHasherBusyError) as error:
        return _unavailable(error)


def _unavailable(error: Exception) -> Response:
    logger().warning("unavailable", cause=str(error))
    return _error(ApiError(503, UNAVAILABLE, headers={"retry-after": RETRY_SECONDS}))


class _SomeMethods(Protocol):
    def __iter__(self) -> Any: ...


def _preflight(methods: _SomeMethods, *, is_allowed: bool) -> Response:
    response = Response(status_code=204)
    response.headers["allow"] = ", ".join((*methods, "OPTIONS"))
    if is_allowed:
        cors.write_preflight(response.headers, methods)
    return response


def _reply(reply: Reply) -> Response:
    response = Response(status_code=reply.status) if reply.body is None else _json(reply.status, reply.body)
    response.headers.update(reply.headers)
    return response


def _error(error: ApiError) -> Response:
    content: dict[str, Any] = {"detail": error.detail}
    if error.problems:
        content["errors"] = [asdict(problem) for problem in error.problems]
    response = _json(error.status, content)
    response.headers.update(error.headers)
    return response


def _json(status: int, content: Mapping[str, Any]) -> Response:
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    return Response(text.encode("utf-8"), status, media_type=JSON_TYPE)
