"""One request of a browser: its cookies, its form, and the response that carries the cookies back."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from server.accounts import session_state, sessions
from server.accounts.sessions import Session
from server.accounts.user import User
from server.events.context import Context
from server.languages import Language
from server.languages import Message as _
from server.languages.language import MAX_WISHES, wishes_of
from server.pages import cookies
from server.pages.render import Renderer
from server.protocol.request import Parameters
from server.protocol.services import Services, context_of, services_of
from server.storage import users
from server.tokens import opaque

BROWSER_KIND = "browser"
VISIT = "ostiary.visit"
"""Key of the request's scope."""


class PageError(Exception):
    """Something that a person must be told on a page of its own."""

    def __init__(
        self,
        status: int,
        title: str,
        message: str,
        what_to_do: str,
        *,
        retry_after: int | None = None,
        is_noted: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.title = title
        self.message = message
        self.what_to_do = what_to_do
        self.retry_after = retry_after
        self.is_noted = is_noted
        """Whether the log has a better line already."""


def stale() -> PageError:
    """Return the error of a page that is over: finished, timed out, or of another browser."""
    return PageError(
        400,
        _("This page is no longer valid"),
        _("It was already used, it is too old, or it was opened in another browser."),
        _("Go back to the application you came from and start again."),
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
    trusted_cookie: str | None
    language: Language
    _asked: tuple[str, ...] = ()
    """What an application asked for with `ui_locales`."""
    _set: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    _cleared: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, request: Request) -> "Visit":
        """Read the browser's cookies; a browser without one gets an id."""
        services = services_of(request)
        settings = services.settings
        browser = cookies.read(request, cookies.BROWSER, settings)
        renderer = cast("Renderer", request.app.state.renderer)
        visit = cls(
            services=services,
            renderer=renderer,
            context=context_of(request),
            now=services.clock.now(),
            browser=browser or secrets.token_urlsafe(24),
            is_new_browser=browser is None,
            is_post=request.method == "POST",
            session_cookie=cookies.read(request, cookies.SESSION, settings),
            known_cookie=cookies.read(request, cookies.KNOWN, settings),
            trusted_cookie=cookies.read(request, cookies.TRUSTED, settings),
            language=_language_of(request, renderer),
        )
        request.scope[VISIT] = visit
        return visit

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
                _("This form could not be accepted"),
                _("Your browser did not send the cookie that belongs to this form, or the form is too old."),
                _("Allow cookies for this site, go back, reload the page and try again."),
            )

    def prefer(self, ui_locales: Sequence[str]) -> None:
        """Speak the language that an application asked for, where we do (OpenID Connect Core section 3.1.2.1)."""
        self._asked = tuple(ui_locales[: MAX_WISHES // 2])
        self.language = self.renderer.languages.choose([*self._asked, self.language.tag])

    def _speak_to(self, user: User) -> None:
        """Speak the language that the person chose for their account, unless an application asked for another."""
        if user.is_language_chosen and user.language:
            self.language = self.renderer.languages.choose([*self._asked, user.language, self.language.tag])

    def say(self, text: str) -> str:
        """Return a text in the person's language."""
        return self.language.say(text)

    def moment(self, seconds: int) -> str:
        """Return a time for people, in UTC."""
        return self.language.moment(seconds)

    def place(self, address: str) -> str:
        """Return an address for people: with its place, where the operator's database knows it."""
        place = self.services.places.find(address, (self.language.tag,))
        return f"{place} ({address})" if place else address

    def session(self, db: Connection, *, touch: bool = True) -> tuple[Session | None, User | None]:
        """Return the browser's live session and its person; with `touch=False` its use is not noted."""
        if self.session_cookie is None:
            return None, None
        session = sessions.find(db, self.session_cookie, self.now, touch=touch)
        user = None if session is None else users.find_by_id(db, session.user_id)
        if user is None:
            return None, None
        self._speak_to(user)
        return session, user

    def keep_session(self, value: str, *, session_id: str, max_age: int | None) -> None:
        """Give the browser its new sign-in."""
        self.session_cookie = value
        self._cleared.discard(cookies.SESSION)
        self._set[cookies.SESSION] = (value, max_age)
        if self.services.settings.session_management:
            self._cleared.discard(cookies.STATE)
            self._set[cookies.STATE] = (session_state.browser_state(self.services.sealer, session_id), max_age)

    def keep_known(self, value: str) -> None:
        """Mark the browser as one in which somebody signed in."""
        self._set[cookies.KNOWN] = (value, cookies.KNOWN_SECONDS)

    def keep_trusted(self, value: str, *, max_age: int) -> None:
        """Give the browser the mark of one that its person trusts."""
        self.trusted_cookie = value
        self._set[cookies.TRUSTED] = (value, max_age)

    def forget_session(self) -> None:
        """Take the sign-in from the browser."""
        self.session_cookie = None
        self._set.pop(cookies.SESSION, None)
        self._cleared.add(cookies.SESSION)
        if self.services.settings.session_management:
            self._set.pop(cookies.STATE, None)
            self._cleared.add(cookies.STATE)

    def page(
        self,
        template: str,
        context: Mapping[str, Any],
        *,
        status: int = 200,
        form_targets: tuple[str, ...] = (),
        frames: tuple[str, ...] = (),
    ) -> HTMLResponse:
        """Render a page for this browser."""
        response = self.renderer.page(
            template,
            context,
            request_id=self.context.request_id,
            csrf_token=self.csrf_token,
            language=self.language,
            status=status,
            form_targets=form_targets,
            frames=frames,
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
            "message": error.message,
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


def _language_of(request: Request, renderer: Renderer) -> Language:
    """Return the language that the browser asks for; an error page speaks that of the page it takes the place of."""
    earlier = request.scope.get(VISIT)
    if isinstance(earlier, Visit):
        return earlier.language
    return renderer.languages.choose(wishes_of(request.headers.get("accept-language", "")))
