"""Browsers that are not asked for the second factor again, over HTTP: for whom, and how long."""

import pytest

from tests.support.factors import TRUST_COOKIE, claims_after, trusting, with_app
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def test_a_trusted_browser_needs_no_code_for_a_month(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await with_app(rp, person)
    await person.visit(rp.url())
    await person.sign_in()
    assert "Do not ask again in this browser for 30 days" in person.text
    response = await person.http.post(
        person.form.action, data={**person.form.fields, "code": person.code(), "trust_browser": "yes"}
    )
    cookie = next(value for value in response.headers.get_list("set-cookie") if value.startswith(TRUST_COOKIE))
    for part in ("Secure", "HttpOnly", "SameSite=lax", "Path=/", "Max-Age=2592000"):
        assert part in cookie
    await person.visit(rp.url())
    assert await claims_after(rp, person) == (["pwd", "otp", "mfa"], "aal2")
    server.clock.advance(29 * 86_400)
    await person.visit(rp.url())
    await person.sign_in()
    assert await claims_after(rp, person) == (["pwd"], "aal1")
    server.clock.advance(86_400)
    await person.visit(rp.url())
    await person.sign_in()
    assert person.title == "Enter your code"


async def test_a_client_that_demands_aal2_gets_it_from_a_trusted_browser_too(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await trusting(server, rp, person)
    await person.visit(rp.url(acr_values="aal2", prompt="login"))
    await person.sign_in()
    assert person.title == "Enter your code"
    await person.submit(code=person.code())
    assert await claims_after(rp, person) == (["pwd", "otp", "mfa"], "aal2")


@pytest.mark.parametrize("overrides", [{"mfa": "required"}], indirect=True)
async def test_a_trusted_browser_satisfies_the_policy_of_server_and_client(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await trusting(server, rp, person)
    await server.change_client("web", require_mfa=True)
    await person.visit(rp.url())
    await person.sign_in()
    assert await claims_after(rp, person) == (["pwd"], "aal1")
    await person.visit("/account")
    assert person.title not in ("Sign in", "Enter your code")
    person.http.cookies.delete(TRUST_COOKIE)
    await person.visit(rp.url())
    assert person.title == "Enter your code"


async def test_somebody_else_s_trust_counts_for_nothing(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await trusting(server, rp, person)
    await server.add_person("mallory@example.com", name="Mallory")
    cookie = person.http.cookies[TRUST_COOKIE]
    async with Person(server, email="mallory@example.com") as mallory:
        await with_app(rp, mallory)
        mallory.http.cookies.set(TRUST_COOKIE, cookie)
        await mallory.visit(rp.url())
        await mallory.sign_in()
        assert mallory.title == "Enter your code"


@pytest.mark.parametrize("overrides", [{"trusted_browser_seconds": 0}], indirect=True)
async def test_where_browsers_are_not_trusted_nobody_is_asked(person: Person, rp: RelyingParty) -> None:
    await with_app(rp, person)
    await person.visit(rp.url())
    await person.sign_in()
    assert "Do not ask again" not in person.text
    await person.submit(code=person.code(), trust_browser="yes")
    assert TRUST_COOKIE not in person.http.cookies
