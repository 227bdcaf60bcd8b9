"""What every answer says in its headers: a tour through all routes, each with a few representative answers."""

import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, quote, urlencode, urljoin, urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Mount, Route

from server.accounts import credentials
from server.accounts.user import find_by_email
from server.events.context import CLI
from server.routes import PAGES
from tests.conftest import Serve
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer

BACK = "https://client.example/bye"
PUBLIC = ("/jwks", "/.well-known/", "/robots.txt", "/static/")
"""What everybody may keep."""
CROSS_ORIGIN = ("/token", "/par", "/jwks", "/userinfo", "/revoke", "/.well-known/")
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
async def rp(server: RunningServer) -> RelyingParty:
    secret = await server.add_client(client_name="Web Shop", post_logout_redirect_uris=[BACK])
    return RelyingParty(server, client_secret=secret)


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
        assert answer.headers["cross-origin-opener-policy"] == "same-origin", name
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"]), name
        assert len(answer.headers.get_list("x-request-id")) == 1, name
        assert answer.status_code == 304 or not answer.content or "content-type" in answer.headers, name


@once
async def test_scripts_of_other_sites_read_only_what_is_made_for_them(tour: Tour) -> None:
    """RFC 9700 section 2.6: never the authorization endpoint."""
    for name, answer in tour.where(lambda _: True):
        found = answer.headers.get("access-control-allow-origin")
        is_known = answer.status_code not in (404, 405)
        assert found == ("*" if is_known and _path(answer).startswith(CROSS_ORIGIN) else None), name
        assert "access-control-allow-credentials" not in answer.headers, name
        if found:
            assert "set-cookie" not in answer.headers, name


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


@once
async def test_no_parameter_leads_away_from_here(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """RFC 9700 section 4.11."""
    names = "next return_to returnTo continue continue_to redirect redirect_url redirect_uri url target dest goto rd to"
    names += " post_logout_redirect_uri RelayState target_link_uri initiate_login_uri callback service request_uri path"
    targets = ("https://evil.example/", "//evil.example/", "\\\\evil.example", "/\\evil.example", "javascript:alert(1)")
    await rp.sign_in(person)
    paths = ("/", "/account", "/account/register", "/end-session", "/authorize", "/account/set-password", "/jwks")
    for target in targets:
        query = urlencode(dict.fromkeys(names.split(), target))
        for path in paths:
            for response in (
                await person.http.get(f"{path}?{query}"),
                await person.http.post(f"{path}?{query}", data=dict.fromkeys(names.split(), target)),
            ):
                location = response.headers.get("location", "/")
                assert urljoin(server.issuer, location).startswith(server.issuer + "/"), (path, location)
                assert not location.startswith(("//", "/\\", "\\")), (path, location)
                assert not _links_to(response, target), path


def _links_to(response: httpx.Response, target: str) -> bool:
    return any(url.startswith(target) for url in re.findall(r'(?:href|action|src)="([^"]*)"', response.text))


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": "https://client.example/cb/../evil"},
        {"redirect_uri": "https://client.example/cb?x=y"},
        {"redirect_uri": "https://client.example/cb#x"},
        {"redirect_uri": "https://client.example@evil.example/cb"},
        {"redirect_uri": "https://client.example.evil.example/cb"},
        {"redirect_uri": "HTTPS://CLIENT.EXAMPLE/cb"},
        {"redirect_uri": "https://client.example/cb\r\nlocation: https://evil.example"},
        {"redirect_uri": "//client.example/cb"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "data:text/html,x"},
        {"redirect_uri": "https://evil.example/", "prompt": "none"},
        {"redirect_uri": "https://evil.example/", "response_type": "nonsense"},
        {"redirect_uri": "https://evil.example/", "response_mode": "form_post"},
        {"redirect_uri": "https://evil.example/", "client_id": "nobody"},
    ],
)
@once
async def test_an_unregistered_redirect_uri_is_not_followed(
    person: Person, rp: RelyingParty, changes: dict[str, str]
) -> None:
    """RFC 6749 section 3.1.2.4, RFC 9700 section 4.11.2."""
    for response in (
        await person.http.get(rp.url(**changes)),
        await person.http.post("/authorize", data=rp.parameters(**changes)),
    ):
        assert response.status_code == 400
        assert "location" not in response.headers
        assert "evil.example" not in response.text


