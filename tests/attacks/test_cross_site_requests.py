"""Forms that another site sends, sign-ins that somebody else prepared, pages that belong to another browser."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import Connection, select

from server.accounts import credentials, sessions
from server.accounts.user import find_by_email
from server.events.context import CLI
from server.storage.schema import metadata
from tests.support.person import Form, Person
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer

BROWSER, SESSION = "__Host-ostiary_browser", "__Host-ostiary_session"
NEW_PASSWORD = "an entirely new pass phrase"
Snapshot = dict[str, list[str]]


@dataclass
class Scene:
    """A person on the way to a form."""

    server: RunningServer
    person: Person
    rp: RelyingParty

    def form(self, action: str) -> Form:
        return next(form for form in self.person.page.forms if form.action.endswith(action))


Sending = tuple[Form, dict[str, str]]
"""A form that the person sees, and what has to be filled in."""
Approach = Callable[[Scene], Awaitable[Sending]]


async def _sign_in(scene: Scene) -> Sending:
    await scene.person.visit(scene.rp.url())
    return scene.person.form, {"email": scene.person.email, "password": PASSWORD}


async def _register(scene: Scene) -> Sending:
    await scene.person.visit(scene.rp.url(prompt="create"))
    return scene.person.form, {"name": "Bob", "email": "bob@example.com", "password": NEW_PASSWORD}


async def _select_account(scene: Scene) -> Sending:
    await scene.rp.sign_in(scene.person)
    await scene.person.visit(scene.rp.url(prompt="select_account consent"))
    return scene.person.form, {"decision": "continue"}


async def _second_factor(scene: Scene) -> Sending:
    await scene.person.visit(scene.rp.url())
    await scene.person.sign_in()
    await scene.person.enrol()
    scene.server.clock.advance(60)
    await scene.person.visit(scene.rp.url(prompt="login"))
    await scene.person.sign_in()
    return scene.person.form, {"code": scene.person.code()}


async def _offer_totp(scene: Scene) -> Sending:
    await scene.person.visit(scene.rp.url())
    await scene.person.sign_in()
    return scene.person.form, {"decision": "postpone"}


async def _enrol_totp(scene: Scene) -> Sending:
    await scene.person.visit(scene.rp.url(acr_values="aal2"))
    await scene.person.sign_in()
    scene.person.secret = scene.person.page.by_id["totp-secret"].replace(" ", "")
    return scene.person.form, {"code": scene.person.code()}


async def _consent(scene: Scene) -> Sending:
    await scene.person.visit(scene.rp.url())
    await scene.person.sign_in()
    await scene.person.postpone()
    return scene.person.form, {"decision": "allow"}


async def _set_password(scene: Scene) -> Sending:
    def work(db: Connection) -> str:
        user = find_by_email(db, scene.person.email)
        assert user is not None
        return credentials.create_password_link(db, user, context=CLI, now=scene.server.clock.now(), seconds=60)

    token = await scene.server.run(work)
    await scene.person.visit(f"/account/set-password?token={token}")
    return scene.person.form, {"password": NEW_PASSWORD}


async def _set_up_factor(scene: Scene) -> Sending:
    await scene.rp.sign_in(scene.person)
    await scene.person.visit("/account")
    return scene.form("/account/second-factor"), {}


async def _end_another_session(scene: Scene) -> Sending:
    async with Person(scene.server) as phone:
        await scene.rp.sign_in(phone)
    await scene.rp.sign_in(scene.person)
    await scene.person.visit("/account")
    return scene.form("/account/sessions/end"), {}


async def _revoke_application(scene: Scene) -> Sending:
    await scene.rp.sign_in(scene.person)
    await scene.person.visit("/account")
    return scene.form("/account/applications/revoke"), {}


async def _sign_out(scene: Scene) -> Sending:
    await scene.rp.sign_in(scene.person)
    await scene.person.visit("/end-session")
    return scene.person.form, {"decision": "sign-out"}


APPROACHES = (
    _sign_in,
    _register,
    _select_account,
    _second_factor,
    _offer_totp,
    _enrol_totp,
    _consent,
    _set_password,
    _set_up_factor,
    _end_another_session,
    _revoke_application,
    _sign_out,
)
FOREIGN: tuple[dict[str, str], ...] = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://login.example.com"},
    {"origin": "https://login.example.com:8443"},
    {"origin": "https://login.example.com.evil.example"},
    {"origin": "https://app.login.example.com"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": "https://login.example.com"},
)


@pytest.fixture
async def scene(server: RunningServer, person: Person, rp: RelyingParty) -> Scene:
    return Scene(server, person, rp)


async def _everything(server: RunningServer) -> Snapshot:
    """Every row of every table: whoever compares two of these misses no change."""
    return await server.run(
        lambda db: {
            table.name: sorted(str(row) for row in db.execute(select(table)).all()) for table in metadata.sorted_tables
        }
    )


async def _is_live(scene: Scene, cookie: str) -> bool:
    now = scene.server.clock.now()
    return await scene.server.run(lambda db: sessions.find(db, cookie, now)) is not None


async def _post(http: httpx.AsyncClient, form: Form, data: dict[str, str], **headers: str) -> httpx.Response:
    """Send a form; an empty one is a form as well."""
    sent = {"content-type": "application/x-www-form-urlencoded", **headers}
    return await http.post(form.action, content=urlencode(data), headers=sent)


def _assert_refused(response: httpx.Response, what: Any) -> None:
    assert response.status_code == 403, what
    assert SESSION not in response.headers.get("set-cookie", ""), what
    assert "location" not in response.headers, what


@pytest.mark.parametrize("approach", APPROACHES)
async def test_no_form_is_taken_from_another_site_or_without_its_token(scene: Scene, approach: Approach) -> None:
    """RFC 9700 section 4.7, RFC 6749 section 10.12."""
    form, filled_in = await approach(scene)
    server, http = scene.server, scene.person.http
    data = {**form.fields, **filled_in}
    own = data["csrf_token"]
    async with Person(server) as stranger:
        await stranger.visit(scene.rp.url())
        foreign = stranger.form.fields["csrf_token"]
        strange_cookies = {**dict(http.cookies), BROWSER: stranger.http.cookies[BROWSER]}
    before = await _everything(server)
    tokens = (None, "", foreign, own[:-1] + ("0" if own[-1] != "0" else "1"), own.upper() + own, "\N{BULLET}" * 64)
    for token in tokens:
        changed = {name: value for name, value in data.items() if name != "csrf_token"}
        changed |= {} if token is None else {"csrf_token": token}
        _assert_refused(await _post(http, form, changed), token)
    for headers in FOREIGN:
        _assert_refused(await _post(http, form, data, **headers), headers)
    session_only = {name: value for name, value in http.cookies.items() if name == SESSION}
    for cookies in ({}, session_only, strange_cookies):
        async with server.http(cookies=cookies) as elsewhere:
            _assert_refused(await _post(elsewhere, form, data), cookies)
    assert await _everything(server) == before
    done = await _post(http, form, data, origin=server.settings.origin)
    assert done.status_code in (200, 303), done.text
    assert await _everything(server) != before


async def test_no_form_is_sent_by_opening_an_address(scene: Scene) -> None:
    """RFC 9700 section 4.7: a picture or a link on another site only ever asks by GET."""
    form, _ = await _end_another_session(scene)
    before = await _everything(scene.server)
    for path in ("/account/sessions/end", "/account/applications/revoke", "/account/second-factor", "/sign-out/x"):
        query = urlencode({**form.fields, "client_id": scene.rp.client_id, "decision": "sign-out"})
        assert (await scene.person.http.get(f"{path}?{query}")).status_code in (400, 405)
    assert await _everything(scene.server) == before


async def test_nobody_is_signed_out_by_another_site(scene: Scene) -> None:
    """OpenID Connect RP-Initiated Logout section 2: without the browser's own hint the person is asked."""
    await scene.rp.sign_in(scene.person)
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    for response in (
        await scene.person.http.post("/end-session", data={"client_id": scene.rp.client_id}, headers=headers),
        await scene.person.http.get("/end-session", headers=headers),
    ):
        assert response.status_code == 200
        assert 'value="sign-out"' in response.text
    await scene.person.visit(scene.rp.url(prompt="none"))
    assert "code" in scene.person.answer()


