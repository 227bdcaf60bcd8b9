"""Status, body and headers become a response here: `no-store`, `iss`, query or form_post."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from server.protocol.errors import OAuth2Error

NO_STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))
"""RFC 6749 section 5.1."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a protocol endpoint says, before it becomes HTTP."""

    status: int
    body: Mapping[str, Any] | None
    headers: Sequence[tuple[str, str]] = field(default=())


def to_response(answer: Answer) -> Response:
    """Make the HTTP response of a JSON endpoint."""
    content = b"" if answer.body is None else json.dumps(answer.body, separators=(",", ":")).encode()
    response = Response(content, answer.status, media_type=None)
    for name, value in (*NO_STORE, *answer.headers):
        response.headers[name] = value
    if answer.body is not None:
        response.headers["content-type"] = "application/json"
    return response


def error_answer(error: OAuth2Error) -> Answer:
    """Make the answer of a protocol error at a JSON endpoint (RFC 6749 section 5.2)."""
    headers = [
        (name, value)
        for name, value in error.get_headers()
        if name.lower() not in ("content-type", "cache-control", "pragma")
    ]
    return Answer(error.status_code, error_parameters(error), headers)


def error_parameters(error: OAuth2Error) -> dict[str, str]:
    """Return an error's code and text as parameters."""
    parameters = {"error": str(error.error)}
    if error.description:
        parameters["error_description"] = str(error.description)
    return parameters


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """Add parameters to a URI's query, values byte for byte as given (RFC 6749 section 4.1.2)."""
    base, hash_, fragment = uri.partition("#")
    separator = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
    return base + separator + urlencode(parameters, quote_via=quote, safe="") + hash_ + fragment
