"""Browsers in which a person said "trust this browser": they need no second factor for a while.

Trust satisfies the server's policy and nothing else: it is no factor, so `amr` and `acr` say only what was shown. It
ends with its time, a new password, the removal of a factor, the disabling of the person, or when they say so.
"""

from sqlalchemy import Connection

from server.events.audit import record
from server.events.context import USER_AGENT_LENGTH, Context
from server.events.names import Event
from server.storage import trusted_browsers
from server.tokens import opaque

KIND = "trusted_browser"
PREFIX = "obr_"


def trust(db: Connection, user_id: str, *, seconds: int, context: Context, now: int) -> str:
    """Trust the browser for so long, and return its cookie's value."""
    value = opaque.mint(PREFIX)
    trusted_browsers.insert_browser(
        db,
        opaque.digest(KIND, value),
        user_id=user_id,
        user_agent=context.user_agent[:USER_AGENT_LENGTH],
        now=now,
        expires_at=now + seconds,
    )
    record(db, Event.BROWSER_TRUSTED, context, now=now, user_id=user_id, actor=user_id, seconds=seconds)
    return value


def is_trusted(db: Connection, cookie_value: str | None, user_id: str, now: int) -> bool:
    """Whether the cookie is that of a browser which this person trusts."""
    return cookie_value is not None and trusted_browsers.is_live(db, opaque.digest(KIND, cookie_value), user_id, now)


def count(db: Connection, user_id: str, now: int) -> int:
    """Return how many browsers the person trusts."""
    return trusted_browsers.count_of_user(db, user_id, now)


def forget_all(db: Connection, user_id: str, *, context: Context, now: int) -> int:
    """Trust none of the person's browsers any more, and return how many there were; nothing is written for none."""
    forgotten = trusted_browsers.delete_of_user(db, user_id)
    if forgotten:
        record(db, Event.TRUSTED_BROWSERS_FORGOTTEN, context, now=now, user_id=user_id, browsers=forgotten)
    return forgotten