async def test_a_stranger_cannot_sign_a_browser_in_to_the_strangers_account(scene: Scene) -> None:
    """Login CSRF: RFC 9700 section 4.7."""
    await scene.server.add_person("mallory@example.com", name="Mallory")
    async with Person(scene.server, email="mallory@example.com") as mallory:
        await mallory.visit(scene.rp.url())
        form = mallory.form
        data = {**form.fields, "email": mallory.email, "password": PASSWORD}
        victim = scene.person
        for _ in range(2):  # a browser that was never here, and one that was
            _assert_refused(await victim.http.post(form.action, data=data), "Mallory's form")
            await victim.visit("/")
        own = (await victim.visit(scene.rp.url())).form
        response = await victim.http.post(form.action, data={**data, "csrf_token": own.fields["csrf_token"]})
        assert response.status_code == 400
        assert SESSION not in victim.http.cookies
        await victim.visit("/account")
        assert victim.title == "Sign in"
        await mallory.sign_in()
        assert mallory.title == "Protect your account"


@pytest.mark.parametrize("approach", [_sign_in, _second_factor, _consent])
async def test_a_page_of_another_browser_is_of_no_use(scene: Scene, approach: Approach) -> None:
    """The stranger has the whole address, a session and a form token, all of their own."""
    form, filled_in = await approach(scene)
    await scene.server.add_person("mallory@example.com", name="Mallory")
    async with Person(scene.server, email="mallory@example.com") as mallory:
        await scene.rp.sign_in(mallory)
        await mallory.visit("/account")
        token = mallory.form.fields["csrf_token"]
        before = await _everything(scene.server)
        response = await mallory.http.post(form.action, data={**form.fields, **filled_in, "csrf_token": token})
        assert response.status_code == 400
        interaction = form.action.rpartition("/")[0]
        for address in (interaction, f"{interaction}/register", f"{interaction}/sign-in"):
            await mallory.visit(address)
            assert mallory.title == "This page is no longer valid"
        assert await _everything(scene.server) == before
    await scene.person.submit(None, form, **filled_in)
    assert scene.person.response.status_code in (200, 303)


