"""OpenID Connect RP-Initiated Logout 1.0."""

from urllib.parse import urlencode

import pytest

from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

BACK = "https://client.example/bye"


@pytest.fixture
async def rp(server: RunningServer) -> RelyingParty:
    secret = await server.add_client(client_name="Web Shop", post_logout_redirect_uris=[BACK, BACK + "?a=b"])
    return RelyingParty(server, client_secret=secret)


def _url(**parameters: str) -> str:
    return "/end-session?" + urlencode(parameters)


async def test_with_the_browsers_own_hint_the_person_is_signed_out_at_once(person: Person, rp: RelyingParty) -> None:
    tokens = await rp.sign_in(person)
    await person.visit(_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK, state="a b"))
    assert person.left_for == BACK + "?state=a%20b"
    await person.visit(rp.url(prompt="none"))
    assert person.answer()["error"] == "login_required"
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401


async def test_without_a_hint_the_person_is_asked(person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)
    await person.visit(_url(client_id=rp.client_id, post_logout_redirect_uri=BACK + "?a=b", state="s"))
    assert person.title == "Sign out"
    assert "Web Shop" in person.text
    await person.submit(("decision", "sign-out"))
    assert person.left_for == BACK + "?a=b&state=s"
    await person.visit(rp.url())
    assert person.title == "Sign in"


async def test_an_old_hint_of_the_same_session_still_counts(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 2: the hint may have expired."""
    tokens = await rp.sign_in(person)
    server.clock.advance(1200)
    await person.visit(_url(id_token_hint=tokens["id_token"]))
    assert person.title == "Signed out"


async def test_a_hint_about_somebody_else_is_no_reason_to_sign_out(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person)
    await server.add_person("bob@example.com", name="Bob")
    async with Person(server, email="bob@example.com") as bob:
        await rp.sign_in(bob)
        for hint in (tokens["id_token"], tokens["access_token"], "nonsense"):
            await bob.visit(_url(id_token_hint=hint))
            assert bob.title == "Sign out"
        await bob.visit(rp.url())
        assert "code" in bob.answer()


@pytest.mark.parametrize("uri", ["https://evil.example/", BACK + "/", BACK + "?x=y", "https://client.example/cb"])
async def test_an_unregistered_return_address_is_not_followed(person: Person, rp: RelyingParty, uri: str) -> None:
    """Section 3."""
    tokens = await rp.sign_in(person)
    await person.visit(_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=uri))
    assert person.left_for is None
    assert person.response.status_code == 400
    await person.visit(rp.url(prompt="none"))
    assert "code" in person.answer()


async def test_a_return_address_needs_a_client(person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)
    await person.visit(_url(post_logout_redirect_uri=BACK))
    assert person.response.status_code == 400
    tokens = await rp.sign_in(person)
    await person.visit(_url(id_token_hint=tokens["id_token"], client_id="other"))
    assert person.response.status_code == 400


async def test_who_is_not_signed_in_is_sent_back(person: Person, rp: RelyingParty) -> None:
    await person.visit(_url(client_id=rp.client_id, post_logout_redirect_uri=BACK))
    assert person.left_for == BACK


async def test_the_request_may_come_by_post(person: Person, rp: RelyingParty) -> None:
    tokens = await rp.sign_in(person)
    response = await person.http.post("/end-session", data={"id_token_hint": tokens["id_token"]})
    assert "You are signed out" in response.text


async def test_a_confirmation_of_another_browser_is_refused(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await rp.sign_in(person)
    await person.visit("/end-session")
    form = person.form
    async with Person(server) as other:
        await other.visit("/")
        await other.submit(("decision", "sign-out"), form)
        assert other.response.status_code == 403
    await person.visit(rp.url())
    assert "code" in person.answer()


async def test_a_form_of_another_site_signs_nobody_out(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """Section 6: a POST from elsewhere comes without cookies (SameSite=Lax), so the browser is asked to come again."""
    tokens = await rp.sign_in(person)
    async with server.http() as elsewhere:
        answer = await elsewhere.post(
            "/end-session", data={"ui_locales": "en"}, headers={"sec-fetch-site": "cross-site"}
        )
        assert answer.status_code == 303
        assert "set-cookie" not in answer.headers
    await person.visit(answer.headers["location"])
    assert person.title == "Sign out"
    assert (await rp.userinfo(tokens["access_token"])).status_code == 200
    await person.visit(answer.headers["location"])
    assert person.title == "This page is no longer valid"


async def test_a_client_may_send_its_hint_by_post(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """Section 2: GET and POST."""
    tokens = await rp.sign_in(person)
    form = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BACK, "state": "s"}
    async with server.http() as elsewhere:
        answer = await elsewhere.post("/end-session", data=form)
    await person.visit(answer.headers["location"])
    assert person.left_for == BACK + "?state=s"
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    await person.visit("/account")
    assert person.title == "Sign in"


async def test_signing_out_ends_a_sign_in_that_lay_idle(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person)
    server.clock.advance(2000)
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200
    await person.visit(_url(id_token_hint=tokens["id_token"]))
    assert person.title == "Signed out"
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_hint_does_not_end_a_live_sign_in_of_another_browser(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person)
    async with Person(server) as other:
        await other.visit(_url(id_token_hint=tokens["id_token"]))
        assert other.title == "Signed out"
    assert (await rp.userinfo(tokens["access_token"])).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"id_token_hint": "abc"}, "cannot be read"),
        ({}, "No application is named"),
        ({"client_id": "nobody"}, "The application that is named is not registered"),
        ({"client_id": "web"}, "The address to return to after signing out is not registered for the application"),
    ],
)
async def test_the_page_says_why_it_cannot_return(
    person: Person, rp: RelyingParty, parameters: dict[str, str], reason: str
) -> None:
    """Section 3: the address must be one that the named client has registered."""
    await rp.sign_in(person)
    await person.visit(_url(post_logout_redirect_uri="https://elsewhere.example/", **parameters))
    assert person.response.status_code == 400
    assert reason in person.text
    assert person.left_for is None
