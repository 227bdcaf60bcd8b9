"""Reading a call's body within bounds, and checking it against what the operation says of it."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from keys.decoding import decode_json_object
from server.api import errors
from server.api.errors import ApiError, Problem
from server.api.operation import JSON_TYPE, UNREADABLE, WRONG_TYPE, Body, Member
from server.protocol.errors import InvalidRequestError
from server.protocol.request import form_parameters, read_body

_TYPES: Mapping[str, tuple[type, str]] = {
    "string": (str, "a text"),
    "object": (dict, "an object"),
    "boolean": (bool, "true or false"),
}


async def read(request: Request, body: Body) -> dict[str, Any]:
    """Return the known members that were given. Raises ApiError, BodyTooLargeError."""
    given = await (_read_json(request) if body.media_type == JSON_TYPE else _read_form(request, body))
    values = {member.name: given[member.name] for member in body.members if member.name in given}
    problems = [problem for member in body.members if (problem := _problem(member, values)) is not None]
    if not problems and body.one_of and not any(values.get(name) is not None for name in body.one_of):
        problems.append(Problem(body.one_of[0], f"Give one of {', '.join(body.one_of)}."))
    if problems:
        raise errors.invalid(*problems)
    return values


def media_type_of(request: Request) -> str:
    """Return the Content-Type without its parameters; "" where another charset than UTF-8 is named."""
    headers = request.headers.getlist("content-type")
    kind, _, options = (headers[0] if len(headers) == 1 else "").partition(";")
    charset = options.replace(" ", "").replace('"', "").lower()
    return kind.strip().lower() if charset in ("", "charset=utf-8") else ""


async def _read_json(request: Request) -> dict[str, Any]:
    # A form of a foreign page can have no JSON type without asking first (CORS).
    if media_type_of(request) != JSON_TYPE:
        raise ApiError(415, WRONG_TYPE.format(type=JSON_TYPE))
    try:
        return decode_json_object(await read_body(request))
    except (ValueError, InvalidRequestError):
        raise ApiError(400, UNREADABLE) from None


async def _read_form(request: Request, body: Body) -> dict[str, Any]:
    if media_type_of(request) != body.media_type:
        raise ApiError(415, WRONG_TYPE.format(type=body.media_type))
    try:
        parameters = await form_parameters(request)
    except InvalidRequestError as error:
        raise ApiError(400, str(error.description)) from None
    if parameters.repeated:
        raise ApiError(400, "A parameter is repeated")
    return dict(parameters.values)


def _problem(member: Member, values: Mapping[str, Any]) -> Problem | None:
    if member.name not in values:
        return Problem(member.name, f"{member.name} is required.") if member.is_required else None
    value, kinds = values[member.name], member.schema["type"]
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if value is None and "null" in kinds:
        return None
    kind = next((kind for kind in kinds if kind in _TYPES), "string")
    expected, words = _TYPES[kind]
    if not isinstance(value, expected):
        return Problem(member.name, f"{member.name} must be {words}.")
    if isinstance(value, str):
        return _text_problem(member, value)
    return None


def _text_problem(member: Member, value: str) -> Problem | None:
    longest = member.schema.get("maxLength")
    if longest is not None and len(value) > longest:
        return Problem(member.name, f"{member.name} has at most {longest} characters.")
    if "\0" in value:
        return Problem(member.name, f"{member.name} has a character that cannot be in it.")
    return None
