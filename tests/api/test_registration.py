"""Making an account through the JSON API."""

from collections.abc import Mapping

import pytest

from server.accounts import invitations
from server.events.context import CLI
from server.storage import audit
from tests.api.documented import EMAIL, Api
from tests.api.mails import mails_of, token_for
from tests.support.server import PASSWORD

BOB: Mapping[str, str] = {"email": "Bob@example.com", "password": PASSWORD, "name": "Bob Builder"}


async def test_a_new_person_is_signed_in_with_the_least_role(api: Api) -> None:
    response = await api.post("/register", **BOB, username="bob", organization="Builders")
    assert response.status_code == 201
    user = api.keep(response)["user"]
    assert user == {
        "id": user["id"],
        "email": "Bob@example.com",
        "username": "bob",
        "name": "Bob Builder",
        "organization": "Builders",
        "role": "user",
        "roles": ["user"],
        "mfa_enabled": False,
        "email_verified": False,
    }
    assert (await api.get("/me")).json() == user
    assert len(await api.server.run(lambda db: audit.list_rows(db, event="user.created", user_id=user["id"]))) == 1


async def test_a_taken_address_in_any_spelling_and_a_taken_username_are_named(api: Api) -> None:
    taken = await api.post("/register", **{**BOB, "email": "ALICE@example.com"})
    assert (taken.status_code, taken.json()["detail"]) == (400, "Email already registered")
    username = await api.post("/register", **BOB, username="Alice")
    assert (username.status_code, username.json()["detail"]) == (400, "Username already taken")


async def test_a_weak_password_is_refused_with_each_rule_that_it_breaks(api: Api) -> None:
    weak = await api.post("/register", **{**BOB, "password": "password"})
    body = weak.json()
    assert weak.status_code == 422
    assert {problem["member"] for problem in body["errors"]} == {"password"}
    assert len(body["errors"]) == 2
    assert "too short" in body["detail"]
    assert "many people use" in body["detail"]


async def test_each_member_that_cannot_be_used_is_named(api: Api) -> None:
    bad = await api.post("/register", email="nonsense", password=PASSWORD, name=" ", username="a b")
    assert bad.status_code == 422
    assert {problem["member"] for problem in bad.json()["errors"]} == {"email", "name", "username"}


@pytest.mark.parametrize("overrides", [{"email_verification": "required"}], indirect=True)
async def test_where_addresses_must_be_verified_the_answer_never_tells_who_has_one(api: Api) -> None:
    free = await api.post("/register", **BOB)
    taken = await api.post("/register", **{**BOB, "email": EMAIL})
    assert (free.status_code, taken.status_code) == (202, 202)
    assert free.json() == taken.json() == {"status": "verification_sent"}
    assert {(mail["to"], mail["template"]) for mail in await mails_of(api.server)} == {
        ("Bob@example.com", "verify_email"),
        (EMAIL, "email_taken"),
    }
    assert (await api.post("/login", email="bob@example.com", password=PASSWORD)).status_code == 403
    token = await token_for_first(api)
    verified = await api.post("/email/verify", token=token)
    assert (verified.status_code, verified.json()) == (200, {"message": "Email verified"})
    assert (await api.log_in("bob@example.com"))["user"]["email_verified"] is True


async def token_for_first(api: Api) -> str:
    """Return the token of the mail that the registration sent: the sign-in sent another."""
    link = next(m["values"]["link"] for m in await mails_of(api.server) if m["template"] == "verify_email")
    return str(link.partition("token=")[2])


@pytest.mark.parametrize("overrides", [{"registration": "invite"}], indirect=True)
async def test_where_accounts_are_made_by_invitation_it_is_good_once(api: Api) -> None:
    closed = await api.post("/register", **BOB)
    assert (closed.status_code, closed.json()["detail"]) == (403, "Registration is closed")
    made = await api.server.run(
        lambda db: invitations.create(
            db,
            email=BOB["email"],
            roles=["editor"],
            settings=api.server.settings,
            context=CLI,
            now=api.server.clock.now(),
        )
    )
    invitation = made.link.partition("invitation=")[2]
    for_other = await api.post("/register", **{**BOB, "email": "eve@example.com"}, invitation=invitation)
    assert (for_other.status_code, for_other.json()["detail"]) == (403, "The invitation is not valid")
    user = api.keep(await api.post("/register", **BOB, invitation=invitation))["user"]
    assert (user["roles"], user["email_verified"]) == (["editor", "user"], True)
    again = await api.post("/register", **BOB, invitation=invitation)
    assert again.status_code == 403


@pytest.mark.parametrize("overrides", [{"registration": "invite"}], indirect=True)
async def test_the_address_of_an_account_is_the_one_that_was_invited(api: Api) -> None:
    """Another spelling may be another mailbox, and nobody has proven that one."""
    server = api.server
    email, settings, now = "strasse@example.com", server.settings, server.clock.now()
    made = await server.run(
        lambda db: invitations.create(db, email=email, roles=[], settings=settings, context=CLI, now=now)
    )
    person = {**BOB, "email": "stra\N{LATIN SMALL LETTER SHARP S}e@example.com"}
    user = api.keep(await api.post("/register", **person, invitation=made.link.partition("invitation=")[2]))["user"]
    assert (user["email"], user["email_verified"]) == ("strasse@example.com", True)


@pytest.mark.parametrize("overrides", [{"registration": "closed"}], indirect=True)
async def test_where_registration_is_closed_nobody_makes_an_account(api: Api) -> None:
    assert (await api.post("/register", **BOB)).status_code == 403


@pytest.mark.parametrize("overrides", [{"mfa": "required"}], indirect=True)
async def test_where_a_factor_is_required_a_new_person_sets_it_up_first(api: Api) -> None:
    response = await api.post("/register", **BOB)
    assert response.status_code == 201
    assert response.json()["mfa_setup_required"] is True
    api.access_token = response.json()["mfa_token"]
    await api.enrol()


async def test_new_accounts_from_one_network_are_throttled(api: Api) -> None:
    for _ in range(20):
        assert (await api.post("/register", **{**BOB, "email": EMAIL})).status_code == 400
    refused = await api.post("/register", **BOB)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0


async def test_an_account_that_was_made_can_have_its_address_verified(api: Api) -> None:
    api.keep(await api.post("/register", **BOB))
    token = await token_for(api.server, "verify_email")
    assert (await api.post("/email/verify", token=token)).status_code == 200
    again = await api.post("/email/verify", token=token)
    assert (again.status_code, again.json()["detail"]) == (400, "Invalid or expired token")
    assert (await api.get("/me")).json()["email_verified"] is True
