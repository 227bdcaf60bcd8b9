"""The reference of the JSON API as a page: made from the same operations, readable without JavaScript."""

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from server.api.openapi import SCHEMAS
from server.api.operation import JSON_TYPE, Answer, Operation, Schema
from server.pages.visit import Visit


@dataclass(frozen=True, slots=True)
class _Row:
    """One member of a body or a schema."""

    name: str
    type: str
    is_required: bool
    description: str


def page(request: Request, operations: Iterable[Operation]) -> Response:
    """Render the page. It is read, not used: no cookie, no form."""
    visit = Visit.of(request)
    settings = visit.services.settings
    groups: dict[str, list[dict[str, Any]]] = {}
    for operation in operations:
        groups.setdefault(operation.tag, []).append(_described(operation, settings.issuer.rstrip("/")))
    context = {
        "groups": groups,
        "schemas": [(name, _rows(schema)) for name, schema in SCHEMAS.items()],
        "base_url": settings.issuer.rstrip("/"),
        "document_url": visit.renderer.url("/api/openapi.json"),
    }
    return visit.renderer.page(
        "api_reference.html",
        context,
        request_id=visit.context.request_id,
        csrf_token="",  # there is no form
        language=visit.language,
    )


def _described(operation: Operation, base_url: str) -> dict[str, Any]:
    body = operation.body
    return {
        "id": operation.id,
        "method": operation.method,
        "path": operation.path,
        "summary": operation.summary,
        "description": operation.description,
        "is_bearer": operation.is_bearer,
        "media_type": None if body is None else body.media_type,
        "members": [] if body is None else _rows(body.schema),
        "one_of": () if body is None else body.one_of,
        "curl": _curl(operation, base_url),
        "answers": [
            (status, HTTPStatus(status).phrase, answer.description, _example(answer))
            for status, answer in operation.answers.items()
        ],
        "errors": [(status, HTTPStatus(status).phrase, text) for status, text in operation.errors.items()],
    }


def _rows(schema: Schema) -> list[_Row]:
    required = schema.get("required", ())
    return [
        _Row(name, _type(member), name in required, str(member.get("description", "")))
        for name, member in schema.get("properties", {}).items()
    ]


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    kind = schema.get("type", "object")
    text = kind if isinstance(kind, str) else " or ".join(kind)
    return f"{text} of {_type(schema['items'])}" if "items" in schema else text


def _example(answer: Answer) -> str | None:
    return None if answer.example is None else json.dumps(answer.example, indent=2, ensure_ascii=False)


def _curl(operation: Operation, base_url: str) -> str:
    """Return a command that makes the call."""
    method = "" if operation.method == "GET" else f" -X {operation.method}"
    lines = [f"curl{method} {base_url}{operation.path.replace('{id}', '$SESSION_ID')}"]
    if operation.is_bearer:
        lines.append('-H "Authorization: Bearer $ACCESS_TOKEN"')
    body = operation.body
    if body is not None and body.media_type == JSON_TYPE:
        lines += [f"-H 'Content-Type: {JSON_TYPE}'", f"-d {shlex.quote(json.dumps(body.example))}"]
    elif body is not None:
        lines += [f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in body.example.items()]
    return " \\\n  ".join(lines)
