"""OpenID Connect CIBA Core 1.0 in ping mode: section 10.2."""

import asyncio
import json

import pytest
from sqlalchemy import Connection

from keys.sealing import Sealer, generate_root_key, parse_root_keys
from server.cli.key_reseal import SEALED, reseal_all
from server.events.names import Event
from server.protocol import pings
from server.storage import outbox
from server.storage.outbox import Item
from server.storage.schema import backchannel_requests as requests
from tests.support.account import enter, events
from tests.support.asking import REQUESTS, begin, client, decide, poll_error, refused, tokens_of
from tests.support.person import Person
from tests.support.receiver import Answer, Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

pytestmark = pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True}], indirect=True)
TOKEN = "8d67dc78-7faa-4d41-aabd-67707b374255"


@pytest.fixture
async def bank(server: RunningServer, receiver: Receiver) -> RelyingParty:
    """A client in ping mode."""
    endpoint = f"{receiver.origin}/ping"
    return await client(
        server, backchannel_token_delivery_mode="ping", backchannel_client_notification_endpoint=endpoint
    )


async def _waiting(server: RunningServer) -> list[Item]:
    return await server.run(lambda db: outbox.list_items(db, pings.TOPIC))


async def _until(server: RunningServer, tries: int | None) -> None:
    """Wait until the ping was tried so often and postponed, or is gone."""
    for _ in range(300):
        items = await _waiting(server)
        if (tries is None and not items) or (items and items[0].tries == tries and items[0].last_error):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(items)


@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_the_client_is_told_that_there_is_a_decision_and_not_which(
    server: RunningServer, person: Person, bank: RelyingParty, receiver: Receiver, decision: str
) -> None:
    """Section 10.2: a POST with the client's token as a bearer token and auth_req_id, nothing else."""
    answer = await begin(bank, client_notification_token=TOKEN)
    assert answer["interval"] == 5, "section 7.3: it may poll as well"
    await decide(person, decision)
    (request,) = await receiver.wait_for(1)
    assert (request.method, request.path) == ("POST", "/ping")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"auth_req_id": answer["auth_req_id"]}
    await _until(server, None)
    if decision == "deny":
        assert await poll_error(bank, answer) == "access_denied"
    else:
        tokens = await tokens_of(bank, answer)
        _, claims = await bank.verified(tokens["id_token"])
        assert "urn:openid:params:jwt:claim:auth_req_id" not in claims, "section 10.3.1: for push mode alone"


async def test_a_client_in_ping_mode_sends_a_token_that_nobody_guesses(bank: RelyingParty, person: Person) -> None:
    """Section 7.1: required, of RFC 6750's characters, 128 bits and 1024 characters."""
    for wrong in (None, "short", "x" * 1025, "white space in the middle", "line\r\nbreak: in a header of ours"):
        assert await refused(bank, client_notification_token=wrong) == "invalid_request"
    await begin(bank, client_notification_token="x" * 1024, login_hint=person.email)


async def test_nothing_that_the_client_keeps_secret_lies_open(
    server: RunningServer, person: Person, bank: RelyingParty, receiver: Receiver
) -> None:
    """The notification token and the auth_req_id are sealed until they are sent, and gone afterwards."""
    receiver.statuses = [503]
    answer = await begin(bank, client_notification_token=TOKEN)
    rows = await server.run(lambda db: [dict(row) for row in db.execute(requests.select()).mappings()])
    stored = json.dumps(rows)
    await decide(person)
    await _until(server, 1)
    stored += (await _waiting(server))[0].sealed
    assert TOKEN not in stored
    assert answer["auth_req_id"] not in stored
    rows = await server.run(lambda db: [dict(row) for row in db.execute(requests.select()).mappings()])
    assert [row["sealed"] for row in rows] == [None]


async def test_a_ping_that_is_not_taken_is_sent_again(
    server: RunningServer, person: Person, bank: RelyingParty, receiver: Receiver
) -> None:
    """Section 10.2 with errors, and a redirect, which is not followed."""
    receiver.statuses = [503, 404, 302]
    answer = await begin(bank, client_notification_token=TOKEN)
    await decide(person)
    for tries in (1, 2, 3):
        await receiver.wait_for(tries)
        await _until(server, tries)
        server.clock.advance(60)
    await receiver.wait_for(4)
    await _until(server, None)
    assert len({request.body for request in receiver.requests}) == 1
    await tokens_of(bank, answer)


async def test_a_ping_is_given_up_with_the_request(
    server: RunningServer, person: Person, bank: RelyingParty, receiver: Receiver
) -> None:
    """What has expired is of no use to the client; the audit log tells the operator."""
    receiver.answers["/ping"] = Answer(500)
    await begin(bank, client_notification_token=TOKEN)
    await decide(person)
    await _until(server, 1)
    server.clock.advance(600)
    await _until(server, None)
    (row,) = await events(server, Event.PING_FAILED)
    assert (row["client_id"], row["details"]["tries"]) == ("bank", 2)
    assert TOKEN not in json.dumps(row["details"])


async def test_a_client_that_is_gone_is_told_nothing(
    server: RunningServer, person: Person, bank: RelyingParty, receiver: Receiver
) -> None:
    await begin(bank, client_notification_token=TOKEN)
    await enter(person)
    await person.visit(REQUESTS)
    await server.change_client("bank", backchannel_client_notification_endpoint=None)
    await person.submit(("decision", "approve"))
    await _until(server, None)
    assert receiver.requests == []


async def test_a_new_root_key_leaves_requests_and_pings_alive(
    server: RunningServer, person: Person, bank: RelyingParty, receiver: Receiver
) -> None:
    """Both are sealed, so `ostiary key reseal` seals both again."""
    receiver.statuses = [503]
    await begin(bank, client_notification_token=TOKEN)
    await decide(person)
    await _until(server, 1)
    answer = await begin(bank, client_notification_token=TOKEN)
    fresh = Sealer(parse_root_keys(f"{generate_root_key()},{server.settings.secret_key}"))

    def reseal(db: Connection) -> list[int]:
        return [reseal_all(fresh, SEALED[name](db)) for name in ("outbox", "backchannel_requests")]

    assert await server.run(reseal) == [1, 1]
    assert await server.run(reseal) == [0, 0]
    server.services.sealer = fresh
    server.clock.advance(60)
    await receiver.wait_for(2)
    await decide(person)
    assert json.loads((await receiver.wait_for(3))[2].body) == {"auth_req_id": answer["auth_req_id"]}
    await _until(server, None)


async def test_a_client_that_cannot_be_reached_gets_its_tokens_by_polling(
    server: RunningServer, person: Person
) -> None:
    """Section 5: in ping mode a client may poll."""
    rp = await client(
        server,
        backchannel_token_delivery_mode="ping",
        backchannel_client_notification_endpoint="https://client.example/ping",
    )
    answer = await begin(rp, client_notification_token=TOKEN)
    await decide(person)
    await _until(server, 1)
    await tokens_of(rp, answer)
