"""Signing in with passkeys, over HTTP: what is asked, and what `amr` and `acr` say of it (RFC 8176)."""

import pytest

from server.accounts import passkeys
from server.events.context import CLI
from server.storage import audit, users
from tests.support.account import alice_of
from tests.support.authenticator import Authenticator
from tests.support.factors import (
    claims_after,
    make_passkey,
    options_of,
    passkey_form,
    use_passkey,
    with_app,
    with_passkey,
)
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def test_a_passkey_signs_in_without_a_password(person: Person, rp: RelyingParty) -> None:
    device = Authenticator()
    await with_passkey(rp, person, device)
    await person.visit(rp.url())
    assert person.title == "Sign in"
    assert 'autocomplete="username webauthn"' in person.response.text
    await use_passkey(person, device)
    assert await claims_after(rp, person) == (["hwk", "user", "mfa"], "aal2")


async def test_a_synced_passkey_says_so(person: Person, rp: RelyingParty) -> None:
    device = Authenticator(is_synced=True, counts=False)
    await with_passkey(rp, person, device)
    await person.visit(rp.url())
    await use_passkey(person, device)
    assert await claims_after(rp, person) == (["swk", "user", "mfa"], "aal2")


async def test_keep_me_signed_in_counts_for_passkeys_too(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    device = Authenticator()
    await with_passkey(rp, person, device)
    await person.visit(rp.url())
    await use_passkey(person, device, remember="yes")
    server.clock.advance(2_000_000)
    await person.visit(rp.url())
    assert person.title == "Allow access"


async def test_a_passkey_is_a_second_factor_after_the_password(person: Person, rp: RelyingParty) -> None:
    device = Authenticator(is_verifying=False)
    await with_passkey(rp, person, device)
    await person.visit(rp.url())
    await use_passkey(person, device)
    assert person.response.status_code == 400
    assert "no PIN or fingerprint" in person.text
    await person.sign_in()
    assert person.title == "Use your passkey"
    await use_passkey(person, device)
    assert await claims_after(rp, person) == (["pwd", "hwk", "mfa"], "aal2")


async def test_another_person_s_passkey_does_not_help(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    mine, hers = Authenticator(), Authenticator()
    await with_passkey(rp, person, mine)
    await server.add_person("mallory@example.com", name="Mallory")
    async with Person(server, email="mallory@example.com") as mallory:
        await mallory.visit(rp.url())
        await mallory.sign_in()
        await make_passkey(mallory, hers)
    async with Person(server) as thief:
        await thief.visit(rp.url())
        await thief.sign_in()
        assert thief.title == "Use your passkey"
        await use_passkey(thief, hers)
        assert (thief.response.status_code, thief.title) == (400, "Use your passkey")
        await thief.visit("/account")
        assert thief.title == "Sign in"


async def test_an_answer_of_one_page_is_of_no_use_on_another(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    device = Authenticator(counts=False)
    await with_passkey(rp, person, device)
    await person.visit(rp.url())
    stolen = device.get(options_of(person))
    async with Person(server) as thief:
        await thief.visit(rp.url())
        await thief.submit(None, passkey_form(thief), credential=stolen)
        assert (thief.response.status_code, thief.title) == (400, "Sign in")
    await person.submit(None, passkey_form(person), credential=stolen)
    assert person.response.status_code == 400  # an answer buys one attempt, wherever it was made
    await use_passkey(person, device)
    assert person.title == "Allow access"


async def test_recovery_codes_help_who_lost_the_passkey(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await with_passkey(rp, person, Authenticator())
    assert len(person.recovery_codes) == 10
    async with Person(server) as elsewhere:
        await elsewhere.visit(rp.url())
        await elsewhere.sign_in()
        await elsewhere.submit(code=person.recovery_codes[0])
        assert await claims_after(rp, elsewhere) == (["pwd", "otp", "mfa"], "aal2")
    rows = await server.run(lambda db: audit.list_rows(db, limit=50))
    assert [row["details"]["left"] for row in rows if row["event"] == "recovery_code.used"] == [9]


async def test_disabled_people_do_not_sign_in_with_passkeys(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    device = Authenticator()
    await with_passkey(rp, person, device)
    user, now = await alice_of(server), server.clock.now()
    await server.run(lambda db: users.disable(db, user.id, now))
    await person.visit(rp.url())
    await use_passkey(person, device)
    assert (person.response.status_code, person.title) == (400, "Sign in")


async def test_an_app_and_a_passkey_both_work(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    device = Authenticator()
    await with_app(rp, person)
    user, now, settings = await alice_of(server), server.clock.now(), server.settings
    options = await server.run(lambda db: passkeys.registration_options(db, settings, user, binding="here", now=now))
    made, sealer = device.create(options), server.services.sealer
    await server.run(
        lambda db: passkeys.register(db, sealer, settings, user, made, binding="here", context=CLI, now=now)
    )
    for way in ("app", "passkey"):
        async with Person(server) as browser:
            browser.secret = person.secret
            await browser.visit(rp.url())
            await browser.sign_in()
            assert browser.title == "Enter your code"
            if way == "app":
                await browser.submit(code=browser.code())
                assert await claims_after(rp, browser) == (["pwd", "otp", "mfa"], "aal2")
            else:
                await use_passkey(browser, device)
                assert await claims_after(rp, browser) == (["pwd", "hwk", "mfa"], "aal2")


async def test_who_may_not_go_on_without_a_factor_uses_the_new_passkey_once(person: Person, rp: RelyingParty) -> None:
    """Making a passkey proves nothing about who holds it: `acr` is earned by using it."""
    device = Authenticator()
    await person.visit(rp.url(acr_values="aal2"))
    await person.sign_in()
    assert "Not now" not in person.text
    await make_passkey(person, device)
    await person.visit(person.response.text.partition('primary" href="')[2].partition('"')[0])
    assert person.title == "Use your passkey"
    await use_passkey(person, device)
    assert await claims_after(rp, person) == (["pwd", "hwk", "mfa"], "aal2")


async def test_without_javascript_an_app_can_be_chosen_after_all(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    await person.sign_in()
    await person.submit(("decision", "passkey"))
    form = next(form for form in person.page.forms if ("decision", "totp") in form.buttons)
    await person.submit(("decision", "totp"), form)
    await person.enrol()
    assert len(person.recovery_codes) == 10


@pytest.mark.parametrize("overrides", [{"passkeys": False}], indirect=True)
async def test_where_passkeys_are_off_nobody_is_offered_one(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    assert "passkey" not in person.text
    await person.submit(None, None, credential="{}")
    assert person.response.status_code == 400
    await person.sign_in()
    assert "passkey" not in person.text
    await person.submit(("decision", "passkey"))
    assert person.title == "Protect your account"
