"""Whatever works once is used many times in the same moment."""

import asyncio
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from server.accounts import credentials
from server.accounts.user import find_by_email
from server.cli import serve
from server.events.context import CLI
from server.storage import schema
from server.storage.database import Database
from tests.attacks.conftest import count, send_form, statuses
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer

PARALLEL = 16
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def _errors(responses: list[httpx.Response]) -> set[str]:
    return {response.json()["error"] for response in responses if response.status_code != 200}


async def _live_refresh_tokens(server: RunningServer) -> int:
    unused = schema.refresh_tokens.c.consumed_at.is_(None)
    return await server.run(lambda db: count(db, schema.refresh_tokens, unused))


async def _codes(server: RunningServer) -> int:
    is_code = schema.one_time.c.kind == "authorization_code"
    return await server.run(lambda db: count(db, schema.one_time, is_code))


async def test_a_code_redeemed_in_parallel_gives_tokens_once_and_they_are_revoked(
    person: Person, rp: RelyingParty
) -> None:
    """RFC 6749 section 4.1.2."""
    code = await rp.code_for(person)
    responses = await asyncio.gather(*(rp.redeem(code) for _ in range(PARALLEL)))
    assert statuses(responses) == [200] + [400] * (PARALLEL - 1)
    assert _errors(responses) == {"invalid_grant"}
    tokens = next(response.json() for response in responses if response.status_code == 200)
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    for name in ("access_token", "refresh_token"):
        assert (await rp.post("/introspect", token=tokens[name])).json() == {"active": False}
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_codes_of_several_people_do_not_disturb_each_other(server: RunningServer, rp: RelyingParty) -> None:
    """RFC 6749 section 4.1.2: only the tokens of the code that came twice are revoked."""
    codes = []
    for number in range(4):
        email = f"p{number}@example.com"
        await server.add_person(email)
        async with Person(server, email=email) as somebody:
            codes.append(await rp.code_for(somebody))
    twice = codes[0]
    responses = await asyncio.gather(*(rp.redeem(code) for code in [*codes, twice]))
    given = [response.json() for response in responses[1:-1]]
    assert statuses([responses[0], responses[-1]]) == [200, 400]
    assert {(await rp.userinfo(tokens["access_token"])).status_code for tokens in given} == {200}


