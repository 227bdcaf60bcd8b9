"""OpenID Connect CIBA Core 1.0: the person who is asked, sections 7.3, 8 and 15."""

import asyncio
import json
from typing import Any

import pytest

from server.accounts import lifecycle
from server.accounts.user import User
from server.events.context import CLI
from server.events.names import Event
from server.protocol import backchannel_prompts
from server.storage import users
from server.storage.authorization_detail_types import DetailType
from server.storage.resources import Resource
from tests.support.account import alice_of, enter, events
from tests.support.asking import (
    ALICE,
    REQUESTS,
    ask,
    begin,
    client,
    decide,
    poll,
    poll_error,
    tokens_of,
)
from tests.support.mailbox import Mailbox
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def _sign_out(person: Person) -> None:
    await person.visit("/end-session")
    await person.submit(("decision", "sign-out"))


async def _change(server: RunningServer, user: User, **fields: Any) -> None:
    await server.run(lambda db: users.update_fields(db, user.id, fields, now=server.clock.now()))


async def test_the_person_is_told_by_mail_and_opening_the_link_decides_nothing(
    person: Person, bank: RelyingParty
) -> None:
    """Section 7.3: the person is asked; the mail says who asks, and until when."""
    server, mailbox = bank.server, Mailbox(bank.server)
    await _change(server, await alice_of(server), email_verified=True)
    answer = await begin(bank, binding_message="Basket 4711")
    letter = await mailbox.letter(to=ALICE)
    assert letter.subject == "Corner Bank asks for your approval"
    assert letter.link == server.settings.url(REQUESTS)
    assert answer["auth_req_id"] not in letter.text
    await enter(person)
    for _ in range(2):
        await person.visit(letter.link)
        assert person.title == "Requests"
    assert await poll_error(bank, answer) == "authorization_pending"


async def test_the_mail_speaks_the_language_of_the_person(server: RunningServer, bank: RelyingParty) -> None:
    """And nobody gets one at an address that is not proven."""
    grete = await server.add_person("grete@example.com", email_verified=True)
    await _change(server, grete, language="de")
    await server.add_person("carol@example.com")
    await begin(bank, login_hint="grete@example.com")
    await begin(bank, login_hint="carol@example.com")
    letter = await Mailbox(server).letter()
    assert (letter.to, letter.language) == ("grete@example.com", "de")
    assert "Corner Bank" in letter.subject


async def test_of_decisions_at_once_one_counts(person: Person, bank: RelyingParty) -> None:
    """Section 8: approved twice, or approved and denied, it is one decision."""
    answer = await begin(bank)
    await enter(person)
    await person.visit(REQUESTS)
    url, fields = person.server.settings.url(REQUESTS), person.form.fields
    decisions = ("approve", "deny", "approve", "deny")
    answers = await asyncio.gather(
        *(person.http.post(url, data={**fields, "decision": decision}) for decision in decisions)
    )
    done = [response.headers["location"].partition("?done=")[2] for response in answers]
    assert sorted(done)[1:] == ["over"] * 3
    made = [await events(bank.server, event) for event in (Event.BACKCHANNEL_APPROVED, Event.BACKCHANNEL_DENIED)]
    assert sorted(len(rows) for rows in made) == [0, 1]
    assert (await poll(bank, answer)).status_code == (200 if "approved" in done else 400)


async def test_somebody_else_neither_sees_nor_decides_a_request(person: Person, bank: RelyingParty) -> None:
    """Section 8: the person of the hint, and nobody else."""
    answer = await begin(bank)
    await enter(person)
    await person.visit(REQUESTS)
    request_id = person.form.fields["request_id"]
    await bank.server.add_person("mallory@example.com", name="Mallory")
    async with Person(bank.server, email="mallory@example.com") as mallory:
        await enter(mallory)
        await mallory.visit(REQUESTS)
        assert "Nobody waits for your decision." in mallory.text
        await mallory.visit("/account/delete")
        token = {"csrf_token": mallory.form.fields["csrf_token"]}
        for decision in ("approve", "deny"):
            form = {**token, "request_id": request_id, "decision": decision}
            response = await mallory.http.post(REQUESTS, data=form)
            assert response.status_code == 404
        assert (await mallory.http.post(REQUESTS, data={**token, "request_id": "bcr_none"})).status_code == 404
    assert await poll_error(bank, answer) == "authorization_pending"


async def test_a_decision_from_a_foreign_site_is_refused(person: Person, bank: RelyingParty) -> None:
    """RFC 9700 section 4.7."""
    answer = await begin(bank)
    await enter(person)
    await person.visit(REQUESTS)
    fields = {**person.form.fields, "decision": "approve"}
    response = await person.http.post(REQUESTS, data=fields, headers={"origin": "https://evil.example"})
    assert response.status_code == 403
    del fields["csrf_token"]
    assert (await person.http.post(REQUESTS, data=fields)).status_code == 403
    assert await poll_error(bank, answer) == "authorization_pending"