async def test_an_interaction_belongs_to_the_first_browser_that_opens_it(scene: Scene) -> None:
    """A request by POST from another site comes without cookies, so that its browser is not known at first."""
    parameters = scene.rp.parameters()
    async with Person(scene.server) as mallory:
        address = (await mallory.http.post("/authorize", data=parameters)).headers["location"]
        await scene.person.visit(address)
        assert scene.person.title == "Sign in"
        await mallory.visit(address)
        assert mallory.title == "This page is no longer valid"
    await scene.person.sign_in()
    assert scene.person.title == "Protect your account"


async def test_nobody_can_walk_ahead_in_an_interaction_that_no_browser_has_opened(scene: Scene) -> None:
    """What a stranger decides in it would count for whoever opens it afterwards."""
    await scene.server.add_person("mallory@example.com", name="Mallory")
    async with Person(scene.server, email="mallory@example.com") as mallory:
        await scene.rp.sign_in(mallory)
        await mallory.visit("/account")
        token = mallory.form.fields["csrf_token"]
        async with scene.server.http() as another_site:
            parameters = scene.rp.parameters(prompt="select_account consent")
            address = (await another_site.post("/authorize", data=parameters)).headers["location"]
        before = await _everything(scene.server)
        data = {"csrf_token": token, "decision": "continue"}
        response = await mallory.http.post(f"{address}/select-account", data=data)
        assert (response.status_code, await _everything(scene.server) == before) == (400, True)


async def test_a_planted_session_is_not_the_one_that_a_sign_in_begins(scene: Scene) -> None:
    """Session fixation: OWASP ASVS 5.0 section 7.2.4."""
    await scene.server.add_person("mallory@example.com", name="Mallory")
    async with Person(scene.server, email="mallory@example.com") as mallory:
        await scene.rp.sign_in(mallory)
        for planted in ("ost_" + "A" * 43, mallory.http.cookies[SESSION]):
            scene.person.http.cookies.set(SESSION, planted, domain="login.example.com", path="/")
            await scene.rp.code_for(scene.person, prompt="login")
            fresh = scene.person.http.cookies[SESSION]
            assert fresh != planted
            assert not await _is_live(scene, planted)
            scene.person.http.cookies.delete(SESSION)
        await mallory.visit("/account")
        assert mallory.title == "Sign in"
        assert "Alice" not in mallory.text


async def test_each_rise_in_strength_gives_a_new_cookie_and_kills_the_old_one(scene: Scene) -> None:
    """OWASP ASVS 5.0 section 7.2.4; NIST SP 800-63B-4 section 5.1."""
    person = scene.person
    await person.visit("/")
    seen = [person.http.cookies.get(SESSION)]
    assert seen == [None]
    await scene.rp.code_for(person)
    seen.append(person.http.cookies[SESSION])
    await person.visit(scene.rp.url(acr_values="aal2"))
    await person.enrol()
    seen.append(person.http.cookies[SESSION])
    scene.server.clock.advance(60)
    await scene.rp.code_for(person, prompt="login")
    seen.append(person.http.cookies[SESSION])
    assert len(set(seen)) == 4
    for old in seen[1:-1]:
        assert not await _is_live(scene, old or "")
        async with Person(scene.server) as thief:
            thief.http.cookies.set(SESSION, old or "", domain="login.example.com", path="/")
            await thief.visit("/account")
            assert thief.title == "Sign in"
    await person.visit("/account")
    assert person.title == "Your account"


async def test_nobody_ends_the_sessions_or_sign_out_pages_of_others(scene: Scene) -> None:
    """OWASP ASVS 5.0 section 8.2.2."""
    form, _ = await _end_another_session(scene)
    await scene.person.visit("/end-session")
    ticket = scene.person.form.action
    await scene.server.add_person("mallory@example.com", name="Mallory")
    async with Person(scene.server, email="mallory@example.com") as mallory:
        await scene.rp.sign_in(mallory)
        await mallory.visit("/account")
        data = {"csrf_token": mallory.form.fields["csrf_token"], "session_id": form.fields["session_id"]}
        before = await _everything(scene.server)
        assert (await mallory.http.post(form.action, data=data)).status_code == 303
        assert (await mallory.http.post(ticket, data={**data, "decision": "sign-out"})).status_code == 400
        assert await _everything(scene.server) == before
    await scene.person.visit("/account")
    assert scene.person.title == "Your account"
    assert scene.form("/account/sessions/end").fields["session_id"] == form.fields["session_id"]
