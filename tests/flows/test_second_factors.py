"""Every way to sign in, over HTTP: what is asked, and what `amr` and `acr` say of it (RFC 8176)."""

import asyncio
import html
import json
import re
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from server.accounts import email_codes, passkeys, second_factor, sessions
from server.accounts.second_factor import Factors
from server.accounts.user import User, find_by_email
from server.events.context import CLI
from server.mail.outbox import context_of
from server.protocol import interaction
from server.protocol.interaction import Facts, Step, next_step
from server.storage import audit, schema, users
from tests.support.authenticator import Authenticator
from tests.support.person import Form, Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

TRUST_COOKIE = "__Host-ostiary_trusted"
PASSKEY_FORM = "credential"


async def alice(server: RunningServer) -> User:
    found = await server.run(lambda db: find_by_email(db, "alice@example.com"))
    assert found is not None
    return found


def options_of(person: Person) -> dict[str, Any]:
    """What the page tells the browser's passkey API."""
    found = re.search(r'data-options="([^"]*)"', person.response.text)
    assert found, person.text
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


def passkey_form(person: Person) -> Form:
    return next(form for form in person.page.forms if PASSKEY_FORM in form.fields)


async def make_passkey(person: Person, device: Authenticator, **fields: str) -> None:
    """Choose a passkey on the page that offers a second factor, and make it."""
    await person.submit(("decision", "passkey"))
    assert person.title == "Create a passkey", person.text
    await person.submit(None, passkey_form(person), credential=device.create(options_of(person)), **fields)
    assert person.title == "Your recovery codes", person.text
    person.recovery_codes = person.page.by_class.get("recovery-code", [])


async def use_passkey(person: Person, device: Authenticator, **fields: str) -> None:
    """Answer the page's passkey form."""
    await person.submit(None, passkey_form(person), credential=device.get(options_of(person)), **fields)


async def claims_after(rp: RelyingParty, person: Person) -> tuple[list[str], str]:
    """Go through consent, and return `amr` and `acr` of the ID token; the access token must say the same."""
    if person.left_for is None:
        await person.consent()
    tokens = (await rp.redeem(person.answer()["code"])).json()
    _, claims = await rp.verified(tokens["id_token"])
    return claims["amr"], claims["acr"]


async def with_passkey(rp: RelyingParty, person: Person, device: Authenticator) -> None:
    """Give Alice a passkey, in a session that she leaves at once."""
    await person.visit(rp.url())
    await person.sign_in()
    await make_passkey(person, device)
    person.http.cookies.delete("__Host-ostiary_session")


async def with_app(rp: RelyingParty, person: Person) -> None:
    """Give Alice an authenticator app, in a session that she leaves at once."""
    await person.visit(rp.url())
    await person.sign_in()
    await person.enrol()
    person.http.cookies.delete("__Host-ostiary_session")
    person.server.clock.advance(30)


async def with_email_codes(server: RunningServer) -> None:
    now = server.clock.now()
    person = await alice(server)
    await server.run(lambda db: users.update_fields(db, person.id, {"email_verified": True}, now=now))
    verified = await alice(server)
    sealer = server.services.sealer
    assert await server.run(lambda db: email_codes.enable(db, sealer, verified, context=CLI, now=now))


async def mails(server: RunningServer, template: str) -> list[dict[str, Any]]:
    """The values of mails that wait in the outbox or were sent, the oldest first."""
    rows = await server.run(lambda db: db.execute(select(schema.outbox)).mappings().all())
    opened = [json.loads(server.services.sealer.unseal(row["sealed"], context=context_of(row["id"]))) for row in rows]
    return [mail["values"] for mail in opened if mail["template"] == template]


async def mailed_code(server: RunningServer) -> str:
    """Read the newest code, in the outbox or in the files of mails that were delivered."""
    for _ in range(100):
        texts = [path.read_text("utf-8") for path in sorted((server.settings.data_dir / "mail").glob("*.eml"))]
        found = [code for text in texts for code in re.findall(r"(?m)^\s*(\d{6})\s*$", text)]
        found += [str(values["code"]) for values in await mails(server, "email_code")]
        if found:
            return str(found[-1])
        await asyncio.sleep(0.05)
    raise AssertionError("no code was mailed")


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
    user, now = await alice(server), server.clock.now()
    await server.run(lambda db: users.disable(db, user.id, now))
    await person.visit(rp.url())
    await use_passkey(person, device)
    assert (person.response.status_code, person.title) == (400, "Sign in")


