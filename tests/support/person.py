"""A person with a browser: no JavaScript, cookies, forms by field name."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pyotp

from tests.support.server import PASSWORD, RunningServer


@dataclass
class Form:
    """A form with its present values and submit buttons."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.title = ""
        self.texts: list[str] = []
        self.by_id: dict[str, str] = {}
        self.by_class: dict[str, list[str]] = {}
        self._open: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag not in ("input", "meta", "link", "br", "img"):
            self._open.append((tag, values))
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get")))
        elif tag == "input" and self.forms and values.get("name"):
            if values.get("type") != "checkbox":
                self.forms[-1].fields[values["name"]] = values.get("value", "")
        elif tag == "button" and self.forms and values.get("name"):
            self.forms[-1].buttons.append((values["name"], values.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            if self._open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._open and self._open[-1][0] == "title":
            self.title += data
        for _, values in self._open:
            if "id" in values:
                self.by_id[values["id"]] = self.by_id.get(values["id"], "") + data
        if self._open and data.strip():
            for name in self._open[-1][1].get("class", "").split():
                self.by_class.setdefault(name, []).append(data.strip())


class Person:
    """Goes from page to page until the issuer sends the browser somewhere else."""

    def __init__(self, server: RunningServer, *, email: str = "alice@example.com", password: str = PASSWORD) -> None:
        self.server = server
        self.email = email
        self.password = password
        self.http = server.http(headers={"accept": "text/html", "user-agent": "Person/1.0"})
        self.response: httpx.Response = httpx.Response(200)
        self.page = _Reader()
        self.left_for: str | None = None
        """The foreign URL that the browser was sent to."""
        self.secret: str | None = None
        self.recovery_codes: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def visit(self, url: str) -> Self:
        """Open a URL and follow redirects within the issuer."""
        return await self._arrive(await self.http.get(url))

    async def _arrive(self, response: httpx.Response) -> Self:
        self.left_for = None
        for _ in range(10):
            if response.status_code not in (301, 302, 303):
                break
            target = urljoin(str(response.request.url), response.headers["location"])
            if not target.startswith(self.server.issuer):
                self.left_for = response.headers["location"]
                break
            response = await self.http.get(target)
        self.response = response
        self.page = _Reader()
        self.page.feed(response.text)
        return self

    @property
    def title(self) -> str:
        return self.page.title.partition(" \N{EN DASH} ")[0]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.page.texts).split())

    @property
    def form(self) -> Form:
        assert self.page.forms, self.text
        return self.page.forms[0]

    async def submit(self, button: tuple[str, str] | None = None, form: Form | None = None, **fields: str) -> Self:
        """Fill in and send the page's first form."""
        form = form or self.form
        values = {**form.fields, **fields}
        if button is not None:
            values[button[0]] = button[1]
        url = urljoin(str(self.response.request.url), form.action)
        headers = {"origin": self.server.settings.origin}
        return await self._arrive(await self.http.post(url, data=values, headers=headers))

    async def sign_in(self, *, remember: bool = False, **fields: str) -> Self:
        """Fill in the sign-in page."""
        assert self.title == "Sign in", self.text
        values = {"email": self.email, "password": self.password, **fields}
        if remember:
            values["remember"] = "yes"
        return await self.submit(None, None, **values)

    async def postpone(self) -> Self:
        """Put off the offer of a second factor."""
        assert self.title == "Protect your account", self.text
        return await self.submit(("decision", "postpone"))

    def code(self) -> str:
        """Return what the authenticator app shows now."""
        assert self.secret is not None
        return pyotp.TOTP(self.secret).at(self.server.clock.now())

    async def enrol(self) -> Self:
        """Set up the authenticator app that the page shows, and go on."""
        assert self.title == "Protect your account", self.text
        self.secret = self.page.by_id["totp-secret"].replace(" ", "")
        await self.submit(code=self.code())
        self.recovery_codes = self.page.by_class.get("recovery-code", [])
        return self

    async def consent(self, decision: str = "allow") -> Self:
        """Decide on the consent page."""
        assert self.title == "Allow access", self.text
        return await self.submit(("decision", decision))

    def answer(self) -> dict[str, str]:
        """Return the parameters with which the browser was sent to the client, in the query or the fragment."""
        assert self.left_for is not None, self.text
        parts = urlsplit(self.left_for)
        return {
            name: values[0] for name, values in parse_qs(parts.fragment or parts.query, strict_parsing=True).items()
        }