async def test_a_refresh_token_used_in_parallel_has_one_successor_and_the_family_lives(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 9700 section 4.14.2: honest clients retry, several of their processes at once."""
    first = await rp.sign_in(person)
    responses = await asyncio.gather(*(rp.refresh(first["refresh_token"]) for _ in range(PARALLEL)))
    assert _errors(responses) <= {"invalid_grant"}
    given = [response.json() for response in responses if response.status_code == 200]
    assert len({tokens["refresh_token"] for tokens in given}) == 1
    assert await _live_refresh_tokens(server) == 1
    assert {(await rp.userinfo(tokens["access_token"])).status_code for tokens in given} == {200}
    assert (await rp.refresh(given[0]["refresh_token"])).status_code == 200


@pytest.mark.parametrize("overrides", [{"refresh_reuse_seconds": 0}], indirect=True)
async def test_without_a_reuse_window_a_refresh_token_works_once_even_in_the_same_second(
    person: Person, rp: RelyingParty
) -> None:
    """RFC 9700 section 4.14.2: a second use ends the family, as nobody knows which one was the thief."""
    first = await rp.sign_in(person)
    responses = await asyncio.gather(*(rp.refresh(first["refresh_token"]) for _ in range(PARALLEL)))
    assert statuses(responses) == [200] + [400] * (PARALLEL - 1)
    assert _errors(responses) == {"invalid_grant"}
    tokens = next(response.json() for response in responses if response.status_code == 200)
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_refresh_and_a_revocation_at_once_leave_nothing_alive(person: Person, rp: RelyingParty) -> None:
    """RFC 7009 section 2.1: revoking a refresh token ends what was given on the same authorization."""
    first = await rp.sign_in(person)
    token = first["refresh_token"]
    answers = await asyncio.gather(
        *(rp.refresh(token) for _ in range(4)), rp.post("/revoke", token=token), *(rp.refresh(token) for _ in range(4))
    )
    assert answers[4].status_code == 200
    assert {answer.status_code for answer in answers} <= {200, 400}
    for answer in answers[:4] + answers[5:]:
        if answer.status_code == 200:
            assert (await rp.refresh(answer.json()["refresh_token"])).json()["error"] == "invalid_grant"
            assert (await rp.userinfo(answer.json()["access_token"])).status_code == 401


async def _second_factor_in_parallel(server: RunningServer, rp: RelyingParty, code: str) -> list[str]:
    """Give one code in four browsers at once and return the titles that follow."""
    browsers = [Person(server) for _ in range(4)]
    for browser in browsers:
        await browser.visit(rp.url())
        await browser.sign_in()
        assert browser.title == "Enter your code"
    await asyncio.gather(*(browser.submit(code=code) for browser in browsers))
    for browser in browsers:
        await browser.http.aclose()
    assert all(browser.response.status_code in (200, 400, 429) for browser in browsers)
    return sorted(browser.title for browser in browsers)


async def test_a_totp_code_given_in_several_browsers_at_once_signs_in_one(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 6238 section 5.2."""
    await person.visit(rp.url())
    await person.sign_in()
    await person.enrol()
    server.clock.advance(30)
    titles = await _second_factor_in_parallel(server, rp, person.code())
    assert titles == ["Allow access", "Enter your code", "Enter your code", "Enter your code"]


async def test_a_recovery_code_given_in_several_browsers_at_once_signs_in_one(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """NIST SP 800-63B-4 section 3.1.2: a look-up secret is used once."""
    await person.visit(rp.url())
    await person.sign_in()
    await person.enrol()
    titles = await _second_factor_in_parallel(server, rp, person.recovery_codes[0])
    assert titles == ["Allow access", "Enter your code", "Enter your code", "Enter your code"]


@pytest.mark.parametrize("overrides", [{"mfa": "off"}], indirect=True)
async def test_a_sign_in_form_sent_many_times_at_once_gives_one_code(server: RunningServer, person: Person) -> None:
    """RFC 9700 section 4.7: one interaction, one answer."""
    secret = await server.add_client("own", skip_consent=True)
    await person.visit(RelyingParty(server, "own", secret).url())
    answers = await asyncio.gather(
        *(send_form(person, email=person.email, password=PASSWORD) for _ in range(PARALLEL // 2))
    )
    assert max(statuses(answers)) < 500
    assert sum("code=" in answer.headers.get("location", "") for answer in answers) == 1
    assert await _codes(server) == 1


async def test_a_consent_given_many_times_at_once_gives_one_code(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 6749 section 4.1.2."""
    await person.visit(rp.url())
    await person.sign_in()
    await person.postpone()
    assert person.title == "Allow access"
    answers = await asyncio.gather(*(send_form(person, ("decision", "allow")) for _ in range(PARALLEL)))
    assert set(statuses(answers)) <= {303, 400}
    assert sum("code=" in answer.headers.get("location", "") for answer in answers) == 1
    assert await _codes(server) == 1


async def test_a_consent_given_and_denied_at_once_has_one_answer(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 6749 section 4.1.2.1."""
    await person.visit(rp.url())
    await person.sign_in()
    await person.postpone()
    decisions = ["allow", "deny"] * 4
    answers = await asyncio.gather(*(send_form(person, ("decision", decision)) for decision in decisions))
    assert set(statuses(answers)) <= {303, 400}
    sent_back = [answer for answer in answers if answer.headers.get("location", "").startswith(rp.redirect_uri)]
    assert len(sent_back) == 1
    assert await _codes(server) == ("code=" in sent_back[0].headers["location"])


async def test_a_password_link_used_many_times_at_once_sets_one_password(server: RunningServer) -> None:
    """OWASP ASVS 5.0 section 6.4.1."""
    await server.add_person()
    now = server.clock.now()
    user = await server.run(lambda db: find_by_email(db, "alice@example.com"))
    assert user is not None
    token = await server.run(lambda db: credentials.create_password_link(db, user, context=CLI, now=now, seconds=60))
    browsers = [Person(server, password=f"an entirely new pass phrase {number}") for number in range(8)]
    for browser in browsers:
        await browser.visit(f"/account/set-password?token={token}")
        assert browser.title == "Choose a password"
    answers = await asyncio.gather(*(send_form(browser, password=browser.password) for browser in browsers))
    assert statuses(answers) == [303] + [400] * 7
    for browser, answer in zip(browsers, answers, strict=True):
        if answer.status_code == 303:
            await browser.visit("/account")
            await browser.sign_in()
            assert browser.title != "Sign in", browser.text
        await browser.http.aclose()


async def test_an_assertion_sent_many_times_at_once_authenticates_once(server: RunningServer) -> None:
    """RFC 7523 section 3, item 7."""
    key = ECKey.generate_key("P-256")
    public = key.as_dict(private=False)
    await server.add_service("signer", token_endpoint_auth_method="private_key_jwt", jwks={"keys": [public]})
    now = server.clock.now()
    claims: dict[str, Any] = {"iss": "signer", "sub": "signer", "aud": server.issuer, "exp": now + 60, "jti": "one"}
    assertion = jwt.encode({"alg": "ES256"}, claims, key, algorithms=["ES256"])
    rp = RelyingParty(server, "signer")
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    responses = await asyncio.gather(
        *(rp.post("/token", grant_type="client_credentials", client_id=None, **form) for _ in range(PARALLEL))
    )
    assert statuses(responses) == [200] + [401] * (PARALLEL - 1)
    assert _errors(responses) == {"invalid_client"}


async def test_one_address_registered_in_many_browsers_at_once_gets_one_account(server: RunningServer) -> None:
    browsers = [Person(server, email="grace@example.com") for _ in range(8)]
    for browser in browsers:
        await browser.visit("/account/register")
        assert browser.form.action.endswith("/register")
    answers = await asyncio.gather(
        *(send_form(browser, email=browser.email, name="Grace", password=PASSWORD) for browser in browsers)
    )
    assert statuses(answers) == [303] + [400] * 7
    assert await server.run(lambda db: count(db, schema.users)) == 1
    assert await server.run(lambda db: count(db, schema.sessions)) == 1
    for browser, answer in zip(browsers, answers, strict=True):
        await browser.visit("/account")
        assert (browser.title == "Sign in") == (answer.status_code == 400)
        await browser.http.aclose()


async def test_nodes_that_make_sure_of_a_first_administrator_at_once_make_one(database: Database) -> None:
    """Each node may print a link; using one ends the others."""
    links = await asyncio.gather(*(database.run(serve._first_administrator) for _ in range(8)))
    assert all(links)
    assert await database.run(lambda db: count(db, schema.users)) == 1
