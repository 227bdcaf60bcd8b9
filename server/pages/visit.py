"""One request of a browser: its cookies, its form, and the response that carries the cookies back."""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from server.accounts import sessions
from server.accounts.sessions import Session
from server.accounts.user import User
from server.events.context import Context
from server.pages import cookies
from server.pages.render import Renderer
from server.protocol.request import Parameters
from server.protocol.services import Services, context_of, services_of
from server.storage import users
from server.tokens import opaque

BROWSER_KIND = "browser"


class PageError(Exception):
    """Something that a person must be told on a page of its own."""

    def __init__(
        self, status: int, title: str, message: str, what_to_do: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.title = title
        self.message = message
        self.what_to_do = what_to_do
        self.retry_after = retry_after


def stale() -> PageError:
    """Return the error of a page that is over: finished, timed out, or of another browser."""
    return PageError(
        400,
        "This page is no longer valid",
        "It was already used, it is too old, or it was opened in another browser.",
        "Go back to the application you came from and start again.",
    )


@dataclass(slots=True)
class Visit:
    """A browser's request and what must go back to it."""

    services: Services
    renderer: Renderer
    context: Context
    now: int
    browser: str
    is_new_browser: bool
    is_post: bool
    session_cookie: str | None
    known_cookie: str | None
    _set: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    _cleared: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, request: Request) -> "Visit":
        """Read the browser's cookies; a browser without one gets an id."""
        services = services_of(request)
        settings = services.settings
        browser = cookies.read(request, cookies.BROWSER, settings)
        return cls(
            services=services,
            renderer=cast("Renderer", request.app.state.renderer),
            context=context_of(request),
            now=services.clock.now(),
            browser=browser or secrets.token_urlsafe(24),
            is_new_browser=browser is None,
            is_post=request.method == "POST",
            session_cookie=cookies.read(request, cookies.SESSION, settings),
            known_cookie=cookies.read(request, cookies.KNOWN, settings),
        )

    @property
    def browser_digest(self) -> str:
        """What an interaction stores to recognise its browser."""
        return opaque.digest(BROWSER_KIND, self.browser)

    @property
    def csrf_token(self) -> str:
        """The token of this browser's forms: only our own pages can show it (RFC 9700 section 4.7)."""
        key = self.services.sealer.derive("csrf")
        return hmac.digest(key, self.browser.encode(), "sha256").hex()

    def check_csrf(self, form: Parameters) -> None:
        """Refuse a form that did not come from a page of ours in this browser."""
        given = form.get("csrf_token") or ""
        if self.is_new_browser or not hmac.compare_digest(given.encode("utf-8", "replace"), self.csrf_token.encode()):
            raise PageError(
                403,
                "This form could not be accepted",
                "Your browser did not send the cookie that belongs to this form, or the form is too old.",
                "Allow cookies for this site, go back, reload the page and try again.",
            )

    def session(self, db: Connection, *, touch: bool = True) -> tuple[Session | None, User | None]:
        """Return the browser's live session and its person; with `touch=False` its use is not noted."""
        if self.session_cookie is None:
            return None, None
        session = sessions.find(db, self.session_cookie, self.now, touch=touch)
        user = None if session is None else users.find_by_id(db, session.user_id)
        return (session, user) if user is not None else (None, None)

    def keep_session(self, value: str, *, max_age: int | None) -> None:
        """Give the browser its new sign-in."""
        self.session_cookie = value
        self._cleared.discard(cookies.SESSION)
        self._set[cookies.SESSION] = (value, max_age)

    def keep_known(self, value: str) -> None:
        """Mark the browser as one in which somebody signed in."""
        self._set[cookies.KNOWN] = (value, cookies.KNOWN_SECONDS)

    def forget_session(self) -> None:
        """Take the sign-in from the browser."""
        self.session_cookie = None
        self._set.pop(cookies.SESSION, None)
        self._cleared.add(cookies.SESSION)

    def page(
        self, template: str, context: Mapping[str, Any], *, status: int = 200, form_targets: tuple[str, ...] = ()
    ) -> HTMLResponse:
        """Render a page for this browser."""
        response = self.renderer.page(
            template,
            context,
            request_id=self.context.request_id,
            csrf_token=self.csrf_token,
            status=status,
            form_targets=form_targets,
        )
        return cast("HTMLResponse", self.finish(response))

    def redirect(self, url: str) -> Response:
        """Send the browser on with GET, whatever it did before (RFC 9700 section 4.12)."""
        response = RedirectResponse(url, 303)
        response.headers["location"] = url  # as it is: `state` must arrive byte for byte
        response.headers["cache-control"] = "no-store"
        response.headers["referrer-policy"] = "no-referrer"
        return self.finish(response)

    def error(self, error: PageError) -> Response:
        """Render an error page."""
        values = {
            "status": error.status,
            "title": error.title,
            "message": str(error),
            "what_to_do": error.what_to_do,
            "link_url": None,
            "link_text": None,
        }
        response = self.page("error.html", values, status=error.status)
        if error.retry_after is not None:
            response.headers["retry-after"] = str(error.retry_after)
        return response

    def finish(self, response: Response) -> Response:
        """Write the cookies that this visit changed."""
        settings = self.services.settings
        if self.is_new_browser and not self.is_post:
            # A POST from another site comes without cookies (SameSite=Lax): it must not replace those that are there.
            cookies.write(response, cookies.BROWSER, self.browser, settings, max_age=cookies.KNOWN_SECONDS)
        for name, (value, max_age) in self._set.items():
            cookies.write(response, name, value, settings, max_age=max_age)
        for name in self._cleared:
            cookies.clear(response, name, settings)
        return response
