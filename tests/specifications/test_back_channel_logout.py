"""OpenID Connect Back-Channel Logout 1.0."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from clients.metadata import InvalidClientMetadata, validate
from server.accounts import credentials, lifecycle, sessions
from server.accounts.user import User
from server.events.context import CLI
from server.protocol import logout_delivery
from server.storage import audit, outbox, purge
from server.storage.outbox import Item
from tests.support.confidant import Confidant
from tests.support.person import Person
from tests.support.receiver import Answer, Received, Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

pytestmark = pytest.mark.parametrize(
    "overrides", [{"fetch_private_addresses": True, "signing_algorithms": ("ES256", "RS256")}], indirect=True
)
EVENT = "http://schemas.openid.net/event/backchannel-logout"
HOME = "https://client.example/bye"


@pytest.fixture
async def rp(server: RunningServer, receiver: Receiver) -> RelyingParty:
    return await _client(server, "web", receiver)


async def _client(server: RunningServer, client_id: str, receiver: Receiver, **metadata: Any) -> RelyingParty:
    metadata.setdefault("backchannel_logout_uri", f"{receiver.origin}/{client_id}")
    secret = await server.add_client(client_id, post_logout_redirect_uris=[HOME], **metadata)
    return RelyingParty(server, client_id=client_id, client_secret=secret)


async def _waiting(server: RunningServer) -> list[Item]:
    return await server.run(lambda db: outbox.list_items(db, "logout"))


async def _until_empty(server: RunningServer) -> None:
    for _ in range(200):
        if not await _waiting(server):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("notices are left")


async def _sign_out(person: Person, tokens: dict[str, Any]) -> None:
    await person.visit("/end-session?" + urlencode({"id_token_hint": tokens["id_token"]}))
    assert person.title == "Signed out"


async def _claims(rp: RelyingParty, request: Received) -> dict[str, Any]:
    return (await rp.verified(request.form["logout_token"]))[1]


async def test_it_is_announced(server: RunningServer) -> None:
    """Section 2.1."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True


async def test_signing_out_sends_a_logout_token(
    server: RunningServer, person: Person, rp: RelyingParty, receiver: Receiver
) -> None:
    """Sections 2.4 to 2.6: signed like ID tokens, with RS256 where the client registered nothing."""
    tokens = await rp.sign_in(person)
    _, signed_in = await rp.verified(tokens["id_token"])
    await _sign_out(person, tokens)
    request = (await receiver.wait_for(1))[0]
    assert (request.method, request.path) == ("POST", "/web")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert set(request.form) == {"logout_token"}
    header, claims = await rp.verified(request.form["logout_token"])
    assert header["typ"] == "logout+jwt"
    assert header["alg"] == "RS256"
    assert claims["iss"] == server.issuer
    assert claims["aud"] == rp.client_id
    assert claims["sub"] == signed_in["sub"]
    assert claims["sid"] == signed_in["sid"]
    assert claims["events"] == {EVENT: {}}
    assert claims["iat"] == server.clock.now()
    assert 0 < claims["exp"] - claims["iat"] <= 120
    assert claims["jti"]
    assert "nonce" not in claims
    await _until_empty(server)


async def test_the_token_is_signed_as_the_clients_id_tokens_are(
    server: RunningServer, person: Person, receiver: Receiver
) -> None:
    """Section 2.6: the client verifies it like its ID tokens."""
    rp = await _client(server, "es", receiver, id_token_signed_response_alg="ES256")
    tokens = await rp.sign_in(person)
    await _sign_out(person, tokens)
    header, _ = await rp.verified((await receiver.wait_for(1))[0].form["logout_token"])
    assert header["alg"] == "ES256"


async def test_a_logout_token_is_no_id_token(person: Person, rp: RelyingParty, receiver: Receiver) -> None:
    """Section 2.4 and RFC 8725 section 3.11: neither a hint nor an access token."""
    await _sign_out(person, await rp.sign_in(person))
    token = (await receiver.wait_for(1))[0].form["logout_token"]
    await rp.sign_in(person)
    await person.visit("/end-session?" + urlencode({"id_token_hint": token}))
    assert person.title == "Sign out"
    assert (await rp.userinfo(token)).status_code == 401


async def test_every_client_of_the_session_is_told_and_no_other(
    server: RunningServer, person: Person, rp: RelyingParty, receiver: Receiver
) -> None:
    """Section 2.7: all that are logged in under the session."""
    second = await _client(server, "second", receiver)
    await _client(server, "unused", receiver)
    silent = RelyingParty(server, client_id="silent", client_secret=await server.add_client("silent"))
    tokens = [await one.sign_in(person) for one in (rp, second, silent)]
    async with Person(server) as elsewhere:
        await rp.sign_in(elsewhere)
        await _sign_out(person, tokens[0])
        requests = await receiver.wait_for(2)
        await _until_empty(server)
        assert sorted(request.path for request in requests) == ["/second", "/web"]
        sid = (await rp.verified(tokens[0]["id_token"]))[1]["sid"]
        assert {(await _claims(rp, request))["sid"] for request in requests} == {sid}


