"""A copy of what the server holds about people, and the end of their account."""

import httpx
from sqlalchemy import select

from server.accounts import lifecycle
from server.accounts.user import find_deleted
from server.background import Background
from server.events.context import CLI
from server.events.names import Event
from server.storage import schema
from tests.support.account import enter, events, form, mails
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def _download(person: Person) -> httpx.Response:
    await person.visit("/account/data")
    sent = form(person, "/account/data/download")
    return await person.http.post(sent.action, data=sent.fields, headers={"origin": person.server.settings.origin})


async def test_people_download_what_the_server_holds_about_them(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await rp.sign_in(person)
    response = await _download(person)
    assert response.status_code == 200
    assert response.headers["content-disposition"] == 'attachment; filename="account-data.json"'
    assert response.headers["cache-control"] == "no-store"
    document = response.json()
    assert document["account"]["email"] == "alice@example.com"
    assert [consent["client_id"] for consent in document["connected_applications"]] == ["web"]
    assert document["activity"][-1]["event"] == "data.exported"
    assert len(await events(server, Event.DATA_EXPORTED)) == 1
    server.clock.advance(301)
    again = await _download(person)
    assert again.status_code == 303
    assert len(await events(server, Event.DATA_EXPORTED)) == 1


async def _delete(person: Person, typed: str = "Alice@example.com") -> None:
    await person.visit("/account/delete")
    await person.submit(None, form(person, "/account/delete"), confirmation=typed)


async def test_deleting_the_account_ends_everything_at_once(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person, scope="openid offline_access")
    await _delete(person, "bob@example.com")
    assert (person.response.status_code, "confirmation-error" in person.page.by_id) == (400, True)
    await _delete(person)
    assert person.title == "Your account is deleted"
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    await person.visit("/account")
    assert person.title == "Sign in"
    await person.sign_in()
    refused = (person.response.status_code, person.text)
    await person.sign_in(email="nobody@example.com")
    assert (person.response.status_code, person.text) == refused
    assert len(await mails(server, "account_deleted")) == 1
    (row,) = await events(server, Event.USER_DELETED)
    assert row["actor"] == row["user_id"]


async def test_a_deleted_account_comes_back_within_the_time_and_is_erased_after_it(
    server: RunningServer, person: Person
) -> None:
    await enter(person)
    await _delete(person)
    deleted = await server.run(lambda db: find_deleted(db, "alice@example.com"))
    assert deleted is not None
    now = server.clock.now()
    assert await server.run(lambda db: lifecycle.restore(db, deleted, context=CLI, now=now))
    await enter(person)
    await _delete(person)
    server.clock.advance(server.settings.deletion_grace_seconds)
    await Background(server.services).purge()
    assert await server.run(lambda db: find_deleted(db, "alice@example.com")) is None
    assert len(await events(server, Event.USER_ERASED)) == 1
    rows = await server.run(lambda db: str(db.execute(select(schema.users)).all()))
    assert "alice" not in rows.lower()


async def test_deleting_needs_the_second_factor_of_who_has_one(server: RunningServer, person: Person) -> None:
    await person.visit("/account")
    await person.sign_in()
    await person.enrol()
    server.clock.advance(301)
    await person.visit("/account/delete")
    await person.sign_in()
    assert person.title != "Delete your account"
    server.clock.advance(30)
    await person.submit(code=person.code())
    assert person.title == "Delete your account"
