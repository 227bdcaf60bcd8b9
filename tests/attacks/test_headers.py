"""What every answer says in its headers: a tour through all routes, each with a few representative answers."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlencode, urljoin

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Mount, Route

from server.accounts import credentials
from server.accounts.user import find_by_email
from server.events.context import CLI
from server.middleware.cross_origin import CrossOriginRoute
from server.routes import PAGES
from tests.attacks.conftest import BACK
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer

PUBLIC = ("/jwks", "/.well-known/", "/robots.txt", "/static/")
"""What everybody may keep."""
CROSS_ORIGIN = ("/token", "/par", "/jwks", "/userinfo", "/revoke", "/.well-known/")
POPUPS = ("/authorize", "/interaction/", "/end-session", "/sign-out/")
"""What a popup passes through between the application's page and its callback."""
HTML = {"accept": "text/html"}
once = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
"""Headers do not depend on the database."""


class Tour:
    """Keeps every answer on the way."""

    def __init__(self, server: RunningServer, person: Person, rp: RelyingParty) -> None:
        self.server, self.person, self.rp = server, person, rp
        self.answers: list[httpx.Response] = []
        person.http.event_hooks["response"].append(self._keep)

    async def _keep(self, response: httpx.Response) -> None:
        await response.aread()
        self.answers.append(response)

    async def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        """Send a request without cookies."""
        async with self.server.http(event_hooks={"response": [self._keep]}) as http:
            return await http.request(method, path, **options)  # type: ignore[arg-type]  # httpx names each of them

    def where(self, test: Callable[[httpx.Response], bool]) -> Iterator[tuple[str, httpx.Response]]:
        for answer in self.answers:
            if test(answer):
                yield f"{answer.request.method} {answer.request.url.path} -> {answer.status_code}", answer


def _is_page(answer: httpx.Response) -> bool:
    return str(answer.headers.get("content-type", "")).startswith("text/html")


def _path(answer: httpx.Response) -> str:
    return answer.request.url.path


@pytest.fixture
async def tour(server: RunningServer, person: Person, rp: RelyingParty) -> Tour:
    made = Tour(server, person, rp)
    await _programs(made)
    await _people(made)
    await _mistakes(made)
    return made


async def _programs(tour: Tour) -> None:
    rp = tour.rp
    token = {"grant_type": "authorization_code", "redirect_uri": rp.redirect_uri, "code_verifier": rp.verifier}
    await tour.server.add_person("carol@example.com", name="Carol")
    async with Person(tour.server, email="carol@example.com") as other:
        code, again = await rp.code_for(other), await rp.code_for(other)
    tokens = (await tour.ask("POST", "/token", data={**token, "code": code}, auth=rp.auth)).json()
    await tour.ask("POST", "/token", data={**token, "code": again}, auth=(rp.client_id, "wrong"))
    await tour.ask("POST", "/token", data={**token, "code": again, "client_id": "web", "client_secret": "wrong"})
    await tour.ask("POST", "/token", data={"grant_type": "nonsense"}, auth=rp.auth)
    await tour.ask("POST", "/token", content=b"x" * 70_000, headers={"content-type": "text/plain"})
    bearer = {"authorization": f"Bearer {tokens['access_token']}", "origin": "https://spa.example"}
    for method in ("GET", "POST"):
        await tour.ask(method, "/userinfo", headers=bearer)
        await tour.ask(method, "/userinfo")
    await tour.ask("GET", "/userinfo", headers={"authorization": "Bearer nonsense"})
    for path in ("/introspect", "/revoke"):
        for auth in (rp.auth, (rp.client_id, "wrong"), None):
            await tour.ask("POST", path, data={"token": tokens["access_token"]}, auth=auth)
    await tour.ask("POST", "/par", data=rp.parameters(), auth=rp.auth)
    await tour.ask("POST", "/device_authorization", data={"scope": "openid"}, auth=rp.auth)
    await tour.ask("POST", "/bc-authorize", data={"scope": "openid", "login_hint": "alice"}, auth=rp.auth)
    await tour.ask("OPTIONS", "/device_authorization", headers={"origin": "https://spa.example"})
    documents = ("oauth-authorization-server", "openid-configuration", "oauth-protected-resource")
    metadata = tuple(f"/.well-known/{name}" for name in documents)
    for path in ("/jwks", *metadata, "/health/live", "/health/ready", "/robots.txt", "/static/brand.css"):
        await tour.ask("GET", path)
    await tour.ask("GET", "/client-logo", params={"client_id": rp.client_id})
    for path in (*metadata, "/jwks", "/token", "/par", "/userinfo", "/revoke", "/introspect", "/authorize", "/account"):
        headers = {"origin": "https://spa.example", "access-control-request-method": "POST"}
        await tour.ask("OPTIONS", path, headers=headers)


