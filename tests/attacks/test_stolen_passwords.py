"""Somebody else knows the password, and then its owner sets up a second factor: what the thief got before opens less.

NIST SP 800-63B-4 section 4.1.2: whoever binds a factor shows those there are. On the pages: `test_borrowed_browsers`.
"""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from server.storage import users
from tests.api.documented import EMAIL, Api
from tests.api.mails import token_for
from tests.support.account import alice_of, form
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer

CODES = pytest.mark.parametrize("overrides", [{"email_codes": True}], indirect=True)
REQUIRED = pytest.mark.parametrize("overrides", [{"mfa": "required"}], indirect=True)


@pytest.fixture
async def thief(person: Person) -> AsyncIterator[Api]:
    """Somebody who signs in with Alice's password through the API."""
    async with Api(person.server) as calls:
        yield calls


async def _email_codes_come_back(server: RunningServer) -> None:
    """Give the account codes by e-mail and leave its sign-ins alone, as when the operator had them off for a while."""
    now, alice = server.clock.now(), await alice_of(server)
    fields = {"email_verified": True, "email_factor_at": now}
    await server.run(lambda db: users.update_fields(db, alice.id, fields, now=now))


def _asks_for_a_sign_in(answer: httpx.Response) -> bool:
    return answer.status_code == 403 and "insufficient_user_authentication" in answer.headers["www-authenticate"]


@CODES
async def test_a_sign_in_without_the_code_by_e_mail_binds_no_app_and_changes_no_address(
    server: RunningServer, thief: Api
) -> None:
    """RFC 9470 section 3."""
    await thief.log_in()
    await _email_codes_come_back(server)
    assert _asks_for_a_sign_in(await thief.call("POST", "/mfa/setup"))
    assert _asks_for_a_sign_in(await thief.call("PATCH", "/me", {"email": "thief@evil.example"}))
    assert _asks_for_a_sign_in(await thief.call("DELETE", "/me", {"password": PASSWORD}))


@REQUIRED
async def test_who_had_to_set_up_a_factor_can_no_longer_once_the_owner_has_one(person: Person, thief: Api) -> None:
    thief.access_token = (await thief.post("/login", email=EMAIL, password=PASSWORD)).json()["mfa_token"]
    secret = (await thief.call("POST", "/mfa/setup")).json()["secret"]
    await person.visit("/account")
    await person.sign_in()
    await person.enrol()
    assert (await thief.call("POST", "/mfa/setup")).status_code == 401
    late = await thief.post("/mfa/verify", code=thief.code(secret))
    assert (late.status_code, late.json()["detail"]) == (401, "Invalid token")


@REQUIRED
async def test_of_two_who_must_set_up_a_factor_at_once_one_does(server: RunningServer, thief: Api) -> None:
    async with Api(server) as owner:
        codes = []
        for one in (thief, owner):
            one.access_token = (await one.post("/login", email=EMAIL, password=PASSWORD)).json()["mfa_token"]
            codes.append(one.code((await one.call("POST", "/mfa/setup")).json()["secret"]))
        answers = await asyncio.gather(
            thief.post("/mfa/verify", code=codes[0]), owner.post("/mfa/verify", code=codes[1])
        )
    assert sorted(answer.status_code for answer in answers) == [200, 401]


async def test_of_two_sign_ins_that_set_up_the_first_factor_at_once_one_does(server: RunningServer, thief: Api) -> None:
    async with Api(server) as owner:
        codes = []
        for one in (thief, owner):
            await one.log_in()
            codes.append(one.code((await one.call("POST", "/mfa/setup")).json()["secret"]))
        answers = await asyncio.gather(
            thief.post("/mfa/verify", code=codes[0]), owner.post("/mfa/verify", code=codes[1])
        )
    assert sorted(answer.status_code for answer in answers) in ([200, 401], [200, 403])


async def test_a_factor_set_up_through_the_api_ends_what_had_the_password_alone(
    server: RunningServer, person: Person, rp: RelyingParty, thief: Api
) -> None:
    tokens = await rp.sign_in(person)
    await thief.log_in()
    async with Api(server) as owner:
        await owner.log_in()
        await owner.enrol()
        assert (await owner.get("/me")).status_code == 200
    assert (await thief.get("/me")).status_code == 401
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    await person.visit("/account")
    assert person.title == "Sign in"


@CODES
async def test_codes_by_e_mail_end_what_had_the_password_alone(
    server: RunningServer, person: Person, thief: Api
) -> None:
    alice = await alice_of(server)
    now = server.clock.now()
    await server.run(lambda db: users.update_fields(db, alice.id, {"email_verified": True}, now=now))
    await thief.log_in()
    await person.visit("/account/security")
    await person.sign_in()
    await person.postpone()
    await person.submit(form=form(person, "/email"))
    assert (await alice_of(server)).email_factor_at is not None
    assert (await thief.get("/me")).status_code == 401
    await person.visit("/account/security")
    assert person.title != "Sign in"


async def test_an_interaction_that_somebody_else_began_needs_a_sign_in_of_its_own_time(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Mallory leaves the page open, Bob signs in in the same browser, and Mallory comes back to it."""
    await server.add_person("bob@example.com", name="Bob")
    await person.visit(rp.url(acr_values="aal2"))
    await person.sign_in()
    assert person.title == "Protect your account"
    page = str(person.response.request.url)
    server.clock.advance(20)
    person.http.cookies.delete("__Host-ostiary_session")
    await person.visit("/account")
    await person.sign_in(email="bob@example.com")
    await person.postpone()
    server.clock.advance(350)
    await person.visit(page)
    assert person.title == "Sign in"


@pytest.mark.usefixtures("person")
async def test_a_new_password_by_mail_brings_no_new_guesses_at_the_second_factor(server: RunningServer) -> None:
    """NIST SP 800-63B-4 section 3.2.2: whoever reads the mailbox could replace the password again and again."""
    async with Api(server) as guesser:
        await guesser.log_in()
        await guesser.enrol()
        token = (await guesser.log_in())["mfa_token"]
        for _ in range(5):
            assert (await guesser.post("/mfa/challenge", mfa_token=token, code="000000")).status_code == 401
        assert (await guesser.post("/password/forgot", email=EMAIL)).status_code == 202
        link = await token_for(server, "reset_password")
        new = "an entirely new pass phrase"
        assert (await guesser.post("/password/reset", token=link, password=new)).status_code == 200
        token = (await guesser.log_in(password=new))["mfa_token"]
        assert (await guesser.post("/mfa/challenge", mfa_token=token, code="000000")).status_code == 429