async def test_a_client_is_told_long_after_its_tokens_are_over(
    server: RunningServer, person: Person, receiver: Receiver
) -> None:
    """Section 2.7: what counts is the sign-in, not whether a token still lives."""
    rp = await _client(server, "web", receiver, grant_types=["authorization_code"])
    await person.visit(rp.url())
    await person.sign_in(remember=True)
    await person.postpone()
    await person.consent()
    tokens = (await rp.redeem(person.answer()["code"])).json()
    server.clock.advance(10 * 86_400)
    await server.services.database.run(lambda db: _purge(db, server.clock.now()))
    await _sign_out(person, tokens)
    assert len(await receiver.wait_for(1)) == 1


def _purge(db: Any, now: int) -> None:
    while purge.purge_batch(db, now):
        pass


async def _end_one(server: RunningServer, user: User) -> None:
    def work(db: Any) -> None:
        (session,) = sessions.list_live(db, user.id, server.clock.now())
        assert sessions.end_device(db, session.id, user_id=user.id, context=CLI, now=server.clock.now())

    await server.run(work)


async def _end_all(server: RunningServer, user: User) -> None:
    await server.run(lambda db: sessions.end_all(db, user.id, context=CLI, now=server.clock.now()))


async def _disable(server: RunningServer, user: User) -> None:
    await server.run(lambda db: lifecycle.disable(db, user, context=CLI, now=server.clock.now()))


async def _delete(server: RunningServer, user: User) -> None:
    sealer, now = server.services.sealer, server.clock.now()
    await server.run(lambda db: lifecycle.delete(db, user, grace_seconds=9, sealer=sealer, context=CLI, now=now))


async def _erase(server: RunningServer, user: User) -> None:
    await server.run(lambda db: lifecycle.erase(db, user, context=CLI, now=server.clock.now()))


async def _change_password(server: RunningServer, user: User) -> None:
    await server.run(lambda db: credentials.set_password(db, user, "hash", context=CLI, now=server.clock.now()))


@pytest.mark.parametrize("end", [_end_one, _end_all, _disable, _delete, _erase, _change_password])
async def test_every_end_of_a_session_is_told(server: RunningServer, receiver: Receiver, end: Any) -> None:
    """Section 2.5: whatever ended it, in the transaction that did."""
    user = await server.add_person()
    rp = await _client(server, "web", receiver)
    async with Person(server) as person:
        tokens = await rp.sign_in(person)
    await end(server, user)
    (request,) = await receiver.wait_for(1)
    claims = await _claims(rp, request)
    assert claims["sub"] == user.id
    assert claims["sid"] == (await rp.verified(tokens["id_token"]))[1]["sid"]


async def test_what_rolls_back_tells_nobody(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)

    def work(db: Any) -> None:
        user_id = db.exec_driver_sql("SELECT id FROM users").scalar()
        sessions.end_all(db, user_id, context=CLI, now=server.clock.now())
        assert outbox.list_items(db, "logout")
        raise KeyError

    with pytest.raises(KeyError):
        await server.run(work)
    assert await _waiting(server) == []


async def test_no_content_is_taken_for_yes(
    server: RunningServer, person: Person, rp: RelyingParty, receiver: Receiver
) -> None:
    """Section 2.8: 204 as well."""
    receiver.statuses = [204]
    await _sign_out(person, await rp.sign_in(person))
    await receiver.wait_for(1)
    await _until_empty(server)


async def test_a_client_that_is_down_is_told_later_with_a_fresh_token(
    server: RunningServer, person: Person, rp: RelyingParty, receiver: Receiver
) -> None:
    """Section 2.5; the token lives two minutes, the notice until it is taken."""
    receiver.statuses = [503, 500]
    await _sign_out(person, await rp.sign_in(person))
    for tries in (1, 2):
        await receiver.wait_for(tries)
        await _until_postponed(server, tries)
        server.clock.advance(3600)
    first, _, last = await receiver.wait_for(3)
    await _until_empty(server)
    earlier, later = await _claims(rp, first), await _claims(rp, last)
    assert later["iat"] == earlier["iat"] + 7200
    assert later["jti"] != earlier["jti"]
    assert later["sid"] == earlier["sid"]


async def _until_postponed(server: RunningServer, tries: int) -> None:
    for _ in range(200):
        (item,) = await _waiting(server)
        if item.tries == tries and item.last_error:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the failure was not written down")


