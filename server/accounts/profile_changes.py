"""What people change about themselves: standard claims field by field, so that each error stands at its field."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from server.accounts import registration
from server.accounts.claims import SCOPE_CLAIMS
from server.accounts.identifiers import InvalidIdentifierError
from server.accounts.profile import InvalidProfileError, validate_profile
from server.accounts.registration import UsernameTakenError
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.languages import Message
from server.languages import Message as _
from server.storage import users

# The other claims are kept by the server itself, or have a page of their own.
CLAIM_FIELDS = (*(name for name in SCOPE_CLAIMS["profile"] if name != "updated_at"), "phone_number")
ADDRESS_FIELDS = {
    "street_address": "street_address",
    "postal_code": "postal_code",
    "locality": "locality",
    "region": "region",
    "country": "country",
}
"""The fields of the address and the members of the claim that they fill."""
_WEB = _("Give an address that starts with https:// or http://.")
_TEXT = _("This is too long, or has a character that cannot be stored.")
_PROBLEMS: Mapping[str, Message] = {
    "profile": _WEB,
    "picture": _WEB,
    "website": _WEB,
    "birthdate": _("Give a date such as 1970-12-31, or only a year. 0000-12-31 leaves the year out."),
    "zoneinfo": _("Give a time zone such as Europe/Paris."),
    "locale": _("Give a language such as en or fr-CA."),
    "phone_number": _("Give a telephone number such as +1 604 555 1234."),
}


def apply(
    db: Connection, user: User, values: Mapping[str, str], *, language: str | None, context: Context, now: int
) -> dict[str, Message]:
    """Store what differs, all of it or nothing, and return the errors by field. An empty value removes a claim.

    `language` is that of pages and mails; None leaves it to the browser. A changed telephone number is not verified.
    """
    claims, errors = _claims(user, values)
    changes: registration.Changes = {}
    if claims != user.claims:
        changes["claims"] = claims
    if values["username"].strip() != (user.username or ""):
        changes["username"] = values["username"]
    if errors:
        return errors
    try:
        with db.begin_nested():
            if changes:
                registration.update(db, user, context=context, now=now, **changes)
            _set_language(db, user, language, context=context, now=now)
    except InvalidIdentifierError as error:
        return {"username": error.message}
    except UsernameTakenError:
        return {"username": _("This username is taken.")}
    return {}


def _set_language(db: Connection, user: User, language: str | None, *, context: Context, now: int) -> None:
    present = user.language if user.is_language_chosen else None
    if language != present:
        chosen_at = None if language is None else now
        fields = {"language": language or user.language, "language_chosen_at": chosen_at}
        users.update_fields(db, user.id, fields, now=now)
        record(db, Event.USER_UPDATED, context, now=now, user_id=user.id, fields=["language"])


def _claims(user: User, values: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Message]]:
    claims, errors = dict(user.claims), {}
    for name in CLAIM_FIELDS:
        try:
            checked = validate_profile({name: values[name]})
        except InvalidProfileError:
            errors[name] = _PROBLEMS.get(name, _TEXT)
            continue
        if checked.get(name) != claims.get(name) and name == "phone_number":
            claims.pop("phone_number_verified", None)
        claims.pop(name, None)
        claims |= checked
    address = dict(claims.pop("address", None) or {})
    for field, member in ADDRESS_FIELDS.items():
        try:
            checked = validate_profile({"address": {member: values[field]}}).get("address", {})
        except InvalidProfileError:
            errors[field] = _TEXT
            continue
        if checked.get(member) != address.pop(member, None):
            address.pop("formatted", None)  # it says what was written before
        address |= checked
    return claims | ({"address": address} if address else {}), errors
