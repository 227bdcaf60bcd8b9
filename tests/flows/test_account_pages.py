"""The account console: who gets in, and what each page shows."""

from server.storage import audit
from tests.support.account import enter, form
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

PAGES = {
    "/account": "Your account",
    "/account/profile": "Profile",
    "/account/email": "Change e-mail address",
    "/account/security": "Security",
    "/account/password": "Change password",
    "/account/sessions": "Sign-ins",
    "/account/applications": "Applications",
    "/account/log": "Activity",
    "/account/data": "Your data",
    "/account/delete": "Delete your account",
}
FORMS = (
    "/account/profile",
    "/account/email",
    "/account/password",
    "/account/second-factor/rename",
    "/account/second-factor/remove",
    "/account/second-factor/email",
    "/account/recovery-codes",
    "/account/trusted-browsers/forget",
    "/account/sessions/end",
    "/account/sessions/end-others",
    "/account/applications/revoke",
    "/account/data/download",
    "/account/delete",
)


async def test_every_page_asks_for_a_sign_in_and_comes_back(person: Person) -> None:
    for path in PAGES:
        await person.visit(path)
        assert person.title == "Sign in", path
    await person.visit("/account/log")
    await person.sign_in()
    await person.postpone()
    assert person.title == "Activity"
    for path, title in PAGES.items():
        await person.visit(path)
        assert person.title == title
        assert {"Overview", "Profile", "Security", "Sign out"} <= {text.strip() for text in person.page.texts}, path


async def test_no_form_is_taken_without_its_token_or_from_a_stranger(server: RunningServer, person: Person) -> None:
    await enter(person)
    token = person.form.fields["csrf_token"] if person.page.forms else ""
    for path in FORMS:
        assert (await person.http.post(path, data={"done": "x"})).status_code == 403, path
        origin = {"origin": "https://evil.example"}
        assert (await person.http.post(path, data={"csrf_token": token}, headers=origin)).status_code == 403, path
    async with Person(server) as stranger:
        await stranger.visit("/account")
        own = {"csrf_token": stranger.form.fields["csrf_token"]}
        for path in FORMS:
            response = await stranger.http.post(path, data=own)
            assert response.status_code == 303, path
            assert "/interaction/" in response.headers["location"], path


async def test_a_sensitive_page_asks_again_after_five_minutes(server: RunningServer, person: Person) -> None:
    await enter(person)
    for path in ("/account/email", "/account/delete"):
        server.clock.advance(301)
        await person.visit("/account/profile")
        assert person.title == "Profile"
        await person.visit(path)
        assert person.title == "Sign in"
        await person.sign_in()
        assert person.title == PAGES[path]


async def test_the_log_tells_what_happened_the_newest_first_page_by_page(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await rp.sign_in(person)
    await person.visit("/account/log")
    text = person.text
    assert "Signed in to an application : Web Shop" in text
    assert text.index("Signed in to an application") < text.index("The account was created")
    assert "192.0.2.1" in text
    assert "Person/1.0" in text
    assert "by an administrator" in text

    async with Person(server) as thief:
        await thief.visit("/account")
        for _ in range(4):
            await thief.sign_in(password="wrong")
    await person.visit("/account/log")
    assert person.text.count("Sign-in failed") == 4
    for _ in range(14):
        await rp.code_for(person)
        await rp.code_for(person, prompt="login")
    await person.visit("/account/log")
    assert "The account was created" not in person.text
    assert len(person.page.by_class["quiet"]) > 20
    last = await server.run(lambda db: audit.list_rows(db, user_id=None, limit=1)[0]["id"])
    await person.visit(f"/account/log?before={last - 26}")
    assert "The account was created" in person.text


async def test_the_log_shows_nothing_of_other_people(server: RunningServer, person: Person) -> None:
    await server.add_person("bob@example.com", name="Bob")
    async with Person(server, email="bob@example.com") as bob:
        await enter(bob)
        await enter(person)
        await bob.visit("/account/log")
        assert bob.text.count("Signed in") == 1


async def test_a_nonsensical_page_of_the_log_is_no_error(person: Person) -> None:
    await enter(person)
    for before in ("x", "-1", "9" * 30, "0", "%C2%B2"):
        await person.visit(f"/account/log?before={before}")
        assert (person.response.status_code, person.title) == (200, "Activity")


async def test_applications_are_shown_with_what_they_may_do(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person, scope="openid profile offline_access")
    await person.visit("/account/applications")
    assert "Web Shop" in person.text
    description = server.services.scope_description("profile")
    assert description != "profile"
    assert description in person.text
    await person.submit(None, form(person, "/account/applications/revoke"))
    assert (person.title, "Web Shop" in person.text) == ("Applications", False)
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