async def test_a_person_is_always_asked(person: Person, bank: RelyingParty) -> None:
    """Section 7.3, and section 15 against prompts that nobody reads: allowed before, or first-party, they decide."""
    await bank.server.change_client("bank", skip_consent=True)
    for _ in range(2):
        answer = await begin(bank)
        assert await poll_error(bank, answer) == "authorization_pending"
        await decide(person)
        await tokens_of(bank, answer)


async def test_a_person_is_not_flooded_with_requests(person: Person, bank: RelyingParty) -> None:
    """Section 15: three of one client wait at most, and the client does not learn whether there is anybody."""
    for _ in range(5):
        await begin(bank)
    await enter(person)
    await person.visit(REQUESTS)
    assert len(person.page.forms) == backchannel_prompts.MAX_PENDING_OF_CLIENT
    await bank.server.change_client("bank", skip_consent=True)
    response = await ask(bank)
    assert (response.status_code, response.json()["error"]) == (429, "temporarily_unavailable")


async def test_requests_at_once_do_not_slip_through(person: Person, bank: RelyingParty) -> None:
    await asyncio.gather(*(begin(bank) for _ in range(8)))
    await enter(person)
    await person.visit(REQUESTS)
    assert len(person.page.forms) == backchannel_prompts.MAX_PENDING_OF_CLIENT


async def test_all_clients_together_do_not_flood_a_person(person: Person, server: RunningServer) -> None:
    for number in range(4):
        one = await client(server, f"bank{number}")
        for _ in range(3):
            await begin(one)
    await enter(person)
    await person.visit(REQUESTS)
    assert len(person.page.forms) == backchannel_prompts.MAX_PENDING


async def test_asking_again_and_again_is_slowed_down(bank: RelyingParty) -> None:
    """Section 15: whoever is asked, known or not."""
    mailbox = Mailbox(bank.server)
    await bank.server.add_person(email_verified=True)
    for hint in (ALICE, "nobody@example.com"):
        answers = [await ask(bank, login_hint=hint) for _ in range(11)]
        assert [response.status_code for response in answers] == [200] * 10 + [429]
    assert len(await mailbox.letters()) == 3
    other = await client(bank.server, "other")
    await begin(other)


async def test_mails_are_slowed_down_where_the_page_is_not(person: Person, bank: RelyingParty) -> None:
    """Five mails, and then one in ten minutes; the page shows all."""
    mailbox = Mailbox(bank.server)
    await _change(bank.server, await alice_of(bank.server), email_verified=True)
    await enter(person)
    for _ in range(7):
        await begin(bank)
        await decide(person, "deny")
    assert len(await mailbox.letters()) == 5


async def test_a_client_that_needs_a_second_factor_gets_one(person: Person, bank: RelyingParty) -> None:
    """Section 7.1: acr_values; the page has no way around what the client or the policy demands."""
    await enter(person)
    for demand in ({"acr_values": "aal2"}, {}):
        answer = await begin(bank, **demand)
        await decide(person)
        if demand:
            assert person.title == "Protect your account"
            assert await poll_error(bank, answer) == "authorization_pending"
            await person.enrol()
            await person.visit(REQUESTS)
            await person.submit(("decision", "approve"))
        _, claims = await bank.verified((await tokens_of(bank, answer))["id_token"])
        assert claims["acr"] == "aal2"


async def test_a_session_with_one_factor_is_stepped_up(person: Person, bank: RelyingParty) -> None:
    """RFC 9470 beside section 7.1: the decision counts once the factor is shown, and is not asked again."""
    clock = bank.server.clock
    await person.visit(REQUESTS)
    await person.sign_in()
    await person.enrol()
    await _sign_out(person)
    clock.advance(60)
    await person.visit(REQUESTS)
    await person.sign_in()
    await person.submit(code=person.code(), trust_browser="yes")
    await _sign_out(person)
    clock.advance(60)
    await person.visit(REQUESTS)
    await person.sign_in()
    answer = await begin(bank, acr_values="aal2")
    await decide(person)
    assert person.title == "Enter your code"
    assert await poll_error(bank, answer) == "authorization_pending"
    await person.submit(code=person.code())
    assert "Approved." in person.text
    _, claims = await bank.verified((await tokens_of(bank, answer))["id_token"])
    assert claims["acr"] == "aal2"


