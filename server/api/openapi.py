"""The OpenAPI 3.1 document, made from the operations that are served."""

from collections.abc import Iterable
from typing import Any

from server.api import mfa_token, person, sessions, tokens
from server.api.operation import Answer, Body, Operation
from server.settings import Settings

VERSION = "3.1.0"
API_VERSION = "1.0.0"
SECURITY = "bearer"
ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {"type": "string", "description": "What was refused, in English."},
        "errors": {
            "type": "array",
            "description": "What is wrong with which member, in the language that `Accept-Language` asks for.",
            "items": {
                "type": "object",
                "required": ["member", "message"],
                "properties": {"member": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
SCHEMAS: dict[str, Any] = {
    "User": dict(person.USER_SCHEMA),
    "Tokens": dict(tokens.TOKENS_SCHEMA),
    "MfaRequired": dict(mfa_token.SCHEMA),
    "Session": dict(sessions.SESSION_SCHEMA),
    "Error": ERROR_SCHEMA,
}
DESCRIPTION = """Accounts for an application's own front end and for native clients.

Bodies are JSON objects of at most 64 KiB; members that are not listed are ignored. Errors are
`{"detail": "..."}` with the status given; where members of the body are at fault, `errors` names each. Access tokens
are JWTs by RFC 9068 and are sent as `Authorization: Bearer`. No call uses or sets a cookie. Scripts may call from the
origins of registered first-party clients."""


def document(settings: Settings, operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the document of this server."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": VERSION,
        "info": {
            "title": f"{settings.brand_name} account API",
            "version": API_VERSION,
            "description": DESCRIPTION,
        },
        "servers": [{"url": settings.issuer.rstrip("/")}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {SECURITY: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "responses": {
            **{str(status): _answer(answer) for status, answer in operation.answers.items()},
            **{str(status): _refusal(status, text) for status, text in operation.errors.items()},
        },
    }
    if operation.is_bearer:
        described["security"] = [{SECURITY: []}]
    if operation.body is not None:
        described["requestBody"] = _body(operation.body)
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    if names:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    return described


def _body(body: Body) -> dict[str, Any]:
    return {"required": True, "content": {body.media_type: {"schema": body.schema, "example": dict(body.example)}}}


def _answer(answer: Answer) -> dict[str, Any]:
    if answer.schema is None:
        return {"description": answer.description}
    content = {"schema": dict(answer.schema), "example": answer.example}
    return {"description": answer.description, "content": {"application/json": content}}


_HEADERS = {
    401: {"WWW-Authenticate": "The challenge of RFC 6750 section 3."},
    403: {"WWW-Authenticate": "What the token lacks: RFC 6750 section 3.1, RFC 9470 section 3."},
    429: {"Retry-After": "Seconds to wait."},
    503: {"Retry-After": "Seconds to wait."},
}


def _refusal(status: int, text: str) -> dict[str, Any]:
    refusal: dict[str, Any] = {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    if status in _HEADERS:
        refusal["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in _HEADERS[status].items()
        }
    return refusal
