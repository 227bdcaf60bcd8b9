"""The part of JSON Schema (draft 2020-12) that types of `authorization_details` are written in.

Served: `type`, `enum`, `const`; `properties`, `required`, `additionalProperties` as true or false; `items`, `minItems`,
`maxItems`; `minLength`, `maxLength`; `minimum`, `maximum`; and for people `title` and `description`. Everything else is
refused when a schema is registered, so that nothing is written down that nobody checks. Two differences are on purpose:
`additionalProperties` is false unless it is said to be true, because RFC 9396 section 5 refuses unknown fields; and
there is no `pattern`, because an expression could be made to take for ever.
"""

from collections.abc import Callable, Mapping
from typing import Any

MAX_DEPTH = 10
_ANNOTATIONS = frozenset({"$schema", "title", "description"})
_COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength"})
_BOUNDS = frozenset({"minimum", "maximum"})


class SchemaError(Exception):
    """A schema that cannot be used; the text says where and why."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


_TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and _is_whole(value),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def _named_types(schema: Mapping[str, Any]) -> list[Any]:
    named = schema.get("type", [])
    return named if isinstance(named, list) else [named]


def check_schema(schema: object, place: str = "schema", depth: int = 0) -> None:
    """Refuse a schema with anything in it that is not served. Raises SchemaError."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        raise SchemaError(f"{place} must be an object, nested at most {MAX_DEPTH} times")
    for keyword, value in schema.items():
        if not _is_served(keyword, value):
            raise SchemaError(f"{place}: {keyword} is not supported, or its value is not")
    if not all(isinstance(name, str) and name in _TYPES for name in _named_types(schema)):
        raise SchemaError(f"{place}: type must name types out of {' '.join(_TYPES)}")
    for name, inner in schema.get("properties", {}).items():
        check_schema(inner, f"{place}.{name}", depth + 1)
    if "items" in schema:
        check_schema(schema["items"], f"{place}.items", depth + 1)


def _is_served(keyword: str, value: object) -> bool:
    if keyword in _COUNTS:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if keyword in _BOUNDS:
        return _is_number(value)
    if keyword in _ANNOTATIONS:
        return isinstance(value, str)
    if keyword in ("enum", "required"):
        return isinstance(value, list) and (keyword == "enum" or all(isinstance(item, str) for item in value))
    if keyword == "additionalProperties":
        return isinstance(value, bool)
    return keyword in ("type", "const", "items") or (keyword == "properties" and isinstance(value, dict))


def problem_of(value: object, schema: Mapping[str, Any], place: str = "") -> str | None:
    """Return where a JSON value is not as the schema says, and why; None where it is.

    The text holds names and limits of the schema, and nothing of the value. The schema has passed `check_schema`.
    """
    named, place_name = _named_types(schema), place or "the object"
    if named and not any(_TYPES[name](value) for name in named):
        return f"{place_name} must be of type {' or '.join(named)}"
    for keyword, permitted in (("enum", schema.get("enum", ())), ("const", [schema.get("const")])):
        if keyword in schema and not any(_is_same(value, item) for item in permitted):
            return f"{place_name} has a value that is not permitted"
    if isinstance(value, dict):
        return _problem_of_object(value, schema, place)
    if isinstance(value, list):
        inner = (problem_of(item, schema.get("items", {}), f"{place}[{at}]") for at, item in enumerate(value))
        return _problem_of_size(len(value), schema, ("minItems", "maxItems"), place_name) or next(
            filter(None, inner), None
        )
    if isinstance(value, str):
        return _problem_of_size(len(value), schema, ("minLength", "maxLength"), place_name)
    return _problem_of_size(value, schema, ("minimum", "maximum"), place_name) if _is_number(value) else None  # type: ignore[arg-type]  # a number


def _is_same(value: object, other: object) -> bool:
    """Whether two JSON values are equal: in Python, True is 1."""
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def _problem_of_size(size: float, schema: Mapping[str, Any], limits: tuple[str, str], place: str) -> str | None:
    least, most = limits
    if schema.get(least, size) <= size <= schema.get(most, size):
        return None
    said = " and ".join(f"{name} {schema[name]}" for name in limits if name in schema)
    return f"{place} is not within {said}"


def _problem_of_object(value: Mapping[str, Any], schema: Mapping[str, Any], place: str) -> str | None:
    properties, inside = schema.get("properties", {}), f"{place}." if place else ""
    for name in schema.get("required", ()):
        if name not in value:
            return f"{inside}{name} is missing"
    if not schema.get("additionalProperties", False) and not value.keys() <= properties.keys():
        return f"{place or 'the object'} has a field that is not known"
    problems = (problem_of(value[name], properties[name], inside + name) for name in properties if name in value)
    return next(filter(None, problems), None)
