"""Who the person is: every standard claim that people may change themselves, their username and their language."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import profile_changes
from server.accounts.profile_changes import ADDRESS_FIELDS, CLAIM_FIELDS
from server.accounts.user import User
from server.languages import Message
from server.languages import Message as _
from server.pages.account import navigation
from server.pages.account.guard import Owner, Room, form, page
from server.protocol.request import Parameters

LANGUAGE_FIELD = "language"


async def _show(room: Room, _query: Parameters) -> Response:
    owner = await room.run(lambda _db, owner: owner)
    return _page(room, owner, _values(owner.user), {})


def _values(user: User) -> dict[str, str]:
    """Return what the form shows: the stored claims, the members of the address each in its field."""
    address = user.claims.get("address") or {}
    values = {name: str(user.claims.get(name) or "") for name in CLAIM_FIELDS}
    values |= {field: str(address.get(member) or "") for field, member in ADDRESS_FIELDS.items()}
    return {
        **values,
        "username": user.username or "",
        LANGUAGE_FIELD: user.language or "" if user.is_language_chosen else "",
    }


def _page(room: Room, owner: Owner, values: Mapping[str, str], errors: Mapping[str, Message]) -> Response:
    languages: list[dict[str, Any]] = [{"value": "", "label": _("As the browser asks"), "lang": None}]
    languages += [
        {"value": language.tag, "label": language.name, "lang": language.tag}
        for language in room.visit.renderer.languages
    ]
    known = {language["value"] for language in languages}
    context = {
        "values": {**values, LANGUAGE_FIELD: values[LANGUAGE_FIELD] if values[LANGUAGE_FIELD] in known else ""},
        "errors": {name: errors.get(name) for name in values},
        "has_errors": bool(errors),
        "languages": languages,
        "zones": _zones(),
        "is_email_verified": owner.user.email_verified,
        "email_url": room.visit.renderer.url(navigation.EMAIL),
    }
    return room.page(owner, "profile.html", context, status=400 if errors else 200)


@cache
def _zones() -> tuple[str, ...]:
    """Return the time zones that people live in, for the field's suggestions."""
    regions = (
        "Africa/",
        "America/",
        "Antarctica/",
        "Asia/",
        "Atlantic/",
        "Australia/",
        "Europe/",
        "Indian/",
        "Pacific/",
    )
    return tuple(sorted(zone for zone in available_timezones() if zone.startswith(regions)))


async def _take(room: Room, fields: Parameters) -> Response:
    names = (*CLAIM_FIELDS, *ADDRESS_FIELDS, "username", LANGUAGE_FIELD)
    values = {name: fields.get(name) or "" for name in names}
    spoken = [language.tag for language in room.visit.renderer.languages]

    def work(db: Connection, owner: Owner) -> tuple[Owner, Mapping[str, Message]]:
        language = values[LANGUAGE_FIELD] if values[LANGUAGE_FIELD] in spoken else None
        errors = profile_changes.apply(
            db, owner.user, values, language=language, context=owner.context, now=room.visit.now
        )
        return owner, errors

    owner, errors = await room.run(work)
    return _page(room, owner, values, errors) if errors else room.leave(navigation.PROFILE, "saved")


show = page(navigation.PROFILE, _show)
take = form(navigation.PROFILE, _take)
