"""OpenID Connect Session Management 1.0."""

from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie

import httpx
import pytest

from server.accounts.session_state import digest, origin_of, session_state
from tests.conftest import Serve
from tests.support.chromium import Chromium
from tests.support.person import Person
from tests.support.receiver import Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer
from tests.support.session_frame import page_that_asks

ON = pytest.mark.parametrize("overrides", [{"session_management": True}], indirect=True)
COOKIE = "__Host-ostiary_session_state"
ORIGIN = "https://client.example"


def _matches(answer: dict[str, str], rp: RelyingParty, cookie: str) -> bool:
    found, _, salt = answer["session_state"].partition(".")
    return bool(salt) and found == digest(rp.client_id, ORIGIN, cookie, salt)


async def test_without_the_setting_there_is_nothing_of_it(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
        assert (await http.get("/check-session")).status_code == 404
    assert "check_session_iframe" not in document
    await rp.sign_in(person)
    assert "session_state" not in person.answer()
    assert COOKIE not in person.http.cookies


@ON
async def test_it_is_announced(server: RunningServer) -> None:
    """Section 3.3."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert document["check_session_iframe"] == server.issuer + "/check-session"


@ON
async def test_an_answer_holds_the_state_of_the_sign_in(person: Person, rp: RelyingParty) -> None:
    """Sections 2 and 3.2: a salted hash over client, origin and the browser's state."""
    await rp.sign_in(person)
    first = person.answer()
    assert _matches(first, rp, person.http.cookies[COOKIE])
    await person.visit(rp.url(prompt="none"))
    second = person.answer()
    assert second["session_state"] != first["session_state"]
    assert _matches(second, rp, person.http.cookies[COOKIE])


@ON
async def test_what_is_no_authentication_request_gets_no_state(person: Person, rp: RelyingParty) -> None:
    """Section 2: it belongs to authentication responses."""
    rp.scope = "profile"
    await rp.sign_in(person)
    assert "session_state" not in person.answer()


@ON
async def test_the_state_goes_with_the_sign_in_and_changes_with_the_person(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 3.2: it changes when somebody signs in or out."""
    await rp.sign_in(person)
    answer, cookie = person.answer(), person.http.cookies[COOKIE]
    await person.visit("/end-session")
    await person.submit(("decision", "sign-out"))
    assert COOKIE not in person.http.cookies
    assert not _matches(answer, rp, "")
    await rp.sign_in(person)
    assert person.http.cookies[COOKIE] != cookie
    assert not _matches(answer, rp, person.http.cookies[COOKIE])
    assert server.settings.session_management


@ON
async def test_scripts_may_read_the_state_and_nothing_else(person: Person, rp: RelyingParty) -> None:
    """Section 3.2: the cookie is readable and third-party, so it must be good for nothing else."""
    seen: dict[str, str] = {}
    person.http.event_hooks = {"response": [_collect(seen)]}
    await rp.sign_in(person)
    assert "httponly" not in seen[COOKIE].lower()
    assert "samesite=none" in seen[COOKIE].lower()
    assert "secure" in seen[COOKIE].lower()
    for name, line in seen.items():
        if name != COOKIE:
            assert "httponly" in line.lower(), name
            assert "samesite=lax" in line.lower(), name
    session = person.http.cookies["__Host-ostiary_session"]
    person.http.cookies.set("__Host-ostiary_session", person.http.cookies[COOKIE], domain="login.example.com", path="/")
    assert person.http.cookies[COOKIE] != session
    await person.visit(rp.url(prompt="none"))
    assert person.answer()["error"] == "login_required"


def _collect(seen: dict[str, str]) -> Callable[[httpx.Response], Awaitable[None]]:
    async def hook(response: httpx.Response) -> None:
        for line in response.headers.get_list("set-cookie"):
            seen[next(iter(SimpleCookie(line)))] = line

    return hook


@ON
async def test_the_page_may_be_framed_and_does_nothing_else(server: RunningServer, person: Person) -> None:
    """Section 3.3, with the strictest policy that lets it work."""
    await person.visit("/check-session")
    policy = dict(part.split(" ", 1) for part in person.response.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "*",
    }
    assert "x-frame-options" not in person.response.headers
    assert "set-cookie" not in person.response.headers
    async with server.http() as http:
        # Every other page stays as it was.
        other = await http.get("/account")
        assert other.status_code == 303
        page = await http.get(other.headers["location"])
    assert page.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://client.example/cb?a=b", "https://client.example"),
        ("https://client.example:443/cb", "https://client.example"),
        ("https://CLIENT.example:8443/cb", "https://client.example:8443"),
        ("http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
        ("http://[::1]:80/", "http://[::1]"),
        ("com.example.app:/cb", None),
    ],
)
def test_the_origin_is_written_as_browsers_write_it(uri: str, origin: str | None) -> None:
    """RFC 6454 section 6.2."""
    assert origin_of(uri) == origin
    assert (session_state("web", uri, "state") is None) == (origin is None)


@pytest.mark.browser
async def test_a_client_asks_in_a_browser(serve: Serve, chromium: Chromium) -> None:
    """Section 3.2 and 3.3: unchanged, changed, error."""
    server = serve(session_management="on")
    async with Receiver() as client:
        here = client.origin.replace("127.0.0.1", "localhost")
        client.answers["/"] = page_that_asks(server.issuer)
        page = await chromium.new_page()
        await page.context.add_cookies([{"name": "ostiary_session_state", "value": "state-1", "url": server.issuer}])
        await page.goto(here + "/", wait_until="load")
        mine = f"web {digest('web', here, 'state-1', 'salt')}.salt"
        assert await page.evaluate("(question) => ask(question)", mine) == "unchanged"
        assert await page.evaluate("(question) => ask(question)", f"another {mine.partition(' ')[2]}") == "changed"
        for nonsense in ("", "web", "web nosalt", "web a.b c", 5):
            assert await page.evaluate("(question) => ask(question)", nonsense) == "error"
        await page.context.clear_cookies()
        assert await page.evaluate("(question) => ask(question)", mine) == "changed"
