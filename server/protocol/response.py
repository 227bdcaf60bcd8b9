"""Status, body and headers become a response here: `no-store`, `iss`, query or form_post."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from server.protocol.errors import OAuth2Error
from server.protocol.refusals import note

NO_STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))
"""RFC 6749 section 5.1."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a protocol endpoint says, before it becomes HTTP."""

    status: int
    body: Mapping[str, Any] | str | None
    """JSON; a text is a JWT."""
    headers: Sequence[tuple[str, str]] = field(default=())
    media_type: str = "application/json"


def to_response(answer: Answer) -> Response:
    """Make the HTTP response of a JSON endpoint."""
    content = b""
    if answer.body is not None:
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body, separators=(",", ":"))
        content = text.encode()
    response = Response(content, answer.status, media_type=None)
    for name, value in (*NO_STORE, *answer.headers):
        response.headers[name] = value
    if answer.body is not None:
        response.headers["content-type"] = answer.media_type
    return response


def error_answer(error: OAuth2Error) -> Answer:
    """Make the answer of a protocol error at a JSON endpoint (RFC 6749 section 5.2), and note it in the log."""
    note(error)
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


def with_parameters(uri: str, parameters: Mapping[str, str], *, in_fragment: bool = False) -> str:
    """Add parameters to a URI's query or fragment, values byte for byte as given (RFC 6749 sections 4.1.2, 4.2.2)."""
    base, hash_, fragment = uri.partition("#")
    if in_fragment:
        return f"{base}#{urlencode(parameters, quote_via=quote, safe='')}"  # a redirect URI has no fragment itself
    separator = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
    return base + separator + urlencode(parameters, quote_via=quote, safe="") + hash_ + fragment