async def test_an_app_and_a_passkey_both_work(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    device = Authenticator()
    await with_app(rp, person)
    user, now, settings = await alice(server), server.clock.now(), server.settings
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


@pytest.mark.parametrize("overrides", [{"email_codes": True}], indirect=True)
async def test_a_code_by_mail_signs_in_but_is_not_aal2(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """NIST SP 800-63B-4 section 3.1.3.1."""
    await with_email_codes(server)
    await person.visit(rp.url())
    await person.sign_in()
    assert person.title == "Enter your code"
    await person.submit(("decision", "email"))
    assert "We have sent you a code by e-mail" in person.text
    await person.submit(code=await mailed_code(server))
    assert await claims_after(rp, person) == (["pwd", "otp"], "aal1")
    await person.visit(rp.url(acr_values="aal2"))
    assert person.title == "Protect your account"
    assert "Not now" not in person.text


@pytest.mark.parametrize("overrides", [{"email_codes": True, "mfa": "required"}], indirect=True)
async def test_a_code_by_mail_satisfies_the_policy_and_not_a_client_that_wants_more(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await with_app(rp, person)
    await with_email_codes(server)
    await person.visit(rp.url())
    await person.sign_in()
    await person.submit(("decision", "email"))
    await person.submit(code=await mailed_code(server))
    assert await claims_after(rp, person) == (["pwd", "otp"], "aal1")
    await person.visit(rp.url(acr_values="aal2"))
    assert person.title == "Enter your code"
    assert "by e-mail" not in person.text
    await person.submit(("decision", "email"))
    assert person.response.status_code == 400
    await person.submit(code=person.code())
    assert await claims_after(rp, person) == (["pwd", "otp", "mfa"], "aal2")


async def test_codes_by_mail_are_not_sent_where_they_are_off(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await with_app(rp, person)
    await with_email_codes(server)
    await person.visit(rp.url())
    await person.sign_in()
    assert "by e-mail" not in person.text
    await person.submit(("decision", "email"))
    rows = await server.run(lambda db: audit.list_rows(db, limit=50))
    assert "email_code.sent" not in [row["event"] for row in rows]


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


async def trusting(server: RunningServer, rp: RelyingParty, person: Person) -> None:
    """Let Alice trust her browser, and leave the session."""
    await with_app(rp, person)
    await person.visit(rp.url())
    await person.sign_in()
    await person.submit(code=person.code(), trust_browser="yes")
    assert TRUST_COOKIE in person.http.cookies
    person.http.cookies.delete("__Host-ostiary_session")
    server.clock.advance(30)


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


@pytest.mark.parametrize("overrides", [{"mfa": "off", "mfa_roles": "admin"}], indirect=True)
async def test_a_role_needs_a_second_factor_where_nobody_else_does(server: RunningServer, rp: RelyingParty) -> None:
    await server.add_person("root@example.com", roles=("admin",), name="Root")
    await server.add_person()
    async with Person(server, email="root@example.com") as root, Person(server) as other:
        await root.visit(rp.url())
        await root.sign_in()
        assert root.title == "Protect your account"
        assert "Not now" not in root.text
        await root.submit(("decision", "postpone"))
        assert root.title == "Protect your account"
        await root.enrol()
        await root.visit(rp.url())
        assert await claims_after(rp, root) == (["pwd", "otp", "mfa"], "aal2")
        await other.visit(rp.url())
        await other.sign_in()
        assert await claims_after(rp, other) == (["pwd"], "aal1")


@pytest.mark.parametrize("overrides", [{"mfa": "off"}], indirect=True)
async def test_a_client_needs_a_second_factor_where_nobody_else_does(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await rp.sign_in(person)
    await server.change_client("web", require_mfa=True)
    await person.visit(rp.url())
    assert person.title == "Protect your account"
    assert "Not now" not in person.text
    await person.visit(rp.url(prompt="none"))
    assert person.answer()["error"] == "interaction_required"
    await person.visit(rp.url())
    await person.enrol()
    await person.visit(rp.url())
    assert await claims_after(rp, person) == (["pwd", "otp", "mfa"], "aal2")


async def test_a_second_app_needs_the_first_and_keeps_the_recovery_codes(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await trusting(server, rp, person)
    codes = person.recovery_codes
    await person.visit("/account")
    await person.sign_in()
    csrf = person.page.forms[0].fields["csrf_token"] if person.page.forms else ""
    assert csrf
    add = Form("/account/second-factor", "post", {"csrf_token": csrf})
    await person.submit(None, add)
    assert person.title == "Enter your code"
    await person.submit(code=person.code())
    assert person.title == "Protect your account"
    person.secret = person.page.by_id["totp-secret"].replace(" ", "")
    await person.submit(code=person.code(), device_name="Tablet")
    assert person.title != "Your recovery codes"
    user, now, settings = await alice(server), server.clock.now(), server.settings
    overview = await server.run(lambda db: second_factor.overview(db, settings, user, now))
    assert [device.name for device in overview.totp] == ["Authenticator app", "Tablet"]
    assert overview.recovery_codes_left == len(codes) == 10
    assert overview.trusted_browsers == 1
    assert overview.has_any


async def test_session_and_audit_log_say_how_somebody_signed_in(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    device = Authenticator()
    await with_passkey(rp, person, device)
    await person.visit("/account")
    await use_passkey(person, device)
    rows = await server.run(lambda db: audit.list_rows(db, limit=20))
    signed_in = next(row for row in rows if row["event"] == "sign_in.succeeded")
    assert signed_in["details"]["amr"] == ["hwk", "user", "mfa"]
    assert [row["event"] for row in rows].count("passkey.added") == 1
    assert [row["event"] for row in rows].count("recovery_codes.generated") == 1
    person.http.cookies.delete("__Host-ostiary_session")
    await person.visit("/account")
    await person.submit(None, passkey_form(person), credential="{}")
    rows = await server.run(lambda db: audit.list_rows(db, limit=1))
    assert (rows[0]["event"], rows[0]["details"]["reason"]) == ("sign_in.failed", "passkey: malformed")


FRESH = {
    # amr of a session that is minutes old, what the person came to remove, and what is due
    (("hwk", "user", "mfa"), "passkey"): Step.SIGN_IN,
    (("hwk", "user", "mfa"), "totp"): Step.DONE,
    (("pwd", "otp", "mfa"), "totp"): Step.DONE,
    (("pwd", "otp", "mfa"), None): Step.DONE,
    (("pwd",), None): Step.SECOND_FACTOR,
}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_changing_a_factor_needs_a_fresh_sign_in_with_another(server: RunningServer) -> None:
    """NIST SP 800-63B-4 section 4.6."""
    user, now, settings = await server.add_person(), server.clock.now(), server.settings
    for (amr, removing), due in FRESH.items():
        lifetime = sessions.Lifetime.of(settings, remember=False)
        begin = partial(sessions.begin, user_id=user.id, amr=amr, lifetime=lifetime, context=CLI, now=now)
        session, _ = await server.run(begin)
        facts = Facts(settings, session, user, None, factors=Factors(totp=True), is_browser_trusted=True)
        for age, expected in ((300, due), (301, Step.SIGN_IN)):
            state = interaction.fresh_sign_in(now + age, "/account", removing=removing)
            assert next_step(state, facts) is expected, (amr, removing, age)
    without = Facts(settings, session, user, None)
    assert next_step(interaction.fresh_sign_in(now, "/account"), without) is Step.DONE


async def test_who_does_not_want_the_factor_that_an_application_demands_goes_back_to_it(
    person: Person, rp: RelyingParty
) -> None:
    """OpenID Connect Core Error Code unmet_authentication_requirements 1.0."""
    await person.visit(rp.url(acr_values="aal2"))
    await person.sign_in()
    assert person.title == "Protect your account"
    assert "Web Shop asks for a second factor" in person.text
    await person.submit(("decision", "passkey"))
    assert person.title == "Create a passkey"
    assert "Web Shop asks for a second factor" in person.text
    form = next(form for form in person.page.forms if ("decision", "cancel") in form.buttons)
    await person.submit(("decision", "cancel"), form)
    answer = person.answer()
    assert (answer["error"], answer["state"]) == ("unmet_authentication_requirements", rp.state)
    await person.submit(("decision", "cancel"), form)
    assert person.response.status_code == 400, "the interaction is over"


@pytest.mark.parametrize("overrides", [{"mfa": "required"}], indirect=True)
async def test_who_does_not_want_the_factor_that_the_server_demands_goes_back_to_the_application(
    person: Person, rp: RelyingParty
) -> None:
    """RFC 6749 section 4.1.2.1."""
    await person.visit(rp.url())
    await person.sign_in()
    assert "Your account needs a second factor before you can continue to Web Shop" in person.text
    await person.submit(("decision", "cancel"))
    assert person.answer()["error"] == "access_denied"


async def test_nobody_cancels_where_a_factor_is_only_offered(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    await person.sign_in()
    assert ("decision", "cancel") not in person.form.buttons
    await person.submit(("decision", "cancel"))
    assert person.left_for is None
    assert person.title == "Protect your account"
