"""Sign-in itself: sessions, throttling, second factors, the interaction."""

import asyncio

import pytest

from server.accounts import credentials, sessions
from server.accounts.user import find_by_email
from server.events.context import CLI
from server.storage import audit
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer


async def test_a_wrong_password_and_an_unknown_account_look_the_same(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    await person.sign_in(password="wrong")
    wrong = (person.response.status_code, person.text)
    await person.sign_in(email="nobody@example.com", password="wrong")
    unknown = (person.response.status_code, person.text)
    assert wrong == unknown
    assert wrong[0] == 400


async def test_all_spellings_of_an_account_share_one_counter(server: RunningServer, rp: RelyingParty) -> None:
    await server.add_person(username="alice")
    async with Person(server) as thief:
        await thief.visit(rp.url())
        spellings = ["alice@example.com", "ALICE@example.com", "alice", "Alice", " alice@EXAMPLE.com"]
        for spelling in spellings:
            await thief.sign_in(email=spelling, password="wrong")
            assert thief.response.status_code == 400
        await thief.sign_in(email="alice")
        assert thief.response.status_code == 429
        assert int(thief.response.headers["retry-after"]) >= 1


async def test_an_attacker_cannot_lock_the_owner_out(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """OWASP ASVS 5.0 section 6.1.1."""
    await rp.sign_in(person)
    async with Person(server) as thief:
        await thief.visit(rp.url())
        for _ in range(8):
            await thief.sign_in(password="wrong")
        assert thief.response.status_code == 429
    person.http.cookies.delete("__Host-ostiary_session")
    await person.visit(rp.url())
    await person.sign_in()
    assert "code" in person.answer()


async def test_the_counter_forgets_after_a_wait(server: RunningServer, rp: RelyingParty) -> None:
    await server.add_person()
    async with Person(server) as alice:
        await alice.visit(rp.url())
        for _ in range(6):
            await alice.sign_in(password="wrong")
        assert alice.response.status_code == 429
        server.clock.advance(int(alice.response.headers["retry-after"]))
        await alice.sign_in()
        assert alice.title == "Protect your account"


async def test_a_sign_in_ends_when_it_lies_idle_and_at_its_absolute_end(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await rp.sign_in(person)
    server.clock.advance(1799)
    await person.visit(rp.url())
    assert "code" in person.answer()
    server.clock.advance(1800)
    await person.visit(rp.url())
    await person.sign_in()
    for _ in range(15):
        server.clock.advance(1790)
        await person.visit(rp.url())
        assert "code" in person.answer()
    server.clock.advance(28_800 - 15 * 1790)
    await person.visit(rp.url())
    assert person.title == "Sign in"


async def test_keep_me_signed_in_lasts_for_a_month(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    form = person.form
    data = {**form.fields, "email": person.email, "password": person.password, "remember": "yes"}
    response = await person.http.post(form.action, data=data)
    cookie = next(h for h in response.headers.get_list("set-cookie") if h.startswith("__Host-ostiary_session="))
    assert "Max-Age=2592000" in cookie
    for part in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie
    server.clock.advance(2_000_000)
    await person.visit("/account")
    assert person.title == "Your account"


async def test_a_new_sign_in_has_a_new_cookie_and_the_old_one_is_dead(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """OWASP ASVS 5.0 section 7.2.4."""
    await rp.sign_in(person)
    old = person.http.cookies["__Host-ostiary_session"]
    await rp.code_for(person, prompt="login")
    assert person.http.cookies["__Host-ostiary_session"] != old
    assert await server.run(lambda db: sessions.find(db, old, server.clock.now())) is None


async def test_a_totp_code_works_once(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """RFC 6238 section 5.2."""
    await person.visit(rp.url())
    await person.sign_in()
    await person.enrol()
    server.clock.advance(30)
    code = person.code()
    async with Person(server) as first, Person(server) as second:
        for browser in (first, second):
            await browser.visit(rp.url())
            await browser.sign_in()
            assert browser.title == "Enter your code"
        await asyncio.gather(first.submit(code=code), second.submit(code=code))
        assert sorted([first.title, second.title]) == ["Allow access", "Enter your code"]


async def test_a_code_of_the_step_before_is_accepted_and_no_older_one(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await person.visit(rp.url())
    await person.sign_in()
    await person.enrol()
    server.clock.advance(300)
    old = person.code()
    server.clock.advance(60)
    recent = person.code()
    server.clock.advance(30)
    async with Person(server) as elsewhere:
        await elsewhere.visit(rp.url())
        await elsewhere.sign_in()
        await elsewhere.submit(code=old)
        assert elsewhere.title == "Enter your code"
        await elsewhere.submit(code=recent)
        assert elsewhere.title == "Allow access"


async def test_a_recovery_code_works_once(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    await person.sign_in()
    await person.enrol()
    code = person.recovery_codes[0]
    async with Person(server) as first, Person(server) as second:
        for browser in (first, second):
            await browser.visit(rp.url())
            await browser.sign_in()
        await asyncio.gather(first.submit(code=code), second.submit(code=code.lower()))
        assert sorted([first.title, second.title]) == ["Allow access", "Enter your code"]


async def test_five_wrong_codes_lead_back_to_the_password(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await person.visit(rp.url())
    await person.sign_in()
    await person.enrol()
    async with Person(server) as thief:
        await thief.visit(rp.url())
        await thief.sign_in()
        for _ in range(5):
            await thief.submit(code="000000")
        assert thief.title in ("Sign in", "Enter your code")
        if thief.title == "Enter your code":
            assert thief.response.status_code == 429


async def test_pages_cannot_be_skipped(person: Person, rp: RelyingParty) -> None:
    """An empty POST, a stale form, another step's form: what is due is shown, nothing is skipped."""
    await person.visit(rp.url())
    sign_in_form = person.form
    here = sign_in_form.action.rpartition("/")[0]
    csrf = sign_in_form.fields["csrf_token"]
    for step in ("consent", "second-factor", "enrol-totp", "offer-totp", "done", "nonsense"):
        response = await person.http.post(f"{here}/{step}", data={"csrf_token": csrf, "decision": "allow"})
        assert response.status_code == 303
        assert response.headers["location"].endswith(here)
    await person.submit(None, None, email="", password="")
    assert person.title == "Sign in"
    await person.sign_in()
    await person.postpone()
    assert person.title == "Allow access"
    await person.submit(None, sign_in_form, email=person.email, password=PASSWORD)
    assert person.title == "Allow access"
    await person.submit()
    assert person.title == "Allow access"
    consent_form = person.form
    await person.consent()
    assert "code" in person.answer()
    await person.submit(("decision", "allow"), consent_form)
    assert person.left_for is None
    assert person.title == "This page is no longer valid"


async def test_an_interaction_of_another_browser_is_refused(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await person.visit(rp.url())
    url = str(person.response.request.url)
    async with Person(server) as other:
        await other.visit("/")
        await other.visit(url)
        assert other.title == "This page is no longer valid"


async def test_an_interaction_is_over_after_ten_minutes(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await person.visit(rp.url())
    server.clock.advance(600)
    await person.sign_in()
    assert person.title == "This page is no longer valid"
    assert person.response.status_code == 400


async def test_a_form_needs_its_token_and_its_origin(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    form = person.form
    data = {**form.fields, "email": person.email, "password": PASSWORD}
    assert (await person.http.post(form.action, data={**data, "csrf_token": "x"})).status_code == 403
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        assert (await person.http.post(form.action, data=data, headers=headers)).status_code == 403
    assert (await person.http.post(form.action, data=data)).status_code == 303


async def test_the_account_page_ends_sessions_and_disconnects_applications(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person, scope="openid offline_access")
    async with Person(server) as phone:
        await rp.sign_in(phone)
        await person.visit("/account")
        assert person.title == "Your account"
        assert "Web Shop" in person.text
        form = next(form for form in person.page.forms if form.action.endswith("/account/sessions/end"))
        await person.submit(None, form)
        await phone.visit(rp.url(prompt="none"))
        assert phone.answer()["error"] == "login_required"
    form = next(form for form in person.page.forms if form.action.endswith("/account/applications/revoke"))
    await person.submit(None, form)
    assert "Web Shop" not in person.text
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    await person.visit(rp.url())
    assert person.title == "Allow access"


async def test_a_second_factor_is_set_up_from_the_account_after_a_recent_sign_in(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await rp.sign_in(person)
    server.clock.advance(301)
    await person.visit("/account")
    form = next(form for form in person.page.forms if form.action.endswith("/account/second-factor"))
    await person.submit(None, form)
    assert person.title == "Sign in"
    await person.sign_in()
    await person.enrol()
    await person.visit("/account")
    assert "You have 10 recovery codes left." in person.text


async def test_a_password_link_works_once_and_looking_uses_nothing_up(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person)
    now = server.clock.now()

    user = await server.run(lambda db: find_by_email(db, person.email))
    assert user is not None
    token = await server.run(lambda db: credentials.create_password_link(db, user, context=CLI, now=now, seconds=60))
    link = f"/account/set-password?token={token}"
    async with Person(server) as elsewhere:
        for _ in range(2):
            await elsewhere.visit(link)
            assert elsewhere.title == "Choose a password"
        await elsewhere.submit(password="short")
        assert elsewhere.response.status_code == 400
        await elsewhere.submit(password="an entirely new pass phrase")
        assert elsewhere.title == "Sign in"
        await elsewhere.visit(link)
        assert elsewhere.title == "This link is no longer valid"
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    await person.visit(rp.url())
    await person.sign_in(password="an entirely new pass phrase")
    assert "code" in person.answer()


@pytest.mark.parametrize("overrides", [{"registration": "closed"}], indirect=True)
async def test_where_registration_is_closed_there_is_no_way_to_register(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    assert "Create an account" not in person.text
    await person.visit("/account/register")
    assert person.response.status_code == 403
    metadata = (await person.http.get("/.well-known/openid-configuration")).json()
    assert "create" not in metadata["prompt_values_supported"]
    await person.visit(rp.url(prompt="create"))
    assert person.answer()["error"] == "invalid_request"


async def test_what_happens_is_in_the_audit_log(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    await person.sign_in(password="wrong")
    await person.sign_in()
    await person.postpone()
    await person.consent()
    code = person.answer()["code"]
    await rp.redeem(code)
    await rp.redeem(code)
    rows = await server.run(lambda db: audit.list_rows(db, limit=50))
    events = [row["event"] for row in reversed(rows)]
    for event in (
        "user.created",
        "sign_in.failed",
        "sign_in.succeeded",
        "consent.granted",
        "authorization_code.issued",
        "authorization_code.redeemed",
        "authorization_code.replayed",
    ):
        assert events.count(event) == 1, event
    failed = next(row for row in rows if row["event"] == "sign_in.failed")
    assert failed["address"] == "192.0.2.1"
    assert failed["request_id"]
