"""OpenID Connect Client-Initiated Backchannel Authentication Flow - Core 1.0, in poll and ping modes."""

import asyncio
from typing import Any

import pytest

from clients.metadata import InvalidClientMetadata, validate
from server.accounts import lifecycle
from server.events.context import CLI
from server.events.names import Event
from tests.support.account import alice_of, enter, events
from tests.support.asking import (
    ALICE,
    GRANT,
    PLAIN,
    REQUESTS,
    SCOPE,
    ask,
    begin,
    client,
    decide,
    poll,
    poll_error,
    refused,
    tokens_of,
)
from tests.support.certificates import make
from tests.support.mailbox import Mailbox
from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def test_a_person_is_asked_elsewhere_and_approves(person: Person, bank: RelyingParty) -> None:
    """Sections 7.1, 7.3, 10.1 and 10.1.1."""
    server = bank.server
    answer = await begin(bank, binding_message="Basket 4711")
    assert set(answer) == {"auth_req_id", "expires_in", "interval"}
    assert (answer["expires_in"], answer["interval"]) == (600, 5)
    assert len(answer["auth_req_id"]) >= 43, "section 7.3: at least 128 bits, 160 are recommended"
    assert await poll_error(bank, answer) == "authorization_pending"
    await enter(person)
    assert "A request waits for your decision." in person.text
    await person.visit(REQUESTS)
    for shown in ("Corner Bank", "Basket 4711", "See your profile", "192.0.2.1"):
        assert shown in person.text, shown
    await person.submit(("decision", "approve"))
    assert person.title == "Requests"
    assert "Approved." in person.text
    assert "Nobody waits for your decision." in person.text
    tokens = await tokens_of(bank, answer)
    assert tokens["scope"] == SCOPE
    assert (await bank.userinfo(tokens["access_token"])).json()["name"] == "Alice Ample"
    assert "refresh_token" in (await bank.refresh(tokens["refresh_token"])).json()
    assert await poll_error(bank, answer) == "invalid_grant"
    for event in (Event.BACKCHANNEL_REQUESTED, Event.BACKCHANNEL_APPROVED):
        (row,) = await events(server, event)
        assert (row["client_id"], row["user_id"]) == ("bank", (await alice_of(server)).id)


async def test_the_id_token_tells_of_the_sign_in(person: Person, bank: RelyingParty) -> None:
    """Section 10.1.1; section 10.3.1: urn:openid:params:jwt:claim:auth_req_id is for push mode alone."""
    await enter(person)
    signed_in_at = bank.server.clock.now()
    bank.server.clock.advance(30)
    answer = await begin(bank)
    await decide(person)
    tokens = await tokens_of(bank, answer)
    _, claims = await bank.verified(tokens["id_token"])
    assert (claims["iss"], claims["aud"]) == (bank.server.issuer, "bank")
    assert (claims["auth_time"], claims["acr"], claims["amr"]) == (signed_in_at, "aal1", ["pwd"])
    assert claims["at_hash"]
    assert not [name for name in claims if name.startswith("urn:openid")]
    assert "nonce" not in claims


async def test_a_refusal_is_told_to_the_client(person: Person, bank: RelyingParty) -> None:
    """Section 11: access_denied."""
    answer = await begin(bank)
    await decide(person, "deny")
    assert "Denied." in person.text
    assert await poll_error(bank, answer) == "access_denied"
    (row,) = await events(bank.server, Event.BACKCHANNEL_DENIED)
    assert row["actor"] == (await alice_of(bank.server)).id
    assert await events(bank.server, Event.BACKCHANNEL_APPROVED) == []


async def test_a_client_that_asks_too_often_must_slow_down(person: Person, bank: RelyingParty) -> None:
    """Section 11: five seconds more for this and all following requests."""
    clock = bank.server.clock
    answer = await begin(bank)
    assert await poll_error(bank, answer) == "authorization_pending"
    clock.advance(4)
    assert await poll_error(bank, answer) == "slow_down"
    clock.advance(9)
    assert await poll_error(bank, answer) == "slow_down"
    clock.advance(15)
    assert await poll_error(bank, answer) == "authorization_pending"
    await decide(person)
    await tokens_of(bank, answer)


