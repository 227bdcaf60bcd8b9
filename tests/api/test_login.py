"""Signing in through the JSON API."""

import asyncio

import pytest
from sqlalchemy import Connection

from server.accounts import lifecycle
from server.events.context import CLI
from server.storage import audit, clients, users
from tests.api.documented import EMAIL, Api
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer

USER_MEMBERS = ["id", "email", "username", "name", "organization", "role", "roles", "mfa_enabled", "email_verified"]


async def test_every_name_of_the_person_signs_in(api: Api) -> None:
    for identifier in (
        {"email": "Alice@Example.com"},
        {"username": "ALICE"},
        {"username_or_email": "alice"},
        {"username_or_email": EMAIL},
        {"email": "alice"},
    ):
        response = await api.post("/login", password=PASSWORD, **identifier)
        body = response.json()
        assert response.status_code == 200
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
        assert list(body["user"]) == USER_MEMBERS
        assert (body["user"]["email"], body["user"]["role"]) == (EMAIL, "editor")


async def test_the_access_token_is_an_ordinary_one_of_this_server(api: Api) -> None:
    """RFC 9068 section 2."""
    body = await api.log_in()
    header, claims = await RelyingParty(api.server).verified(body["access_token"])
    assert header["typ"] == "at+jwt"
    assert claims["iss"] == claims["aud"] == api.server.issuer
    assert claims["sub"] == body["user"]["id"]
    assert claims["client_id"] == "ostiary-account-api"
    assert claims["scope"] == "openid profile email account"
    assert claims["auth_time"] == api.server.clock.now()
    assert (claims["amr"], claims["acr"]) == (["pwd"], "aal1")


async def test_a_wrong_password_an_unknown_and_a_disabled_account_get_the_same_answer(api: Api) -> None:
    await api.server.add_person("bob@example.com")

    def disable(db: Connection) -> None:
        bob = users.find_by_email(db, "bob@example.com")
        assert bob is not None
        lifecycle.disable(db, bob, context=CLI, now=api.server.clock.now())

    await api.server.run(disable)
    answers = [
        await api.post("/login", email=EMAIL, password="wrong"),
        await api.post("/login", email="nobody@example.com", password=PASSWORD),
        await api.post("/login", email="bob@example.com", password=PASSWORD),
        await api.post("/login", email="", password=""),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.text for answer in answers} == {'{"detail":"Invalid credentials"}'}
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)


async def test_the_password_form_of_api_explorers_signs_in(api: Api) -> None:
    """RFC 6749 section 4.3.2, the form only."""
    form = {"grant_type": "password", "username": EMAIL, "password": PASSWORD, "scope": "", "client_id": "docs"}
    response = await api.call("POST", "/token", form=form)
    assert response.status_code == 200
    api.keep(response)
    assert (await api.get("/me")).json()["email"] == EMAIL
    wrong = await api.call("POST", "/token", form={**form, "password": "wrong"})
    assert (wrong.status_code, wrong.json()["detail"]) == (401, "Invalid credentials")


async def test_guesses_are_throttled_together_with_those_on_the_pages(api: Api) -> None:
    """One counter an account, whichever spelling and whichever door."""
    spellings = [
        {"email": EMAIL},
        {"username": "alice"},
        {"username_or_email": "ALICE"},
        {"email": "ALICE@example.com"},
    ]
    for guess in range(5):
        assert (await api.post("/login", password="wrong", **spellings[guess % 4])).status_code == 401
    refused = await api.post("/login", email=EMAIL, password=PASSWORD)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    form = await api.call("POST", "/token", form={"username": EMAIL, "password": PASSWORD})
    assert form.status_code == 429
    api.server.clock.advance(int(refused.headers["retry-after"]))
    assert (await api.post("/login", email=EMAIL, password=PASSWORD)).status_code == 200


async def test_a_sign_in_is_written_down_once(api: Api) -> None:
    await api.log_in()
    rows = await api.server.run(lambda db: audit.list_rows(db, event="sign_in.succeeded"))
    assert len(rows) == 1
    await api.post("/login", email=EMAIL, password="wrong")
    assert len(await api.server.run(lambda db: audit.list_rows(db, event="sign_in.failed"))) == 1


@pytest.mark.parametrize("overrides", [{"argon2_parallel": 1, "argon2_queue": 1}], indirect=True)
async def test_a_server_with_too_many_passwords_to_check_says_when_to_come_back(api: Api) -> None:
    hasher = api.server.services.hasher
    with_places = [hasher._places.acquire(blocking=False) for _ in range(2)]
    assert all(with_places)
    busy = await api.post("/login", email=EMAIL, password=PASSWORD)
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "2")
    for _ in with_places:
        hasher._places.release()
    await api.log_in()


async def test_operators_can_turn_the_api_off_and_nobody_can_use_its_client(api: Api) -> None:
    body = await api.log_in()
    async with api.server.http() as http:
        form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
        answer = await http.post("/token", data={**form, "client_id": "ostiary-account-api"})
        assert answer.status_code == 400
        assert answer.json()["error"] == "unauthorized_client"
    await api.server.run(lambda db: clients.set_disabled(db, "ostiary-account-api", 1, now=1))
    api.server.services.registry.clear()
    for path, values in (
        ("/login", {"email": EMAIL, "password": PASSWORD}),
        ("/refresh", {"refresh_token": body["refresh_token"]}),
    ):
        refused = await api.post(path, **values)
        assert (refused.status_code, refused.json()["detail"]) == (403, "The account API is turned off")
    assert (await api.get("/me")).status_code == 401


async def test_the_first_sign_ins_at_once_make_one_client(api: Api) -> None:
    answers = await asyncio.gather(*(api.post("/login", email=EMAIL, password=PASSWORD) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    found = await api.server.run(lambda db: [client.client_id for client in clients.list_clients(db)])
    assert found == ["ostiary-account-api"]


@pytest.mark.parametrize("overrides", [{"email_verification": "required"}], indirect=True)
async def test_who_must_verify_the_address_first_gets_no_tokens_but_another_mail(
    server: RunningServer, api: Api
) -> None:
    response = await api.post("/login", email=EMAIL, password=PASSWORD)
    assert (response.status_code, response.json()["detail"]) == (403, "Email not verified")
    rows = await server.run(lambda db: audit.list_rows(db, event="email_verification.sent"))
    assert len(rows) == 1
    assert (await api.post("/login", email=EMAIL, password="wrong")).status_code == 401
