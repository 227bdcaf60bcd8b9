"""What one operation is: the same description routes it, checks its body and documents it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.api.call import Call, Reply

Schema = Mapping[str, Any]
Handler = Callable[[Call], Awaitable[Reply]]
JSON_TYPE = "application/json"

UNREADABLE = "The body is not a JSON object in UTF-8"
TOO_LARGE = "The body is too large"
WRONG_TYPE = "The body must be {type}"
UNAVAILABLE = "The server cannot answer right now, try again"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a body; its JSON schema is what it is checked against."""

    name: str
    schema: Schema
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Body:
    """What a call sends. Members that are not listed are ignored."""

    members: tuple[Member, ...]
    example: Mapping[str, Any]
    media_type: str = JSON_TYPE
    one_of: tuple[str, ...] = ()
    """Members of which at least one must be given."""

    @property
    def schema(self) -> dict[str, Any]:
        """The whole body's JSON schema."""
        schema: dict[str, Any] = {
            "type": "object",
            "required": [member.name for member in self.members if member.is_required],
            "properties": {member.name: dict(member.schema) for member in self.members},
        }
        if self.one_of:
            schema["anyOf"] = [{"required": [name]} for name in self.one_of]
        return schema


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a call can succeed."""

    description: str
    schema: Schema | None = None
    example: Any = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table from which routing, validation and documentation are made."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    description: str
    handler: Handler
    answers: Mapping[int, Answer]
    body: Body | None = None
    is_bearer: bool = False
    refusals: Mapping[int, str] = field(default_factory=dict)
    """Statuses of its own with their meaning; those that all calls of its kind share are added."""
    is_throttled: bool = False

    @property
    def errors(self) -> dict[int, str]:
        """Every status with which it can refuse, and what that means."""
        found: dict[int, list[str]] = {}
        for status, text in (*self.refusals.items(), *_shared(self)):
            found.setdefault(status, []).append(text)
        return {status: " ".join(texts) for status, texts in sorted(found.items())}


def _shared(operation: Operation) -> list[tuple[int, str]]:
    shared = [(503, "The database or the password check is overloaded; `Retry-After` says when to come back.")]
    if operation.body is not None:
        is_json = operation.body.media_type == JSON_TYPE
        kind = "a JSON object in UTF-8" if is_json else "a form in UTF-8"
        shared += [
            (400, f"The body is not {kind}."),
            (413, "The body is larger than 64 KiB."),
            (415, f"The body is not `{operation.body.media_type}`."),
            (422, "A member is missing or cannot be used; `errors` names each."),
        ]
    if operation.is_bearer:
        shared += [
            (401, "`Not authenticated` without a token, `Invalid token` with a bad, expired or revoked one."),
            (403, "The token may not be used for that; `WWW-Authenticate` says what is missing."),
        ]
    if operation.is_throttled:
        shared.append((429, "Too many attempts; `Retry-After` says how many seconds to wait."))
    return shared