async def test_requests_expire(person: Person, bank: RelyingParty) -> None:
    """Section 11: expired_token, decided or not; and a late decision is none."""
    answer, approved = await begin(bank), await begin(bank)
    await enter(person)
    await person.visit(REQUESTS)
    first, second = person.page.forms
    await person.submit(("decision", "approve"), second)
    bank.server.clock.advance(600)
    await person.submit(("decision", "approve"), first)
    assert "it is too old" in person.text
    for late in (answer, approved):
        assert await poll_error(bank, late) == "expired_token"


async def test_the_client_may_want_less_time_or_more(person: Person, bank: RelyingParty) -> None:
    """Section 7.1: requested_expiry, within our bounds."""
    await enter(person)
    for wanted, given in (("120", 120), ("1", 30), ("99999", 1800)):
        assert (await begin(bank, requested_expiry=wanted))["expires_in"] == given
        await decide(person, "deny")
    for wrong in ("0", "-5", "1.5", "soon", "9999999", "\u0663"):
        assert await refused(bank, requested_expiry=wrong) == "invalid_request", wrong


async def test_parallel_polls_get_one_set_of_tokens(person: Person, bank: RelyingParty) -> None:
    """Section 7.3: an auth_req_id is good for one set of tokens."""
    answer = await begin(bank)
    await decide(person)
    responses = await asyncio.gather(*(poll(bank, answer) for _ in range(12)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 11
    assert {response.json().get("error") for response in responses} == {None, "invalid_grant"}


async def test_polls_while_the_person_decides_lose_nothing(person: Person, bank: RelyingParty) -> None:
    """Section 11: a poll must not undo a decision."""
    answer = await begin(bank)
    await enter(person)
    await person.visit(REQUESTS)
    await asyncio.gather(person.submit(("decision", "approve")), *(poll(bank, answer) for _ in range(8)))
    assert "Approved." in person.text
    bank.server.clock.advance(61)
    responses = [await poll(bank, answer) for _ in range(2)]
    assert responses[-1].json()["error"] == "invalid_grant"


async def test_another_client_cannot_poll(person: Person, bank: RelyingParty) -> None:
    """Section 11: invalid_grant where it was issued to another client."""
    other = await client(bank.server, "other")
    answer = await begin(bank)
    await decide(person)
    assert await poll_error(other, answer) == "invalid_grant"
    assert await poll_error(bank, {"auth_req_id": "ocr_none"}) == "invalid_grant"
    assert (await bank.post("/token", grant_type=GRANT)).json()["error"] == "invalid_request"
    await tokens_of(bank, answer)


async def test_a_request_names_exactly_one_person(bank: RelyingParty) -> None:
    """Section 7.1: one of the hints is required, and more than one is an error."""
    assert await refused(bank, login_hint=None) == "invalid_request"
    assert await refused(bank, login_hint_token="e30.e30.e30") == "invalid_request"
    assert await refused(bank, login_hint=None, login_hint_token="e30.e30.e30") == "invalid_request"
    assert await refused(bank, login_hint=None, id_token_hint="e30.e30.e30") == "invalid_request"


async def test_a_request_must_be_about_a_sign_in(bank: RelyingParty) -> None:
    """Section 7.1: scope is required and holds openid; section 13."""
    assert await refused(bank, scope=None) == "invalid_request"
    assert await refused(bank, scope="profile") == "invalid_scope"
    assert await refused(bank, scope="openid email") == "invalid_scope"
    assert await refused(bank, resource="https://unknown.example/") == "invalid_target"
    assert await refused(bank, authorization_details="[]x") == "invalid_authorization_details"


async def test_a_binding_message_is_short_and_plain(person: Person, bank: RelyingParty) -> None:
    """Sections 7.1 and 13: invalid_binding_message."""
    for wrong in ("x" * 101, "<b>4711</b>", "4711\n", "\N{PILE OF POO}", "a\u202eb", " ", "@bank", '"quoted"', "a\tb"):
        assert await refused(bank, binding_message=wrong) == "invalid_binding_message", wrong
    await enter(person)
    for right in ("W4SCT", "Z\u00fcge nach K\u00f6ln: 12,50", "\u54c1\u5ddd 4711", "x" * 100):
        await begin(bank, binding_message=right)
        await person.visit(REQUESTS)
        assert right in person.text
        await person.submit(("decision", "deny"))


async def test_an_id_token_names_the_person(person: Person, server: RunningServer) -> None:
    """Section 7.1: id_token_hint, expired or not, of this client alone."""
    codes = {"grant_types": ["authorization_code", GRANT], "response_types": ["code"]}
    shop = await client(server, "shop", **codes, redirect_uris=["https://client.example/cb"])
    other = await client(server, "other", **codes, redirect_uris=["https://client.example/cb"])
    shop.scope = other.scope = "openid profile"
    hint = (await shop.sign_in(person))["id_token"]
    server.clock.advance(7200)
    asked = await begin(shop, login_hint=None, id_token_hint=hint, scope="openid")
    await decide(person)
    await tokens_of(shop, asked)
    assert await refused(other, login_hint=None, id_token_hint=hint) == "invalid_request"
    alice = await alice_of(server)
    await server.run(lambda db: lifecycle.disable(db, alice, context=CLI, now=server.clock.now()))
    assert await refused(shop, login_hint=None, id_token_hint=hint, scope="openid") == "unknown_user_id"


async def test_a_pairwise_id_token_names_the_person_too(person: Person, server: RunningServer) -> None:
    """Section 4: a client that knows people by pairwise identifiers."""
    shop = await client(
        server,
        "shop",
        grant_types=["authorization_code", GRANT],
        response_types=["code"],
        redirect_uris=["https://client.example/cb"],
        subject_type="pairwise",
    )
    shop.scope = "openid profile"
    hint = (await shop.sign_in(person))["id_token"]
    _, signed_in = await shop.verified(hint)
    assert signed_in["sub"] != (await alice_of(server)).id
    asked = await begin(shop, login_hint=None, id_token_hint=hint, scope="openid")
    await decide(person)
    _, claims = await shop.verified((await tokens_of(shop, asked))["id_token"])
    assert claims["sub"] == signed_in["sub"]


async def test_an_ordinary_client_does_not_learn_who_is_here(bank: RelyingParty) -> None:
    """Sections 13 and 15: somebody unknown is asked like everybody else, and never answers."""
    await bank.server.add_person(email_verified=True)
    disabled = await bank.server.add_person("carol@example.com", email_verified=True)
    await bank.server.run(lambda db: lifecycle.disable(db, disabled, context=CLI, now=bank.server.clock.now()))
    known = await begin(bank)
    for hint in ("nobody@example.com", "carol@example.com", "not an address"):
        unknown = await begin(bank, login_hint=hint)
        assert {**unknown, "auth_req_id": ""} == {**known, "auth_req_id": ""}
        assert await poll_error(bank, unknown) == "authorization_pending"
        bank.server.clock.advance(200)
    assert [letter.to for letter in await Mailbox(bank.server).letters()] == [ALICE]
    assert await poll_error(bank, unknown) == "authorization_pending"
    bank.server.clock.advance(600)
    assert await poll_error(bank, unknown) == "expired_token"


async def test_the_operators_own_client_learns_it_but_cannot_ask_about_everybody(bank: RelyingParty) -> None:
    """Section 13: unknown_user_id, for a client with skip_consent; it is asked for at most so many."""
    await bank.server.change_client("bank", skip_consent=True)
    for number in range(20):
        assert await refused(bank, login_hint=f"nobody{number}@example.com") == "unknown_user_id"
    response = await ask(bank, login_hint="nobody20@example.com")
    assert (response.status_code, response.json()["error"]) == (429, "temporarily_unavailable")
    assert int(response.headers["retry-after"]) > 0


async def test_only_registered_confidential_clients_may_ask(server: RunningServer, rp: RelyingParty) -> None:
    """Section 7.1: client authentication as registered; section 13."""
    assert await refused(rp, scope="openid") == "unauthorized_client"
    response = await ask(RelyingParty(server, "web", "wrong"))
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    response = await ask(RelyingParty(server, "nobody"))
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    async with server.http() as http:
        assert (await http.get("/bc-authorize")).status_code == 405
        assert (await http.post("/bc-authorize", json={"scope": "openid"})).status_code == 400


async def test_an_assertion_may_name_any_of_our_three_addresses(server: RunningServer) -> None:
    """Section 7.1: the issuer, the token endpoint, the backchannel authentication endpoint; nowhere else."""
    key = Prover(server)
    jwks = {"keys": [key.pair.public_jwk]}
    await client(server, "signer", token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    now = server.clock.now()
    url = server.settings.url

    def assertion(audience: str, number: int) -> dict[str, str]:
        claims = {"iss": "signer", "sub": "signer", "aud": audience, "exp": now + 60, "iat": now, "jti": f"j{number}"}
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return {"client_assertion_type": kind, "client_assertion": key.signer.sign(claims, typ="JWT")}

    right = (server.issuer, url("/token"), url("/bc-authorize"))
    async with server.http() as http:
        for number, audience in enumerate((*right, url("/par"), url("/introspect"))):
            form = {"scope": "openid", "login_hint": ALICE, **assertion(audience, number)}
            status = (await http.post("/bc-authorize", data=form)).status_code
            assert status == (200 if audience in right else 401), audience
        form = {"grant_type": GRANT, "auth_req_id": "x", **assertion(url("/bc-authorize"), 9)}
        assert (await http.post("/token", data=form)).status_code == 401


async def test_tokens_are_bound_to_the_key_that_the_client_proves(person: Person, bank: RelyingParty) -> None:
    """RFC 9449 section 5, as with every grant."""
    key = Prover(bank.server)
    answer = await begin(bank)
    await decide(person)
    response = await key.post(bank, grant_type=GRANT, auth_req_id=answer["auth_req_id"])
    assert response.json()["token_type"] == "DPoP"
    _, claims = await bank.verified(response.json()["access_token"])
    assert claims["cnf"] == {"jkt": key.jkt}


@pytest.mark.parametrize(
    "overrides",
    [{"trusted_proxies": ("10.0.0.5",), "client_certificate_header": "X-Client-Certificate"}],
    indirect=True,
)
async def test_tokens_are_bound_to_the_certificate_that_the_client_shows(person: Person, server: RunningServer) -> None:
    """RFC 8705 section 3, as with every grant."""
    bank = await client(server, tls_client_certificate_bound_access_tokens=True)
    certificate = make(server.clock.now(), "CN=bank")
    answer = await begin(bank)
    await decide(person)
    form = {"grant_type": GRANT, "auth_req_id": answer["auth_req_id"]}
    assert (await bank.post("/token", **form)).json()["error"] == "invalid_request"
    headers = {"x-client-certificate": certificate.nginx, "x-forwarded-for": "192.0.2.1"}
    async with server.http(address="10.0.0.5") as http:
        response = await http.post("/token", data=form, headers=headers, auth=(bank.client_id, bank.client_secret))
    assert response.status_code == 200, response.text
    _, claims = await bank.verified(response.json()["access_token"])
    assert claims["cnf"] == {"x5t#S256": certificate.thumbprint}


async def test_discovery_announces_what_is_served(server: RunningServer) -> None:
    """Section 4."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert document["backchannel_authentication_endpoint"] == f"{server.issuer}/bc-authorize"
    assert document["backchannel_token_delivery_modes_supported"] == ["poll", "ping"]
    assert document["backchannel_user_code_parameter_supported"] is False
    assert "none" not in document["backchannel_authentication_request_signing_alg_values_supported"]
    assert GRANT in document["grant_types_supported"]


@pytest.mark.parametrize(
    "changes",
    [
        {"backchannel_token_delivery_mode": None},
        {"backchannel_token_delivery_mode": "push"},
        {"backchannel_token_delivery_mode": "ping"},
        {"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": "http://c.example/cb"},
        {"backchannel_user_code_parameter": True},
        {"backchannel_authentication_request_signing_alg": "ES256"},
        {"backchannel_authentication_request_signing_alg": "HS256"},
        {"token_endpoint_auth_method": "none"},
    ],
)
def test_a_client_that_could_never_ask_is_not_registered(changes: dict[str, Any]) -> None:
    """Section 4."""
    with pytest.raises(InvalidClientMetadata):
        validate({**PLAIN, **changes})


async def test_no_request_can_ask_for_the_answer_of_this_page(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url(response_mode="backchannel"))
    assert person.answer()["error"] == "invalid_request"
