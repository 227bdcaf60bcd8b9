"""Forgotten, reset and changed passwords, and proving an address."""

import asyncio

import pytest

from server.storage import audit
from tests.api.documented import EMAIL, Api
from tests.api.mails import mails_of, token_for
from tests.support.server import PASSWORD

NEW = "an entirely other phrase 7"


async def test_asking_for_a_link_has_one_answer(api: Api) -> None:
    answers = [await api.post("/password/forgot", email=email) for email in (EMAIL, "nobody@example.com", "nonsense")]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert [(mail["to"], mail["template"]) for mail in await mails_of(api.server)] == [(EMAIL, "reset_password")]
    for _ in range(10):  # the mailbox's limit is not told either
        assert (await api.post("/password/forgot", email=EMAIL)).status_code == 202
    assert len(await mails_of(api.server)) < 10


async def test_the_mailed_link_sets_a_password_once_and_ends_all_sign_ins(api: Api) -> None:
    await api.log_in()
    await api.post("/password/forgot", email=EMAIL)
    token = await token_for(api.server, "reset_password")
    weak = await api.post("/password/reset", token=token, password="password")
    assert weak.status_code == 400
    assert {problem["member"] for problem in weak.json()["errors"]} == {"password"}
    used = await asyncio.gather(*(api.post("/password/reset", token=token, password=NEW) for _ in range(3)))
    assert sorted(answer.status_code for answer in used) == [200, 400, 400]
    assert (await api.get("/me")).status_code == 401
    assert (await api.post("/login", email=EMAIL, password=PASSWORD)).status_code == 401
    assert (await api.log_in(password=NEW))["user"]["email_verified"] is True
    over = await api.post("/password/reset", token="opw_unknown", password=NEW)
    assert (over.status_code, over.json()["detail"]) == (400, "Invalid or expired token")


async def test_a_change_ends_other_sign_ins_and_gives_this_one_new_tokens(api: Api) -> None:
    other = await api.log_in()
    old = await api.log_in()
    session = next(s for s in (await api.get("/sessions")).json()["sessions"] if s["is_current"])
    response = await api.post("/password/change", current_password=PASSWORD, new_password=NEW)
    assert response.status_code == 200
    api.keep(response)
    assert [s["id"] for s in (await api.get("/sessions")).json()["sessions"]] == [session["id"]]
    for tokens in (other, old):
        assert (await api.post("/refresh", refresh_token=tokens["refresh_token"])).status_code == 401
        assert (await api.call("GET", "/me", authorization=f"Bearer {tokens['access_token']}")).status_code == 401
    api.keep(await api.post("/refresh", refresh_token=api.refresh_token))
    assert [mail["template"] for mail in await mails_of(api.server)] == ["password_changed"]
    assert len(await api.server.run(lambda db: audit.list_rows(db, event="password.changed"))) == 1
    await api.log_in(password=NEW)


async def test_a_change_needs_the_present_password_and_a_good_new_one(api: Api) -> None:
    await api.log_in()
    wrong = await api.post("/password/change", current_password="wrong", new_password=NEW)
    assert (wrong.status_code, wrong.json()["detail"]) == (400, "Current password is incorrect")
    weak = await api.post("/password/change", current_password=PASSWORD, new_password="alice@example.com")
    assert weak.status_code == 400
    assert {problem["member"] for problem in weak.json()["errors"]} == {"new_password"}
    assert (await api.get("/me")).status_code == 200
    await api.log_in()


async def test_guesses_at_the_present_password_are_throttled(api: Api) -> None:
    await api.log_in()
    for _ in range(5):
        await api.post("/password/change", current_password="wrong", new_password=NEW)
    refused = await api.post("/password/change", current_password=PASSWORD, new_password=NEW)
    assert refused.status_code == 429
    assert (await api.post("/login", email=EMAIL, password=PASSWORD)).status_code == 429


@pytest.mark.parametrize("overrides", [{"password_history": 3}], indirect=True)
async def test_a_former_password_cannot_come_back(api: Api) -> None:
    await api.log_in()
    api.keep(await api.post("/password/change", current_password=PASSWORD, new_password=NEW))
    back = await api.post("/password/change", current_password=NEW, new_password=PASSWORD)
    assert back.status_code == 400
    assert "before" in back.json()["detail"]


async def test_reasons_are_given_in_the_language_that_is_asked_for(api: Api) -> None:
    """RFC 9110 section 12.5.4."""
    await api.log_in()
    values = {"current_password": PASSWORD, "new_password": "short"}
    english = await api.call("POST", "/password/change", values, accept_language="en")
    german = await api.call("POST", "/password/change", values, accept_language="de-AT, en;q=0.5")
    assert "too short" in english.json()["detail"]
    assert (german.status_code, len(german.json()["errors"])) == (400, len(english.json()["errors"]))


async def test_the_verification_mail_is_sent_again_within_limits(api: Api) -> None:
    await api.log_in()
    for _ in range(8):
        assert (await api.call("POST", "/email/resend")).status_code == 202
    sent = await mails_of(api.server)
    assert 1 <= len(sent) < 8
    token = sent[-1]["values"]["link"].partition("token=")[2]
    answers = await asyncio.gather(*(api.post("/email/verify", token=token) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]
    assert (await api.get("/me")).json()["email_verified"] is True
    api.server.clock.advance(7200)
    await api.log_in()
    await api.call("POST", "/email/resend")
    assert len(await mails_of(api.server)) == len(sent)  # verified already