@pytest.mark.parametrize("status", [400, 404, 302])
async def test_a_client_that_says_no_is_given_up_after_three_times(
    server: RunningServer, person: Person, rp: RelyingParty, receiver: Receiver, status: int
) -> None:
    """Section 2.8: 400 is an answer. A redirect is not followed."""
    receiver.statuses = [status] * 3
    await _sign_out(person, await rp.sign_in(person))
    for tries in (1, 2):
        await receiver.wait_for(tries)
        await _until_postponed(server, tries)
        server.clock.advance(3600)
    await receiver.wait_for(3)
    await _until_empty(server)
    (row,) = await server.run(lambda db: audit.list_rows(db, event="logout_notice.failed"))
    assert row["client_id"] == rp.client_id
    assert row["details"]["tries"] == 3


async def test_a_client_that_never_answers_is_given_up_after_a_day(
    server: RunningServer, person: Person, receiver: Receiver
) -> None:
    rp = await _client(server, "gone", receiver, backchannel_logout_uri="http://127.0.0.1:1/logout")
    await _sign_out(person, await rp.sign_in(person))
    await _until_postponed(server, 1)
    server.clock.advance(86_400)
    await _until_empty(server)
    assert len(await server.run(lambda db: audit.list_rows(db, event="logout_notice.failed"))) == 1


async def test_a_slow_client_holds_nobody_up(
    server: RunningServer, person: Person, rp: RelyingParty, receiver: Receiver
) -> None:
    """Section 2.5: the person's own page does not wait, nor do the other clients."""
    slow = await _client(server, "slow", receiver)
    receiver.answers["/slow"] = Answer(delay=2.0)
    await slow.sign_in(person)
    tokens = await rp.sign_in(person)
    async with asyncio.timeout(1.5):
        await _sign_out(person, tokens)
        assert (await receiver.wait_for(1))[0].path == "/web"
    await receiver.wait_for(2)
    await _until_empty(server)


async def test_a_disabled_client_is_told_nothing(
    server: RunningServer, person: Person, rp: RelyingParty, receiver: Receiver
) -> None:
    tokens = await rp.sign_in(person)
    await server.disable_client(rp.client_id)
    await _sign_out(person, tokens)
    assert await _waiting(server) == []
    assert receiver.requests == []


@pytest.mark.parametrize(
    "uri", ["http://client.example/out", "/out", "https://client.example/out#x", "ftp://client.example/", 5, "https://"]
)
async def test_only_an_https_address_can_be_registered(server: RunningServer, uri: object) -> None:
    """Section 2.2: an absolute URI without a fragment."""
    assert server.settings.fetch_private_addresses
    with pytest.raises(InvalidClientMetadata):
        validate({"redirect_uris": ["https://client.example/cb"], "backchannel_logout_uri": uri})


async def test_a_client_with_encrypted_id_tokens_gets_its_logout_tokens_encrypted(
    server: RunningServer, person: Person, receiver: Receiver
) -> None:
    """Sections 2.4 and 2.6: by the same key and algorithms; `iss` stands in the header too."""
    confidant = Confidant()
    receiver.answers["/jwks"] = Answer(body=json.dumps(confidant.jwks).encode())
    keys = {"jwks_uri": f"{receiver.origin}/jwks", "id_token_encrypted_response_alg": "ECDH-ES"}
    rp = await _client(server, "hidden", receiver, **keys)
    tokens = await rp.sign_in(person)
    _, id_token = confidant.read(tokens["id_token"])
    await _sign_out(person, {"id_token": id_token})
    await _until_empty(server)
    (request,) = [request for request in receiver.requests if request.path == "/hidden"]
    header, inside = confidant.read(request.form["logout_token"])
    assert (header["iss"], header["cty"]) == (server.issuer, "JWT")
    _, claims = await rp.verified(inside)
    assert EVENT in claims["events"]


async def test_a_client_that_hangs_keeps_the_others_waiting_once(
    server: RunningServer, rp: RelyingParty, receiver: Receiver
) -> None:
    """Section 2.5: many notices for one that does not answer must not stand before those of the others."""
    await server.add_person()
    dead = await _client(server, "dead", receiver, backchannel_logout_uri="http://127.0.0.1:1/logout")
    for _ in range(12):
        async with Person(server) as browser:
            await dead.sign_in(browser)
            tokens = await rp.sign_in(browser)
    sub = (await rp.verified(tokens["id_token"]))[1]["sub"]
    await server.run(lambda db: sessions.end_all(db, sub, context=CLI, now=server.clock.now()))
    await receiver.wait_for(12)
    for _ in range(200):
        waiting = await _waiting(server)
        if len(waiting) == 12 and all(item.last_error for item in waiting):
            break
        await asyncio.sleep(0.02)
    errors = [str(item.last_error) for item in waiting]
    assert sum("a moment ago" in error for error in errors) >= 12 - logout_delivery.PARALLEL
    server.clock.advance(30)
    for _ in range(200):
        if all(item.tries == 2 for item in await _waiting(server)):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it is not asked again")