async def _people(tour: Tour) -> None:
    person, rp = tour.person, tour.rp
    await person.visit("/")
    await person.visit(rp.url())
    await person.sign_in(password="wrong")
    form = person.form
    await person.http.post(form.action, data={"email": "x"})
    await person.http.post(form.action, data=form.fields, headers={"origin": "https://evil.example"})
    await person.visit(form.action.rpartition("/")[0] + "/register")
    await person.submit(None, None, name="", email="x", password="short")
    await person.visit(form.action)
    await person.sign_in()
    await person.enrol()
    await person.visit(rp.url())
    await person.consent()
    await person.http.post("/authorize", data=rp.parameters())
    await person.visit(rp.url(prompt="none", response_mode="form_post"))
    await person.visit(rp.url(prompt="none", scope="nonsense"))
    await person.visit(rp.url(prompt="select_account"))
    await person.submit(("decision", "other"))
    tour.server.clock.advance(60)
    await person.sign_in()
    await person.submit(code="000000")
    await person.submit(code=person.code())
    await _account(tour)


async def _account(tour: Tour) -> None:
    person = tour.person
    async with Person(tour.server) as phone:
        phone.secret = person.secret
        tour.server.clock.advance(60)
        await tour.rp.code_for(phone, prompt="login")
    await person.visit("/account")
    forms = {form.action: form for form in person.page.forms}
    for form in forms.values():
        await person.submit(None, form)
    token = person.form.fields["csrf_token"] if person.page.forms else next(iter(forms.values())).fields["csrf_token"]
    await person.http.post("/account/second-factor", data={"csrf_token": token})
    for path, methods, _ in PAGES:
        if path.startswith(("/account/", "/device")) and "GET" in methods:
            await person.visit(path)
        if path.startswith(("/account/", "/device")) and "POST" in methods:
            await person.http.post(path, data={"csrf_token": token})
    await person.visit("/end-session")
    await person.submit(("decision", "sign-out"))
    await person.http.post("/end-session", data={"client_id": "web", "post_logout_redirect_uri": BACK})
    now = tour.server.clock.now()
    user = await tour.server.run(lambda db: find_by_email(db, person.email))
    assert user is not None
    link = await tour.server.run(
        lambda db: credentials.create_password_link(db, user, context=CLI, now=now, seconds=60)
    )
    await person.visit(f"/account/set-password?token={link}")
    await person.submit(password="an entirely new pass phrase")
    await person.visit("/account/register")
    await person.submit(None, None, name="Bob", email="bob@example.com", password=PASSWORD)


async def _mistakes(tour: Tour) -> None:
    for headers in (HTML, {"accept": "application/json"}):
        for path in (
            "/authorize",
            "/authorize?client_id=nobody",
            "/nonsense",
            "/static/nonsense",
            "/account/",
            "/jwks/",
        ):
            await tour.ask("GET", path, headers=headers)
        for path in ("/token", "/introspect", "/sign-out/x"):
            await tour.ask("GET", path, headers=headers)
        await tour.ask("DELETE", "/account", headers=headers)
        await tour.ask("POST", "/authorize", content=b"{}", headers={**headers, "content-type": "application/json"})
        await tour.ask("POST", "/interaction/x/sign-in", data={"a": "b" * 70_000}, headers=headers)
        await tour.ask("GET", "/interaction/oin_nonsense", headers=headers)
        await tour.ask("GET", "/account/set-password?token=opw_nonsense", headers=headers)
        await tour.ask("GET", f"/end-session?{urlencode({'post_logout_redirect_uri': BACK})}", headers=headers)


