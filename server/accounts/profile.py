"""Which values a stored claim may have: OpenID Connect Core section 5.1."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

MAX_TEXT_LENGTH = 255
MAX_URL_LENGTH = 2000
MAX_FORMATTED_ADDRESS_LENGTH = 1000
ADDRESS_MEMBERS = ("formatted", "street_address", "locality", "region", "postal_code", "country")
_LINED_MEMBERS = frozenset({"formatted", "street_address"})
_BIRTHDATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}", re.ASCII)
_LOCALE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,6}", re.ASCII)
_PHONE = re.compile(r"\+?[0-9 ()./-]{3,40}(;ext=[0-9]{1,10})?", re.ASCII)


class InvalidProfileError(ValueError):
    """A claim has a value that it cannot have; the message names the claim, for people."""


def validate_profile(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims as they are stored: known ones with a value, nulls and empty texts left out.

    Raises InvalidProfileError. `sub`, `email`, `email_verified` and `updated_at` are not stored as claims.
    """
    stored = {}
    for name, value in claims.items():
        check = _CHECKS.get(name)
        if check is None:
            raise InvalidProfileError(f"{name[:64]!r} is not a claim that can be stored.")
        checked = None if value is None else check(name, value)
        if checked not in (None, "", {}):
            stored[name] = checked
    return stored


def _text(name: str, value: object, *, longest: int = MAX_TEXT_LENGTH, lines: bool = False) -> str:
    if not isinstance(value, str):
        raise InvalidProfileError(f"{name} must be text.")
    trimmed = value.strip()
    if len(trimmed) > longest:
        raise InvalidProfileError(f"{name} must have at most {longest} characters.")
    allowed = "\r\n" if lines else ""
    if any(unicodedata.category(character) in ("Cc", "Cs") and character not in allowed for character in trimmed):
        raise InvalidProfileError(f"{name} has a control character.")
    return trimmed


def _url(name: str, value: object) -> str:
    text = _text(name, value, longest=MAX_URL_LENGTH)
    if not text:
        return text
    try:
        parts = urlsplit(text)
        is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in text
    except ValueError:
        is_fine = False
    if not is_fine:  # javascript: and data: URLs would run in whatever shows the profile
        raise InvalidProfileError(f"{name} must be a URL that starts with https:// or http://.")
    return text


def _matching(pattern: re.Pattern[str], description: str) -> Callable[[str, object], str]:
    def check(name: str, value: object) -> str:
        text = _text(name, value)
        if text and not pattern.fullmatch(text):
            raise InvalidProfileError(f"{name} must be {description}.")
        return text

    return check


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidProfileError(f"{name} must be true or false.")
    return value


def _address(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise InvalidProfileError(f"{name} must be an object.")
    unknown = [member for member in value if member not in ADDRESS_MEMBERS]
    if unknown:
        raise InvalidProfileError(f"{name} has the unknown member {str(unknown[0])[:64]!r}.")
    members = {
        member: _text(
            f"{name}.{member}",
            value[member],
            longest=MAX_FORMATTED_ADDRESS_LENGTH if member in _LINED_MEMBERS else MAX_TEXT_LENGTH,
            lines=member in _LINED_MEMBERS,
        )
        for member in ADDRESS_MEMBERS
        if value.get(member) is not None
    }
    return {member: text for member, text in members.items() if text}


_CHECKS: Mapping[str, Callable[[str, object], Any]] = {
    "name": _text,
    "given_name": _text,
    "family_name": _text,
    "middle_name": _text,
    "nickname": _text,
    "preferred_username": _text,
    "profile": _url,
    "picture": _url,
    "website": _url,
    "gender": _text,
    "birthdate": _matching(_BIRTHDATE, "a date such as 1970-12-31, or a year; 0000-12-31 leaves the year out"),
    "zoneinfo": _matching(_ZONE, "a time zone such as Europe/Paris"),
    "locale": _matching(_LOCALE, "a language such as en or fr-CA"),
    "phone_number": _matching(_PHONE, "a telephone number such as +1 604 555 1234"),
    "phone_number_verified": _flag,
    "address": _address,
}
