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


def is_valid(value: object, schema: Mapping[str, Any]) -> bool:
    """Whether a JSON value is as the schema says. The schema has passed `check_schema`."""
    named = _named_types(schema)
    if named and not any(_TYPES[name](value) for name in named):
        return False
    if "enum" in schema and not any(_is_same(value, item) for item in schema["enum"]):
        return False
    if "const" in schema and not _is_same(value, schema["const"]):
        return False
    if isinstance(value, dict):
        return _is_valid_object(value, schema)
    if isinstance(value, list):
        items = schema.get("items", {})
        return _is_between(len(value), schema, "minItems", "maxItems") and all(is_valid(item, items) for item in value)
    if isinstance(value, str):
        return _is_between(len(value), schema, "minLength", "maxLength")
    return not _is_number(value) or _is_between(value, schema, "minimum", "maximum")  # type: ignore[arg-type]  # a number


def _is_same(value: object, other: object) -> bool:
    """Whether two JSON values are equal: in Python, True is 1."""
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def _is_between(size: float, schema: Mapping[str, Any], least: str, most: str) -> bool:
    return bool(schema.get(least, size) <= size <= schema.get(most, size))


def _is_valid_object(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    properties = schema.get("properties", {})
    if not set(schema.get("required", ())) <= value.keys():
        return False
    if not schema.get("additionalProperties", False) and not value.keys() <= properties.keys():
        return False
    return all(is_valid(item, properties[name]) for name, item in value.items() if name in properties)
