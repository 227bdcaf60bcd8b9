"""Second factors, over HTTP: who needs one, codes by mail, and what `amr` and `acr` say of it (RFC 8176)."""

import re
from functools import partial

import pytest

from server.accounts import email_codes, second_factor, sessions
from server.accounts.second_factor import Factors
from server.events.context import CLI
from server.protocol import interaction
from server.protocol.interaction import Facts, Step, next_step
from server.storage import audit, users
from tests.support.account import alice_of
from tests.support.authenticator import Authenticator
from tests.support.factors import claims_after, passkey_form, trusting, use_passkey, with_app, with_passkey
from tests.support.mailbox import Mailbox
from tests.support.person import Form, Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def with_email_codes(server: RunningServer) -> None:
    now = server.clock.now()
    person = await alice_of(server)
    await server.run(lambda db: users.update_fields(db, person.id, {"email_verified": True}, now=now))
    verified = await alice_of(server)
    sealer = server.services.sealer
    assert await server.run(lambda db: email_codes.enable(db, sealer, verified, context=CLI, now=now))


async def mailed_code(server: RunningServer) -> str:
    """Read the one code that was mailed."""
    texts = [letter.text for letter in await Mailbox(server).letters()]
    (code,) = [code for text in texts for code in re.findall(r"(?m)^\s*(\d{6})\s*$", text)]
    return str(code)


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
    user, now, settings = await alice_of(server), server.clock.now(), server.settings
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