@once
async def test_the_tour_visits_every_route_with_every_method(tour: Tour) -> None:
    seen = {(answer.request.method, _path(answer)) for answer in tour.answers}
    missing = []
    for route in tour.server.app.routes:
        if isinstance(route, Mount):
            continue
        assert isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}:
            scopes = ({"type": "http", "method": m, "path": p} for m, p in seen if m == method)
            if not any(route.matches(scope)[0] is Match.FULL for scope in scopes):
                missing.append(f"{method} {route.path}")
    assert missing == []
    assert not [answer for _, answer in tour.where(lambda answer: answer.status_code >= 500)]


@once
async def test_no_answer_about_a_person_or_a_token_is_kept_anywhere(tour: Tour) -> None:
    """RFC 6749 section 5.1, RFC 7662 section 2.2, OpenID Connect Core section 3.1.3.3; RFC 9111 section 5.2.2.5."""
    kept = [
        name
        for name, answer in tour.where(lambda answer: not _path(answer).startswith(PUBLIC))
        if answer.request.method != "OPTIONS" and "no-store" not in answer.headers.get("cache-control", "")
    ]
    assert kept == []
    for name, answer in tour.where(lambda answer: _path(answer) == "/token" and answer.status_code == 200):
        assert answer.headers["pragma"] == "no-cache", name


@once
async def test_pages_load_nothing_from_elsewhere_and_cannot_be_framed(tour: Tour) -> None:
    """RFC 9700 section 4.16, RFC 6819 section 5.2.2.6."""
    pages = list(tour.where(_is_page))
    assert len({_path(answer) for _, answer in pages}) > 10
    for name, answer in pages:
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
        assert policy.pop("default-src") == "'none'", name
        assert policy.pop("frame-ancestors") == "'none'", name
        assert policy.pop("base-uri") == "'none'", name
        assert policy.pop("img-src") == "'self' data:", name
        assert policy.pop("form-action") in ("'self'", "'self' https://client.example"), name
        assert policy == {"script-src": "'self'", "style-src": "'self'"}, name
        assert answer.headers["x-frame-options"] == "DENY", name
        assert answer.headers["referrer-policy"] == "no-referrer", name


@once
async def test_pages_hold_neither_inline_code_nor_addresses_of_others(tour: Tour) -> None:
    for name, answer in tour.where(_is_page):
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", answer.text), name
        for attribute, url in re.findall(r'\b(src|href|action)="([^"]*)"', answer.text):
            is_ours = urljoin(tour.server.issuer, url).startswith(tour.server.issuer + "/")
            is_answer = attribute == "action" and url == tour.rp.redirect_uri
            assert is_ours or is_answer or url.startswith("otpauth:"), f"{name}: {attribute} {url}"


@once
async def test_every_answer_carries_the_common_headers(tour: Tour) -> None:
    """RFC 6797 section 7.1."""
    for name, answer in tour.where(lambda _: True):
        assert answer.headers["x-content-type-options"] == "nosniff", name
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000"), name
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"]), name
        assert len(answer.headers.get_list("x-request-id")) == 1, name
        assert answer.status_code == 304 or not answer.content or "content-type" in answer.headers, name


@once
async def test_what_a_popup_passes_through_keeps_its_opener_and_nothing_else_does(tour: Tour) -> None:
    """HTML Standard section 7.1.3: one answer with the policy, also a redirect, cuts a popup off from its opener."""
    passed = {name for name, answer in tour.where(lambda answer: _path(answer).startswith(POPUPS))}
    assert all(any(path in name and name.endswith("200") for name in passed) for path in POPUPS)
    assert all(any(path in name and name.endswith("303") for name in passed) for path in POPUPS[:3])
    for name, answer in tour.where(lambda _: True):
        expected = None if name in passed else "same-origin"
        assert answer.headers.get("cross-origin-opener-policy") == expected, name


