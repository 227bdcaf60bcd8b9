"""Password, second factors and sign-ins in the account console."""

import pytest

from server.events.names import Event
from tests.support.account import enter, events, form, mails
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer


async def test_a_password_is_changed_with_the_old_one_and_ends_other_sign_ins(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person, scope="openid offline_access")
    async with Person(server) as phone:
        await rp.sign_in(phone)
        new = "an entirely different phrase"
        await person.visit("/account/password")
        await person.submit(None, form(person, "/account/password"), old_password="wrong", password=new)
        assert (person.response.status_code, "old_password-error" in person.page.by_id) == (400, True)
        await person.submit(None, form(person, "/account/password"), old_password=PASSWORD, password="short")
        assert "too short" in person.page.by_id["password-error"]
        await person.submit(None, form(person, "/account/password"), old_password=PASSWORD, password=new)
        assert person.title == "Security"
        await phone.visit("/account")
        assert phone.title == "Sign in"
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    await person.visit("/account")
    assert person.title == "Your account"
    assert len(await events(server, Event.PASSWORD_CHANGED)) == 1
    assert len(await mails(server, "password_changed")) == 1


async def test_guesses_at_the_old_password_are_slowed_down(person: Person) -> None:
    await enter(person)
    await person.visit("/account/password")
    for _ in range(6):
        await person.submit(
            None, form(person, "/account/password"), old_password="wrong", password="an entirely different phrase"
        )
    assert person.response.status_code == 429
    assert int(person.response.headers["retry-after"]) >= 1


async def test_sign_ins_are_listed_with_their_applications_and_ended_one_by_one(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await enter(person)
    async with Person(server) as phone:
        tokens = await rp.sign_in(phone, scope="openid offline_access")
        await person.visit("/account/sessions")
        assert "Used for Web Shop" in person.text
        assert person.text.count("Person/1.0") == 2
        await person.submit(None, form(person, "/account/sessions/end"))
        assert person.title == "Sign-ins"
        assert "That sign-in has ended." in person.text
        assert (await rp.userinfo(tokens["access_token"])).status_code == 401
        assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
        await phone.visit("/account")
        assert phone.title == "Sign in"
    assert len(await events(server, Event.SESSION_ENDED)) == 1


async def test_all_other_sign_ins_end_at_once(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    await enter(person)
    others = [Person(server) for _ in range(2)]
    for other in others:
        await rp.sign_in(other)
    await person.visit("/account/sessions")
    await person.submit(None, form(person, "/account/sessions/end-others"))
    assert "You are signed in nowhere else." in person.text
    for other in others:
        await other.visit(rp.url(prompt="none"))
        assert other.answer()["error"] == "login_required"
        await other.http.aclose()


async def _protect(person: Person) -> None:
    await person.visit("/account")
    await person.sign_in()
    await person.enrol()
    await person.visit("/account/security")
    assert person.title == "Security"


async def test_an_authenticator_app_is_renamed_and_removed(server: RunningServer, person: Person) -> None:
    await _protect(person)
    assert "You have 10 recovery codes left." in person.text
    await person.submit(None, form(person, "/second-factor/rename"), name="Old phone")
    assert "Old phone" in person.text
    await person.submit(None, form(person, "/second-factor/remove"))
    assert person.title == "Security", person.text
    assert "It no longer works for signing in." in person.text
    assert "Old phone" not in person.text
    assert len(await events(server, Event.TOTP_REMOVED)) == 1
    assert len(await mails(server, "factor_removed")) == 1


async def test_removing_a_factor_needs_a_recent_sign_in_with_another_one(server: RunningServer, person: Person) -> None:
    await _protect(person)
    server.clock.advance(301)
    await person.submit(None, form(person, "/second-factor/remove"))
    await person.sign_in()
    await person.submit(code=person.code())
    assert "Now you can do what you wanted to do." in person.text
    assert await events(server, Event.TOTP_REMOVED) == []
    await person.submit(None, form(person, "/second-factor/remove"))
    assert len(await events(server, Event.TOTP_REMOVED)) == 1


async def test_nobody_renames_or_removes_the_factor_of_somebody_else(server: RunningServer, person: Person) -> None:
    await _protect(person)
    theirs = form(person, "/second-factor/remove").fields["factor_id"]
    await server.add_person("mallory@example.com", name="Mallory")
    async with Person(server, email="mallory@example.com") as mallory:
        await _protect(mallory)
        for path in ("/second-factor/remove", "/second-factor/rename"):
            await mallory.submit(None, form(mallory, path), factor_id=theirs, name="Mine now")
            assert mallory.title == "Security"
    assert await events(server, Event.TOTP_REMOVED) == []
    await person.visit("/account/security")
    assert "Mine now" not in person.text
    assert form(person, "/second-factor/remove").fields["factor_id"] == theirs


async def test_new_recovery_codes_are_shown_once_and_replace_the_old_ones(
    server: RunningServer, person: Person
) -> None:
    await _protect(person)
    old = person.recovery_codes[0]
    await person.submit(None, form(person, "/account/recovery-codes"))
    codes = person.page.by_class["recovery-code"]
    assert len(codes) == 10
    server.clock.advance(301)
    await person.visit("/account/delete")
    await person.sign_in()
    await person.submit(code=old)
    assert person.response.status_code == 400
    await person.submit(code=codes[0])
    assert person.title == "Delete your account"


@pytest.mark.parametrize("overrides", [{"email_codes": True}], indirect=True)
async def test_codes_by_email_are_turned_on_and_off(server: RunningServer) -> None:
    await server.add_person(email_verified=True)
    async with Person(server) as alice:
        await enter(alice)
        await alice.visit("/account/security")
        await alice.submit(None, form(alice, "/second-factor/email"))
        assert len(await events(server, Event.EMAIL_FACTOR_ENABLED)) == 1
        kinds = [one.fields.get("kind") for one in alice.page.forms if one.action.endswith("/remove")]
        assert kinds == ["email"]
