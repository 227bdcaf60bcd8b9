"""Reading `authorization_details` (RFC 9396), checking them against their types, and saying them in words."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clients.client import Client
from keys.decoding import decode_json_object
from server.languages import Message as _
from server.protocol.errors import InvalidAuthorizationDetailsError
from server.protocol.json_schema import problem_of
from server.protocol.request import Parameters
from server.protocol.services import Services

NAME = "authorization_details"
MAX_CHARACTERS = 8192
MAX_OBJECTS = 20

YES, NO = _("Yes"), _("No")
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"
"""Persian, the scripts of India and emoji are written with them."""

_SAYABLE = re.compile(r"[ -!#-\[\]-~]{1,500}")

Details = list[dict[str, Any]]
Values = tuple[str, ...]
"""What a field says: one text, or those of a list."""


@dataclass(frozen=True, slots=True)
class Words:
    """One object for people: what it allows, and its fields."""

    title: str
    fields: tuple[tuple[str, Values], ...]
    groups: tuple[tuple[str, tuple[tuple[str, Values], ...]], ...] = ()
    """What belongs together because it is an object of a list, under the list's name and its number in it."""


def read(parameters: Parameters) -> Details | None:
    """Return the objects of a request, None where it has none. Raises InvalidAuthorizationDetailsError."""
    text = parameters.get(NAME)
    if text is None:
        return None
    problem = InvalidAuthorizationDetailsError("The authorization_details are no list of objects, each with a type")
    if len(text) > MAX_CHARACTERS or "\\u0000" in text:
        raise problem
    try:
        wrapped = decode_json_object(f'{{"{NAME}":{text}}}'.encode())
    except (ValueError, OverflowError):
        raise problem from None
    objects = wrapped[NAME]
    is_list = len(wrapped) == 1 and isinstance(objects, list) and len(objects) <= MAX_OBJECTS
    if not is_list or not all(isinstance(item, dict) and isinstance(item.get("type"), str) for item in objects):
        raise problem
    return list(objects)


def check(objects: Iterable[Mapping[str, Any]], client: Client, services: Services) -> None:
    """Refuse objects of a type that is unknown or not the client's, and those that are not as their type says (5)."""
    for item in objects:
        if not is_allowed(item, client, services):
            raise InvalidAuthorizationDetailsError(_refusal(item, services))
        schema = services.detail_types[item["type"]].schema
        problem = problem_of({name: value for name, value in item.items() if name != "type"}, schema)
        if problem is not None:
            text = f"The authorization_details are not as the type {item['type']} says: {problem}"
            # Operators may name types and fields as they like; a description has few characters (RFC 6749 section 5.2).
            is_sayable = _SAYABLE.fullmatch(text)
            raise InvalidAuthorizationDetailsError(
                text if is_sayable else "The authorization_details are not as their type says"
            )


def _refusal(item: Mapping[str, Any], services: Services) -> str:
    """Say why a type is refused, with its name where it is one of ours, which discovery announces."""
    if item["type"] in services.detail_types and _SAYABLE.fullmatch(item["type"]):
        return f"The client is not registered for authorization_details of the type {item['type']}"
    return "A type of authorization_details is unknown or not for this client"


def is_allowed(item: Mapping[str, Any], client: Client, services: Services) -> bool:
    """Whether a client may ask for objects of this type (section 10: only those that it is registered for)."""
    return item["type"] in services.detail_types and item["type"] in client.authorization_details_types


def is_meant_for(item: Mapping[str, Any], audience: Iterable[str]) -> bool:
    """Whether an object says something to this audience (section 9.1); without `locations`, or audience, it does."""
    locations, audiences = item.get("locations"), set(audience)
    return not audiences or not isinstance(locations, list) or bool(audiences & {str(uri) for uri in locations})


def in_words(objects: Iterable[Mapping[str, Any]], services: Services) -> list[Words]:
    """Return what the person decides about (section 12); labels are the `title` of a field in its schema."""
    said = []
    for item in objects:
        known = services.detail_types.get(item["type"])
        schema = {} if known is None else known.schema
        grouped: dict[str, list[tuple[str, Values]]] = {"": []}
        for group, label, values in _fields({name: value for name, value in item.items() if name != "type"}, schema):
            grouped.setdefault(group, []).append((label, values))
        fields = tuple(grouped.pop(""))
        groups = tuple((group, tuple(inner)) for group, inner in grouped.items())
        said.append(Words(_seen(item["type"]) if known is None else known.description or item["type"], fields, groups))
    return said


def _fields(
    value: object, schema: Mapping[str, Any], label: str = "", group: str = ""
) -> Iterator[tuple[str, str, Values]]:
    """Say a value as fields, each with the group that it belongs to ("" for none)."""
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name, inner in value.items():
            known = properties.get(name, {})
            title = known.get("title") or _seen(name)
            yield from _fields(inner, known, f"{label}, {title}" if label else title, group)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for number, item in enumerate(value, start=1):
            place, inner = f"{label} {number}".strip(), schema.get("items", {})
            if isinstance(item, dict):
                yield from _fields(item, inner, group=f"{group}, {place}" if group else place)
            else:
                yield from _fields(item, inner, place, group)
    else:
        yield group, label, tuple(_text(item) for item in value) if isinstance(value, list) else (_text(value),)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return YES if value else NO
    return "\N{EN DASH}" if value is None else _seen(str(value))


def _seen(text: str) -> str:
    """Put a mark where something unseen would turn, hide or break what the person reads."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _UNSEEN and c not in _JOINERS else c for c in text
    )
