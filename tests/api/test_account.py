"""The profile, the sign-ins, the data and the end of an account."""

from tests.api.documented import EMAIL, Api
from tests.api.mails import mails_of, token_for
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD


async def test_the_profile_is_changed_member_by_member(api: Api) -> None:
    await api.log_in()
    changes = {
        "name": "Alice Liddell",
        "website": "https://alice.example.com",
        "phone_number": "+44 20 7946 0000",
        "address": {"locality": "Oxford", "country": "UK"},
        "username": "liddell",
        "roles": ["admin"],
        "email_verified": True,
    }
    changed = await api.call("PATCH", "/me", changes)
    assert changed.status_code == 200
    assert changed.json() == (await api.get("/me")).json()
    user = changed.json()
    assert (user["name"], user["username"], user["organization"]) == ("Alice Liddell", "liddell", "Wonderland")
    assert (user["roles"], user["email_verified"]) == (["editor"], False)
    assert (await api.call("PATCH", "/me", {"website": None})).status_code == 200
    claims = (await api.get("/export")).json()["claims"]
    assert "website" not in claims
    assert claims["address"] == {"locality": "Oxford", "country": "UK"}
    assert (claims["phone_number"], claims["phone_number_verified"]) == ("+44 20 7946 0000", False)


async def test_what_cannot_be_stored_is_named_and_changes_nothing(api: Api) -> None:
    await api.server.add_person("bob@example.com", username="bob")
    await api.log_in()
    bad = await api.call("PATCH", "/me", {"name": "New", "website": "javascript:alert(1)", "birthdate": "yesterday"})
    assert bad.status_code == 422
    assert {problem["member"] for problem in bad.json()["errors"]} == {"website", "birthdate"}
    taken = await api.call("PATCH", "/me", {"username": "BOB"})
    assert (taken.status_code, taken.json()["errors"][0]["member"]) == (422, "username")
    assert (await api.get("/me")).json()["name"] == "Alice Ample"


async def test_another_address_counts_once_it_is_confirmed(api: Api) -> None:
    await api.log_in()
    asked = (await api.call("PATCH", "/me", {"email": "liddell@example.com"})).json()
    assert (asked["email"], asked["pending_email"]) == (EMAIL, "liddell@example.com")
    token = await token_for(api.server, "confirm_new_email")
    assert (await api.post("/email/verify", token=token)).status_code == 200
    user = (await api.get("/me")).json()
    assert (user["email"], user["email_verified"]) == ("liddell@example.com", True)
    assert {(mail["to"], mail["template"]) for mail in await mails_of(api.server)} == {
        ("liddell@example.com", "confirm_new_email"),
        (EMAIL, "email_changed"),
    }
    assert (await api.call("PATCH", "/me", {"email": "nonsense"})).status_code == 422
    api.server.clock.advance(301)
    stale = await api.call("PATCH", "/me", {"email": "other@example.com"})
    assert (stale.status_code, stale.json()["detail"]) == (403, "Sign in again first")


async def test_deleting_the_account_needs_the_password_and_shuts_the_person_out(api: Api) -> None:
    body = await api.log_in()
    wrong = await api.call("DELETE", "/me", {"password": "wrong"})
    assert (wrong.status_code, wrong.json()["detail"]) == (400, "Password is incorrect")
    assert (await api.call("DELETE", "/me", {"password": PASSWORD})).status_code == 204
    assert (await api.get("/me")).status_code == 401
    assert (await api.post("/refresh", refresh_token=body["refresh_token"])).status_code == 401
    gone = await api.post("/login", email=EMAIL, password=PASSWORD)
    assert (gone.status_code, gone.json()["detail"]) == (401, "Invalid credentials")
    assert [mail["template"] for mail in await mails_of(api.server)] == ["account_deleted"]


async def test_a_weaker_sign_in_than_the_person_has_cannot_delete_the_account(api: Api) -> None:
    await api.log_in()
    await api.enrol()
    refused = await api.call("DELETE", "/me", {"password": PASSWORD})
    assert (refused.status_code, refused.json()["detail"]) == (403, "Sign in with your second factor first")


async def test_sign_ins_in_browsers_and_here_are_listed_together_and_ended(api: Api) -> None:
    rp = RelyingParty(api.server, client_secret=await api.server.add_client(client_name="Web Shop"))
    async with Person(api.server) as alice:
        of_client = await rp.sign_in(alice)
        await api.log_in()
        listed = (await api.get("/sessions")).json()["sessions"]
        assert [one["is_current"] for one in listed].count(True) == 1
        assert {tuple(one["applications"]) for one in listed} == {("web",), ("ostiary-account-api",)}
        browser = next(one for one in listed if not one["is_current"])
        assert (browser["address"], browser["user_agent"]) == ("192.0.2.1", "Person/1.0")
        assert (await api.call("DELETE", f"/sessions/{browser['id']}")).status_code == 204
        assert (await rp.userinfo(of_client["access_token"])).status_code == 401
        await alice.visit("/account")
        assert alice.title == "Sign in"
    again = await api.call("DELETE", f"/sessions/{browser['id']}")
    assert (again.status_code, again.json()["detail"]) == (404, "Session not found")


async def test_somebody_elses_sign_in_is_not_found(api: Api) -> None:
    await api.server.add_person("bob@example.com")
    await api.log_in("bob@example.com")
    foreign = (await api.get("/sessions")).json()["sessions"][0]["id"]
    kept = api.access_token
    await api.log_in()
    assert (await api.call("DELETE", f"/sessions/{foreign}")).status_code == 404
    api.access_token = kept
    assert (await api.get("/me")).status_code == 200


async def test_all_other_sign_ins_end_at_once(api: Api) -> None:
    other = await api.log_in()
    await api.log_in()
    assert (await api.call("DELETE", "/sessions")).status_code == 204
    assert len((await api.get("/sessions")).json()["sessions"]) == 1
    assert (await api.post("/refresh", refresh_token=other["refresh_token"])).status_code == 401


async def test_the_export_has_no_secret(api: Api) -> None:
    await api.log_in()
    secret, codes = await api.enrol()
    exported = await api.get("/export")
    assert exported.json()["account"]["email"] == EMAIL
    for hidden in ("argon2", "sealed", secret, codes[0], api.refresh_token):
        assert hidden not in exported.text