@once
async def test_nothing_that_a_client_sends_breaks_out_of_a_header(person: Person, rp: RelyingParty) -> None:
    """RFC 9110 section 5.5."""
    odd = "a\r\nset-cookie: x=y\r\n\r\n<script>\N{EURO SIGN}&code=z#f"
    for changes in ({}, {"scope": "nonsense"}, {"prompt": "none"}):
        await person.visit(rp.url(**{"state": odd, "prompt": "none", **changes}))
        assert person.left_for is not None
        assert person.left_for.isascii()
        assert person.left_for.isprintable()
        assert parse_qs(urlsplit(person.left_for).query)["state"] == [odd]


@once
async def test_nothing_in_an_address_breaks_out_of_a_header(server: RunningServer) -> None:
    """RFC 9110 section 5.5: an address that nobody has given out is answered with an error, not repeated."""
    odd = ("x\r\nset-cookie: x=y", "\N{EURO SIGN}", "..\\..", "\\\\evil.example", "x\0", "oin_unknown")
    async with server.http() as http:
        for identifier in odd:
            for step in ("register", "sign-in", "nonsense"):
                response = await http.get(f"/interaction/{quote(identifier, safe='')}/{step}", headers=HTML)
                assert (response.status_code, "location" in response.headers) == (400, False), (identifier, step)


def test_no_forwarded_header_of_a_stranger_reaches_an_address_that_we_give_out(serve: Serve) -> None:
    """RFC 9700 section 4.13: the issuer alone says who we are; nobody is a trusted proxy by default."""
    server = serve()
    evil = {
        "host": "evil.example",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "gopher",
        "x-forwarded-port": "666",
        "x-forwarded-prefix": "/evil.example",
        "x-forwarded-for": "203.0.113.66",
        "x-real-ip": "203.0.113.66",
        "forwarded": "for=203.0.113.66;host=evil.example;proto=gopher",
        "x-original-url": "/evil.example",
        "x-rewrite-url": "/evil.example",
        **HTML,
    }
    paths = "/ /account /account/ /account/register /.well-known/openid-configuration /jwks /static"
    paths += " /.well-known/oauth-authorization-server /authorize /userinfo /nonsense //evil.example/.."
    with server.http() as http:
        for path in paths.split():
            response = http.get(server.address + path, headers=evil)
            told = json.dumps(list(response.headers.multi_items())) + response.text
            assert response.status_code < 500, path
            for word in ("evil.example", "gopher", "666"):
                assert word not in told.replace(response.headers["x-request-id"], ""), path
        document = http.get("/.well-known/openid-configuration", headers=evil).json()
        for name, value in document.items():
            if name.endswith(("_endpoint", "_uri")):
                assert value.startswith(server.issuer + "/"), name
    assert "203.0.113.66" not in server.log
    assert '"address": "127.0.0.1"' in server.log


def test_a_trusted_proxy_may_say_who_asks_and_still_not_who_we_are(serve: Serve) -> None:
    """RFC 9700 section 4.13."""
    server = serve(trusted_proxies="127.0.0.1")
    headers = {"x-forwarded-for": "203.0.113.66", "x-forwarded-host": "evil.example", "host": "evil.example"}
    with server.http() as http:
        document = http.get("/.well-known/openid-configuration", headers={**headers, "x-forwarded-proto": "https"})
        response = http.get("/account", headers=headers)
    assert document.json()["issuer"] == server.issuer
    assert response.headers["location"].startswith("/interaction/")
    assert '"address": "203.0.113.66"' in server.log