@pytest.mark.parametrize("overrides", [{"mfa": "required"}], indirect=True)
async def test_where_everybody_needs_a_factor_nobody_approves_without(person: Person, bank: RelyingParty) -> None:
    """The server's policy holds for this page as for every other."""
    answer = await begin(bank)
    await person.visit(REQUESTS)
    await person.sign_in()
    assert person.title == "Protect your account"
    await person.visit(REQUESTS)
    assert person.title == "Protect your account"
    await person.enrol()
    await person.visit(REQUESTS)
    await person.submit(("decision", "approve"))
    _, claims = await bank.verified((await tokens_of(bank, answer))["id_token"])
    assert claims["acr"] == "aal2"


async def test_an_old_sign_in_is_renewed_where_the_client_wants_it(person: Person, bank: RelyingParty) -> None:
    """The client's default_max_age; whoever signs in as somebody else approves nothing."""
    await bank.server.change_client("bank", default_max_age=60)
    await bank.server.add_person("mallory@example.com", name="Mallory")
    await enter(person)
    bank.server.clock.advance(61)
    answer = await begin(bank)
    await decide(person)
    assert person.title == "Sign in"
    await person.sign_in(email="mallory@example.com")
    assert await poll_error(bank, answer) == "authorization_pending"
    assert await events(bank.server, Event.BACKCHANNEL_APPROVED) == []
    async with Person(bank.server) as alice:
        await decide(alice)
    await tokens_of(bank, answer)


async def test_signing_out_before_the_poll_ends_the_authorization(person: Person, bank: RelyingParty) -> None:
    """Without offline_access, tokens end with the sign-in in which the person approved."""
    answer, fetched = await begin(bank), await begin(bank)
    await decide(person)
    await decide(person)
    tokens = await tokens_of(bank, fetched)
    await _sign_out(person)
    assert await poll_error(bank, answer) == "invalid_grant"
    assert (await bank.userinfo(tokens["access_token"])).status_code == 401
    assert (await bank.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_disabling_the_person_ends_everything(person: Person, bank: RelyingParty) -> None:
    server = bank.server
    answer = await begin(bank, scope="openid offline_access")
    await decide(person)
    alice = await alice_of(server)
    await server.run(lambda db: lifecycle.disable(db, alice, context=CLI, now=server.clock.now()))
    assert await poll_error(bank, answer) == "invalid_grant"


async def test_taking_access_back_ends_everything(person: Person, bank: RelyingParty) -> None:
    """What was approved here stands among the connected applications."""
    answer = await begin(bank)
    await decide(person)
    tokens = await tokens_of(bank, answer)
    await person.visit("/account/applications")
    assert "Corner Bank" in person.text
    await person.submit()
    assert (await bank.userinfo(tokens["access_token"])).status_code == 401
    assert (await bank.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_request_of_a_client_that_was_disabled_is_not_shown(person: Person, bank: RelyingParty) -> None:
    await begin(bank)
    await enter(person)
    await person.visit(REQUESTS)
    form = person.form
    await bank.server.disable_client("bank")
    bank.server.services.registry.clear()
    await person.submit(("decision", "approve"), form)
    assert "Nothing was approved now." in person.text
    assert "Corner Bank" not in person.text


async def test_what_is_asked_in_detail_is_shown_in_words(person: Person, bank: RelyingParty) -> None:
    """RFC 9396 section 12 and RFC 8707: a payment and its resource, in the decision and in the token."""
    server = bank.server
    schema = {"properties": {"amount": {"type": "string", "title": "Amount"}}}
    payment = DetailType("payment", "A payment", schema)
    shop = Resource("https://api.example/", "The shop's API")
    await server.add_detail_types(payment)
    await server.add_resources(shop)
    await server.change_client("bank", authorization_details_types=["payment"])
    details = [{"type": "payment", "amount": "12.50 EUR"}]
    answer = await begin(bank, authorization_details=json.dumps(details), resource=shop.uri)
    await enter(person)
    await person.visit(REQUESTS)
    for shown in ("A payment", "Amount", "12.50 EUR", "The shop's API"):
        assert shown in person.text, shown
    await person.submit(("decision", "approve"))
    tokens = await tokens_of(bank, answer)
    assert tokens["authorization_details"] == details
    _, claims = await bank.verified(tokens["access_token"])
    assert claims["aud"] == shop.uri


async def test_requests_are_counted_and_found_on_every_page_of_the_account(person: Person, bank: RelyingParty) -> None:
    """Two of one application are two; a short one says how long it is still open."""
    await begin(bank)
    await begin(bank, requested_expiry="30")
    await enter(person)
    assert "2 requests wait for your decision." in person.text
    await person.visit("/account/profile")
    assert "Requests 2" in person.text
    await person.visit(REQUESTS)
    assert "open for 30 more seconds" in person.text
    assert person.text.count("open until") == 1
    bank.server.clock.advance(601)
    await person.visit("/account/profile")
    assert "Requests" not in person.text
