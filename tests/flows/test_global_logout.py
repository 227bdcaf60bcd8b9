"""Every way in which a sign-in ends reaches every application that wants to know, by back-channel logout."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from joserfc import jws

from server.storage import outbox
from tests.api.documented import Api
from tests.conftest import SettingsFor
from tests.support.account import enter, form
from tests.support.person import Person
from tests.support.process import ServerProcess
from tests.support.receiver import Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, FakeClock, RunningServer

OVERRIDES = {"fetch_private_addresses": True, "mfa": "off"}
pytestmark = pytest.mark.parametrize("overrides", [OVERRIDES], indirect=True)
NEW_PASSWORD = "an entirely different phrase"
WITHIN_SECONDS = 2.0
CLIENTS = ("shop", "news")


@pytest.fixture
def clock() -> FakeClock:
    """The command line asks the real time."""
    return FakeClock(int(time.time()))


@pytest.fixture
async def applications(server: RunningServer, receiver: Receiver) -> list[RelyingParty]:
    """Two applications that want to hear of every end."""
    return [await _application(server, receiver, client_id) for client_id in CLIENTS]


@pytest.fixture
async def phone(server: RunningServer, person: Person, applications: list[RelyingParty]) -> AsyncIterator[Person]:
    """Another browser of Alice's, in which she is signed in to both applications."""
    assert person.email
    async with Person(server) as browser:
        for rp in applications:
            await rp.sign_in(browser)
        yield browser


async def _application(server: RunningServer, receiver: Receiver, client_id: str) -> RelyingParty:
    secret = await server.add_client(client_id, backchannel_logout_uri=f"{receiver.origin}/{client_id}")
    return RelyingParty(server, client_id=client_id, client_secret=secret)


async def _told_in_time(receiver: Receiver, count: int = len(CLIENTS)) -> list[str]:
    """Return who was told, once each, within two seconds."""
    async with asyncio.timeout(WITHIN_SECONDS):
        await receiver.wait_for(count)
    return sorted(request.path.removeprefix("/") for request in receiver.requests)


async def test_signing_out_at_an_application(
    phone: Person, applications: list[RelyingParty], receiver: Receiver
) -> None:
    tokens = await applications[0].sign_in(phone)
    await phone.visit("/end-session?" + urlencode({"id_token_hint": tokens["id_token"]}))
    assert await _told_in_time(receiver) == sorted(CLIENTS)


async def test_signing_out_in_the_account_console(phone: Person, receiver: Receiver) -> None:
    await phone.visit("/end-session")
    await phone.submit(("decision", "sign-out"))
    assert phone.title == "Signed out"
    assert await _told_in_time(receiver) == sorted(CLIENTS)


async def test_ending_another_sign_in_in_the_account_console(person: Person, phone: Person, receiver: Receiver) -> None:
    await enter(person)
    await person.visit("/account/sessions")
    await person.submit(None, form(person, "/account/sessions/end"))
    assert await _told_in_time(receiver) == sorted(CLIENTS)
    assert (await phone.visit("/account")).title == "Sign in"


async def test_ending_all_other_sign_ins_in_the_account_console(
    person: Person, phone: Person, receiver: Receiver
) -> None:
    await enter(person)
    await person.visit("/account/sessions")
    await person.submit(None, form(person, "/account/sessions/end-others"))
    assert await _told_in_time(receiver) == sorted(CLIENTS)
    assert (await phone.visit("/account")).title == "Sign in"


async def test_changing_the_password_in_the_account_console(person: Person, phone: Person, receiver: Receiver) -> None:
    await enter(person)
    await person.visit("/account/password")
    await person.submit(None, form(person, "/account/password"), old_password=PASSWORD, password=NEW_PASSWORD)
    assert person.title == "Security"
    assert await _told_in_time(receiver) == sorted(CLIENTS)
    assert (await phone.visit("/account")).title == "Sign in"


async def test_deleting_the_account(person: Person, phone: Person, receiver: Receiver) -> None:
    await enter(person)
    await person.visit("/account/delete")
    await person.submit(None, form(person, "/account/delete"), confirmation=person.email)
    assert await _told_in_time(receiver) == sorted(CLIENTS)
    assert (await phone.visit("/account")).title == "Sign in"


async def _end_others(api: Api) -> None:
    assert (await api.call("DELETE", "/sessions")).status_code == 204


async def _end_one(api: Api) -> None:
    sessions = (await api.get("/sessions")).json()["sessions"]
    (other,) = (one["id"] for one in sessions if not one["is_current"])
    assert (await api.call("DELETE", f"/sessions/{other}")).status_code == 204


async def _change_password(api: Api) -> None:
    answer = await api.post("/password/change", current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert answer.is_success, answer.text


@pytest.mark.parametrize("act", [_end_others, _end_one, _change_password])
async def test_the_json_api(
    server: RunningServer, phone: Person, receiver: Receiver, act: Callable[[Api], Awaitable[None]]
) -> None:
    async with Api(server) as api:
        await api.log_in()
        await act(api)
    assert await _told_in_time(receiver) == sorted(CLIENTS)
    assert (await phone.visit("/account")).title == "Sign in"


COMMANDS = ("sign-out", "disable", "delete", "reset-mfa", "set-password --password-stdin")


@pytest.mark.parametrize("command", COMMANDS)
async def test_an_operator_on_the_command_line(
    server: RunningServer, phone: Person, receiver: Receiver, tmp_path: Path, command: str
) -> None:
    elsewhere = ServerProcess.beside(server.settings, tmp_path)
    first, *options = command.split()
    await asyncio.to_thread(elsewhere.cli, "user", first, phone.email, *options, stdin=NEW_PASSWORD)
    server.clock.advance(60)
    assert await _told_in_time(receiver) == sorted(CLIENTS)


def _sid(logout_token: str) -> str:
    return str(json.loads(jws.extract_compact(logout_token.encode()).payload)["sid"])


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_two_nodes_send_each_notice_once(
    server: RunningServer, settings_for: SettingsFor, clock: FakeClock, receiver: Receiver, person: Person
) -> None:
    """Both look for due notices all the time, and each is claimed by one of them."""
    application = await _application(server, receiver, "shop")
    browsers = [Person(server) for _ in range(10)]
    for browser in browsers:
        await application.sign_in(browser)
        await browser.http.aclose()
    async with RunningServer(settings_for(**OVERRIDES), clock) as second:
        await enter(person)
        await person.visit("/account/sessions")
        await person.submit(None, form(person, "/account/sessions/end-others"))
        await _told_in_time(receiver, len(browsers))
        while await second.run(lambda db: outbox.list_items(db, "logout")):
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.1)  # both nodes have looked again
    told = Counter(_sid(request.form["logout_token"]) for request in receiver.requests)
    assert len(told) == len(browsers)
    assert set(told.values()) == {1}