@once
@pytest.mark.parametrize("overrides", [{"issuer": "https://example.com/authorize"}], indirect=True)
async def test_the_opener_policy_depends_on_the_path_below_that_of_the_issuer(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    assert await rp.sign_in(person)
    async with server.http() as http:
        for path, expected in (
            ("/authorize/authorize", None),
            ("/authorize/interaction/oin_nonsense", None),
            ("/authorize/account", "same-origin"),
            ("/authorize/token", "same-origin"),
            ("/interaction/oin_nonsense", "same-origin"),
        ):
            answer = await http.get("https://example.com" + path)
            assert answer.headers.get("cross-origin-opener-policy") == expected, path


@once
async def test_scripts_of_other_sites_read_only_what_is_made_for_them(tour: Tour) -> None:
    """RFC 9700 section 2.6: never the authorization endpoint."""
    for name, answer in tour.where(lambda _: True):
        found = answer.headers.get("access-control-allow-origin")
        is_known = answer.status_code != 404
        assert found == ("*" if is_known and _path(answer).startswith(CROSS_ORIGIN) else None), name
        assert "access-control-allow-credentials" not in answer.headers, name
        if found:
            assert "set-cookie" not in answer.headers, name
            assert not _is_page(answer), name


@once
async def test_every_401_says_how_to_authenticate(tour: Tour) -> None:
    """RFC 9110 section 15.5.2, RFC 6749 section 5.2, RFC 6750 section 3."""
    refused = list(tour.where(lambda answer: answer.status_code == 401))
    assert {_path(answer) for _, answer in refused} == {"/token", "/userinfo", "/introspect", "/revoke"}
    wrong = []
    for name, answer in refused:
        scheme = "Bearer" if _path(answer) == "/userinfo" else "Basic"
        if not answer.headers.get("www-authenticate", "").startswith(f'{scheme} realm="'):
            wrong.append(name)
    assert wrong == []


@once
async def test_cookies_are_bound_to_this_host_and_to_https(tour: Tour) -> None:
    """RFC 6265bis section 4.1.3.2; OWASP ASVS 5.0 section 3.3."""
    cookies = [(name, line) for name, answer in tour.where(lambda _: True) for line in _cookies(answer)]
    names = {line.partition("=")[0] for _, line in cookies}
    assert names == {"__Host-ostiary_browser", "__Host-ostiary_session", "__Host-ostiary_known"}
    for name, line in cookies:
        parts = {part.strip().lower() for part in line.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= parts, name
        assert not [part for part in parts if part.startswith("domain")], name


def _cookies(answer: httpx.Response) -> list[str]:
    return answer.headers.get_list("set-cookie")


@once
async def test_every_redirect_forgets_the_form_and_the_page_before(tour: Tour) -> None:
    """RFC 9700 section 4.12: 303, and never 307, or the browser would send the password on."""
    redirects = list(tour.where(lambda answer: "location" in answer.headers))
    assert "POST" in {answer.request.method for _, answer in redirects}
    for name, answer in redirects:
        assert answer.status_code == 303, name
        assert answer.headers["referrer-policy"] == "no-referrer", name
        assert answer.headers["location"].startswith(("/", "https://client.example/")), name
        assert not answer.headers["location"].startswith("//"), name
        assert answer.content == b"", name


@once
async def test_an_accident_is_answered_with_the_same_headers(server: RunningServer) -> None:
    """The answer to a bug comes from the outermost layer of the framework; it must not come out naked."""

    async def bug(request: Request) -> Response:
        raise LookupError(request.url.path)

    server.app.router.routes.insert(0, Route("/bug", bug))
    async with server.http() as http:
        for headers in ({}, HTML):
            answer = await http.get("/bug", headers=headers)
            assert answer.status_code == 500
            assert "LookupError" not in answer.text
            assert "no-store" in answer.headers["cache-control"]
            for name in ("x-content-type-options", "strict-transport-security", "x-request-id"):
                assert name in answer.headers
            assert "access-control-allow-origin" not in answer.headers


@once
async def test_scripts_may_read_that_there_was_an_accident_where_they_read_the_rest(server: RunningServer) -> None:
    """Fetch Standard section 3.3."""

    async def bug(request: Request) -> Response:
        raise LookupError(request.url.path)

    server.app.router.routes.insert(0, CrossOriginRoute("/bug", bug, ("GET",)))
    async with server.http(headers={"origin": "https://spa.example", **HTML}) as http:
        answer = await http.get("/bug")
    assert answer.status_code == 500
    assert answer.json()["error"] == "server_error"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
