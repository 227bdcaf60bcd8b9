"""Strict base64url and JSON, as foreign tokens and keys must be read: one text has one reading, or none.

Everything that is refused raises ValueError, and the parser never meets what could exhaust it.
"""

import base64
import json
import math
import re
from typing import Any

MAX_DEPTH = 32
"""Objects and lists within each other; Python's own parser gives up with a RecursionError near a thousand."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")
# A string that never ends matches as well: starting over at each of its quotes would take quadratic time.
_STRING = re.compile(r'"[^"\\]*+(?:\\.?[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def encode_base64url(raw: bytes) -> bytes:
    """Return base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def decode_base64url(text: str) -> bytes:
    """Read base64url without padding (RFC 7515 section 2). Raises ValueError.

    Bits beyond the last byte must be zero: otherwise one signature could be written in several ways.
    """
    if not _BASE64URL.match(text):
        raise ValueError("not base64url")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode_base64url(raw).decode("ascii") != text:
        raise ValueError("not canonical base64url")
    return raw


def decode_json_object(raw: bytes) -> dict[str, Any]:
    """Read a JSON object in UTF-8, as strictly as `decode_json`. Raises ValueError."""
    value = decode_json(raw)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  everything that is refused is one kind of error
    return value


def decode_json(raw: bytes) -> Any:
    """Read JSON in UTF-8. Raises ValueError.

    Refuses a member that stands twice, NaN, Infinity and numbers beyond floats, half surrogate pairs, and deep nesting.
    """
    text = raw.decode("utf-8")
    _check_depth(text)
    value = json.loads(
        text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant, parse_float=_finite
    )
    if "\\ud" in text.lower():
        # Half a pair cannot be encoded: it would break whoever stores, logs or prints it later.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _check_depth(text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "{[" else -1
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _refuse_constant(_name: str) -> None:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is beyond all bounds")
    return value
