"""RFC 8628 Device Authorization Grant."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from server.accounts import throttling
from server.protocol.request_pace import ADDRESS_AT_ONCE
from server.storage import audit
from server.storage.resources import Resource
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
async def television(server: RunningServer) -> RelyingParty:
    """A public client on a device without a browser."""
    await server.add_client(
        "television",
        client_name="Living Room TV",
        grant_types=[GRANT, "refresh_token"],
        response_types=[],
        redirect_uris=[],
        token_endpoint_auth_method="none",
        scope="openid profile offline_access things:watch",
    )
    return RelyingParty(server, "television")


async def _begin(rp: RelyingParty, **form: str) -> dict[str, Any]:
    response = await rp.post("/device_authorization", **{"scope": "openid profile things:watch", **form})
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    codes: dict[str, Any] = response.json()
    return codes


async def _poll(rp: RelyingParty, codes: dict[str, Any], **form: str) -> httpx.Response:
    return await rp.post("/token", grant_type=GRANT, device_code=codes["device_code"], **form)


async def _error(rp: RelyingParty, codes: dict[str, Any], **form: str) -> str:
    response = await _poll(rp, codes, **form)
    assert response.status_code == 400, response.text
    return str(response.json()["error"])


async def _lead_to_decision(person: Person, user_code: str) -> None:
    await person.visit("/device")
    await person.submit(user_code=user_code)
    if person.title == "Sign in":
        await person.sign_in()
    if person.title == "Protect your account":
        await person.postpone()
    assert person.title == "Allow access", person.text


async def test_a_person_connects_a_device(person: Person, television: RelyingParty) -> None:
    """Sections 3.1 to 3.5."""
    codes = await _begin(television)
    assert codes["verification_uri"] == f"{television.server.issuer}/device"
    assert codes["verification_uri_complete"] == f"{television.server.issuer}/device?user_code={codes['user_code']}"
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", codes["user_code"])
    assert await _error(television, codes) == "authorization_pending"
    await _lead_to_decision(person, codes["user_code"])
    assert "Living Room TV" in person.text
    assert "See your profile" in person.text
    assert codes["user_code"] in person.text, "section 3.3.1: the person compares the codes"
    await person.consent()
    assert person.title == "Device connected"
    response = await _poll(television, codes)
    assert response.status_code == 200, response.text
    tokens = response.json()
    assert tokens["scope"] == "openid profile things:watch"
    _, claims = await television.verified(tokens["id_token"])
    assert claims["aud"] == "television"
    assert (await television.userinfo(tokens["access_token"])).json()["name"] == "Alice Ample"
    assert "refresh_token" in (await television.refresh(tokens["refresh_token"])).json()
    rows = await television.server.run(lambda db: audit.list_rows(db, event="device.approved"))
    assert rows[0]["client_id"] == "television"


async def test_a_refusal_is_told_to_the_device(person: Person, television: RelyingParty) -> None:
    """Section 3.5: access_denied."""
    codes = await _begin(television)
    await _lead_to_decision(person, codes["user_code"])
    await person.consent("deny")
    assert person.title == "Device not connected"
    assert await _error(television, codes) == "access_denied"
    await person.visit("/device")
    await person.submit(user_code=codes["user_code"])
    assert person.response.status_code == 400, "a decision cannot be changed"


@pytest.mark.parametrize("overrides", [{"mfa": "required"}], indirect=True)
async def test_who_does_not_want_the_second_factor_that_is_demanded_denies_the_device(
    person: Person, television: RelyingParty
) -> None:
    """Section 3.5: the device is told at once, and need not wait for the code to expire."""
    codes = await _begin(television)
    await person.visit("/device")
    await person.submit(user_code=codes["user_code"])
    await person.sign_in()
    assert person.title == "Protect your account"
    await person.submit(("decision", "cancel"))
    assert person.title == "Device not connected"
    assert await _error(television, codes) == "access_denied"


async def test_the_code_in_a_link_is_only_filled_in(person: Person, television: RelyingParty) -> None:
    """Section 3.3.1: the person must confirm."""
    codes = await _begin(television)
    await person.visit(codes["verification_uri_complete"])
    assert person.title == "Connect a device"
    assert person.form.fields["user_code"] == codes["user_code"]
    assert await _error(television, codes) == "authorization_pending"
    await person.submit()
    assert person.title == "Sign in"
    assert "Living Room TV" in person.text


async def test_a_link_shows_nothing_but_codes(server: RunningServer) -> None:
    shown = {"<script>": "", "%00": "", "%ff": "", "AEIO-UAEI": "", "": "", "bcdf ghjk": "BCDF-GHJK"}
    async with Person(server) as person:
        for typed, code in shown.items():
            await person.visit(f"/device?user_code={typed}")
            assert person.response.status_code == 200
            assert person.form.fields["user_code"] == code


async def test_a_code_is_understood_however_it_is_typed(person: Person, television: RelyingParty) -> None:
    """Section 6.1: case and punctuation do not count."""
    code = (await _begin(television))["user_code"]
    for typed in (code.lower(), f" {code} ", code.replace("-", ""), code.replace("-", " . "), f"{code}\u2013"):
        await person.visit("/device")
        await person.submit(user_code=typed)
        assert person.title == "Sign in", typed


async def test_a_person_is_asked_even_where_everything_was_allowed_before(
    person: Person, television: RelyingParty
) -> None:
    """Section 5.4: remote phishing."""
    await television.server.change_client("television", skip_consent=True)
    for _ in range(2):
        codes = await _begin(television)
        await _lead_to_decision(person, codes["user_code"])
        await person.consent()
        assert (await _poll(television, codes)).status_code == 200


async def test_a_device_that_asks_too_often_must_slow_down(person: Person, television: RelyingParty) -> None:
    """Section 3.5: five seconds more for this and all following requests."""
    clock = television.server.clock
    codes = await _begin(television)
    assert await _error(television, codes) == "authorization_pending"
    clock.advance(4)
    assert await _error(television, codes) == "slow_down"
    clock.advance(9)
    assert await _error(television, codes) == "slow_down"
    clock.advance(15)
    assert await _error(television, codes) == "authorization_pending"
    await _lead_to_decision(person, codes["user_code"])
    await person.consent()
    assert (await _poll(television, codes)).status_code == 200


async def test_codes_expire(person: Person, television: RelyingParty) -> None:
    """Sections 3.2 and 3.5: expired_token."""
    codes = await _begin(television)
    await _lead_to_decision(person, codes["user_code"])
    television.server.clock.advance(600)
    assert await _error(television, codes) == "expired_token"
    await person.consent()
    assert person.title != "Device connected"
    await person.visit("/device")
    await person.submit(user_code=codes["user_code"])
    assert person.response.status_code == 400


async def test_parallel_polls_get_one_set_of_tokens(person: Person, television: RelyingParty) -> None:
    """Section 3.4 with RFC 6749 section 4.1.2: single use."""
    codes = await _begin(television)
    await _lead_to_decision(person, codes["user_code"])
    await person.consent()
    responses = await asyncio.gather(*(_poll(television, codes) for _ in range(12)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 11
    assert {response.json().get("error") for response in responses} == {None, "invalid_grant"}


async def test_polls_while_the_person_decides_lose_nothing(person: Person, television: RelyingParty) -> None:
    """Section 3.5: a poll must not undo a decision."""
    codes = await _begin(television)
    await _lead_to_decision(person, codes["user_code"])
    await asyncio.gather(person.consent(), *(_poll(television, codes) for _ in range(8)))
    assert person.title == "Device connected"
    television.server.clock.advance(61)
    responses = [await _poll(television, codes) for _ in range(2)]
    assert responses[-1].json()["error"] == "invalid_grant"


async def test_of_two_decisions_the_first_counts(person: Person, television: RelyingParty) -> None:
    codes = await _begin(television)
    await _lead_to_decision(person, codes["user_code"])
    async with Person(television.server) as other:
        await _lead_to_decision(other, codes["user_code"])
        await person.consent()
        await other.consent("deny")
        assert other.response.status_code == 400
    assert (await _poll(television, codes)).status_code == 200


async def test_another_client_cannot_poll(server: RunningServer, person: Person, television: RelyingParty) -> None:
    """Section 3.4: the code is bound to its client."""
    secret = await server.add_client(grant_types=["authorization_code", GRANT])
    codes = await _begin(television)
    await _lead_to_decision(person, codes["user_code"])
    await person.consent()
    assert await _error(RelyingParty(server, client_secret=secret), codes) == "invalid_grant"
    assert (await _poll(television, codes)).status_code == 200


async def test_a_confidential_client_authenticates(server: RunningServer) -> None:
    """Section 3.1: client authentication as at the token endpoint."""
    secret = await server.add_client(grant_types=["authorization_code", GRANT])
    assert (await _begin(RelyingParty(server, client_secret=secret), scope="openid"))["user_code"]
    response = await RelyingParty(server, client_secret="wrong").post("/device_authorization", scope="openid")
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_requests_that_are_not_allowed_are_refused(server: RunningServer, television: RelyingParty) -> None:
    """Section 3.1; RFC 6749 section 5.2."""
    secret = await server.add_client()
    response = await RelyingParty(server, client_secret=secret).post("/device_authorization", scope="openid")
    assert response.json()["error"] == "unauthorized_client"
    response = await television.post("/device_authorization", scope="email")
    assert response.json()["error"] == "invalid_scope"
    response = await television.post("/device_authorization", resource="https://unknown.example/")
    assert response.json()["error"] == "invalid_target"
    assert (await television.post("/token", grant_type=GRANT)).json()["error"] == "invalid_request"
    assert await _error(television, {"device_code": "odc_none"}) == "invalid_grant"


async def test_signing_out_before_the_poll_ends_the_authorization(person: Person, television: RelyingParty) -> None:
    """Without offline_access, tokens end with the sign-in."""
    codes = await _begin(television)
    await _lead_to_decision(person, codes["user_code"])
    await person.consent()
    await person.visit("/end-session")
    await person.submit(("decision", "sign-out"))
    assert await _error(television, codes) == "invalid_grant"


async def test_a_device_that_names_its_resource_learns_too_that_the_authorization_has_ended(
    server: RunningServer, person: Person, television: RelyingParty
) -> None:
    """RFC 6749 section 5.2: invalid_grant, so that the device starts anew."""
    films = "https://films.example/"
    await server.add_resources(Resource(films))
    codes = await _begin(television, resource=films)
    await _lead_to_decision(person, codes["user_code"])
    await person.consent()
    await person.visit("/end-session")
    await person.submit(("decision", "sign-out"))
    assert await _error(television, codes, resource=films) == "invalid_grant"


async def test_guessing_codes_is_slowed_down_and_the_device_can_wait(person: Person, television: RelyingParty) -> None:
    """Section 5.1: brute force of the user code."""
    codes = await _begin(television)
    await person.visit("/device")
    for _ in range(10):
        await person.submit(user_code="BBBB-BBBB")
        assert person.response.status_code == 400
    await person.submit(user_code=codes["user_code"])
    assert person.response.status_code == 429
    assert int(person.response.headers["retry-after"]) > 0
    television.server.clock.advance(16)
    await person.submit(user_code=codes["user_code"])
    assert person.title == "Sign in"


async def test_guesses_from_many_addresses_are_slowed_down_together(server: RunningServer) -> None:
    """Section 5.1: no number of addresses helps."""
    now = server.clock.now()

    def work(db: Any) -> list[bool]:
        return [
            throttling.reserve(db, throttling.user_code_keys(f"198.51.{n // 250}.{n % 250}"), now) is not None
            for n in range(610)
        ]

    refused = await server.run(work)
    assert refused.index(True) == 600
    assert all(refused[600:])


async def test_a_code_typed_on_a_foreign_site_is_refused(person: Person, television: RelyingParty) -> None:
    """RFC 9700 section 4.7."""
    codes = await _begin(television)
    await person.visit("/device")
    fields = {**person.form.fields, "user_code": codes["user_code"]}
    response = await person.http.post("/device/code", data=fields, headers={"origin": "https://evil.example"})
    assert response.status_code == 403
    response = await person.http.post("/device/code", data={"user_code": codes["user_code"]})
    assert response.status_code == 403


async def test_discovery_announces_the_endpoint(server: RunningServer) -> None:
    """Section 4."""
    async with server.http() as http:
        document = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert document["device_authorization_endpoint"] == f"{server.issuer}/device_authorization"
    assert GRANT in document["grant_types_supported"]


async def test_no_request_can_ask_for_the_answer_page_of_devices(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url(response_mode="device"))
    assert person.answer()["error"] == "invalid_request"


async def test_one_address_cannot_fill_the_database(server: RunningServer, television: RelyingParty) -> None:
    """Section 5: anybody can pretend to be a device, for the client has no secret."""
    for _ in range(ADDRESS_AT_ONCE - 1):
        assert (await television.post("/device_authorization", scope="unknown")).status_code == 400
    await _begin(television)
    refused = await television.post("/device_authorization", scope="openid")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["error"] == "temporarily_unavailable"
    async with server.http(address="198.51.100.7") as http:
        form = {"client_id": television.client_id, "scope": "openid"}
        assert (await http.post("/device_authorization", data=form)).status_code == 200
    server.clock.advance(1)
    await _begin(television)
