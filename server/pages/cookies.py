"""The cookies: a browser's own id, its sign-in, the mark of a browser in which somebody signed in before, its trust."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from server.settings import Settings

BROWSER, SESSION, KNOWN, TRUSTED, STATE = "browser", "session", "known", "trusted", "session_state"
READABLE = frozenset({STATE})
"""Read by our script in a frame of a client's page (OpenID Connect Session Management 1.0); good for nothing else."""
KNOWN_SECONDS = 31_536_000
MAX_COOKIE_CHARACTERS = 512


def name_of(cookie: str, settings: Settings) -> str:
    """Return a cookie's full name: `__Host-` binds it to this host and to https (RFC 6265bis section 4.1.3.2)."""
    return f"__Host-ostiary_{cookie}" if settings.is_https else f"ostiary_{cookie}"


def read(request: Request, cookie: str, settings: Settings) -> str | None:
    """Return a cookie's value, None where it is absent or absurd."""
    value = request.cookies.get(name_of(cookie, settings))
    return value if value and len(value) <= MAX_COOKIE_CHARACTERS and value.isascii() else None


def write(response: Response, cookie: str, value: str, settings: Settings, *, max_age: int | None = None) -> None:
    """Set a cookie; without `max_age` it ends with the browser."""
    response.set_cookie(name_of(cookie, settings), value, max_age=max_age, **_attributes(cookie, settings))


def clear(response: Response, cookie: str, settings: Settings) -> None:
    """Remove a cookie."""
    response.delete_cookie(name_of(cookie, settings), **_attributes(cookie, settings))


def _attributes(cookie: str, settings: Settings) -> Any:
    is_readable = cookie in READABLE
    return {
        "path": "/",
        "secure": settings.is_https,
        "httponly": not is_readable,
        # Browsers take `none` with `secure` only.
        "samesite": "none" if is_readable and settings.is_https else "lax",
    }
