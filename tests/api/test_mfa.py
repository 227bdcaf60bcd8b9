"""The second factor in the JSON API."""

import asyncio

import pytest

from server.storage import audit, users
from tests.api.documented import EMAIL, Api
from tests.api.mails import mails_of
from tests.support.account import alice_of
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer


async def _mfa_token(api: Api) -> str:
    body = await api.log_in()
    assert body["mfa_required"] is True
    assert "access_token" not in body
    return str(body["mfa_token"])


async def test_an_app_is_set_up_and_asked_for_at_the_next_sign_in(api: Api) -> None:
    await api.log_in()
    setup = (await api.call("POST", "/mfa/setup")).json()
    assert setup["otpauth_uri"].startswith("otpauth://totp/")
    assert f"secret={setup['secret']}" in setup["otpauth_uri"]
    assert setup["qr_svg"].startswith("<svg ")
    assert (await api.get("/me")).json()["mfa_enabled"] is False
    wrong = await api.post("/mfa/verify", code="000000")
    assert (wrong.status_code, wrong.json()["detail"]) == (400, "Invalid code")
    verified = await api.post("/mfa/verify", code=api.code(setup["secret"]))
    assert verified.status_code == 200
    assert len(set(verified.json()["recovery_codes"])) == 10
    assert (await api.get("/me")).json()["mfa_enabled"] is True
    api.server.clock.advance(60)
    body = await api.log_in()
    assert body["methods"] == ["totp", "recovery_code"]
    answer = await api.post("/mfa/challenge", mfa_token=body["mfa_token"], code=api.code(setup["secret"]))
    _, claims = await RelyingParty(api.server).verified(api.keep(answer)["access_token"])
    assert (claims["amr"], claims["acr"]) == (["pwd", "otp", "mfa"], "aal2")
    assert (await api.get("/me")).json()["mfa_enabled"] is True


async def test_a_recovery_code_opens_once(api: Api) -> None:
    await api.log_in()
    _, codes = await api.enrol()
    answer = await api.post("/mfa/challenge", mfa_token=await _mfa_token(api), code=codes[0].upper())
    assert answer.status_code == 200
    again = await api.post("/mfa/challenge", mfa_token=await _mfa_token(api), code=codes[0])
    assert (again.status_code, again.json()["detail"]) == (401, "Invalid code")


async def test_a_code_opens_once(api: Api) -> None:
    """RFC 6238 section 5.2."""
    await api.log_in()
    secret, _ = await api.enrol()
    first, second = await _mfa_token(api), await _mfa_token(api)
    assert (await api.post("/mfa/challenge", mfa_token=first, code=api.code(secret))).status_code == 200
    assert (await api.post("/mfa/challenge", mfa_token=second, code=api.code(secret))).status_code == 401


async def test_an_mfa_token_used_at_once_gives_one_sign_in(api: Api) -> None:
    await api.log_in()
    _, codes = await api.enrol()
    token = await _mfa_token(api)
    answers = await asyncio.gather(*(api.post("/mfa/challenge", mfa_token=token, code=code) for code in codes[:4]))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    used = await api.post("/mfa/challenge", mfa_token=token, code=codes[5])
    assert (used.status_code, used.json()["detail"]) == (401, "Invalid token")


async def test_five_wrong_codes_end_the_mfa_token(api: Api) -> None:
    await api.log_in()
    _, codes = await api.enrol()
    token = await _mfa_token(api)
    for _ in range(5):
        assert (await api.post("/mfa/challenge", mfa_token=token, code="000000")).json()["detail"] == "Invalid code"
    throttled_or_over = await api.post("/mfa/challenge", mfa_token=token, code=codes[0])
    assert throttled_or_over.json()["detail"] == "Invalid token"
    # the account's counter outlives the token
    fresh = await api.post("/mfa/challenge", mfa_token=await _mfa_token(api), code=codes[0])
    assert fresh.status_code == 429
    api.server.clock.advance(int(fresh.headers["retry-after"]))
    opened = await api.post("/mfa/challenge", mfa_token=await _mfa_token(api), code=codes[0])
    assert opened.status_code == 200


async def test_an_mfa_token_is_over_after_five_minutes_and_after_a_new_password(api: Api) -> None:
    await api.log_in()
    kept = api.access_token
    _, codes = await api.enrol()
    old = await _mfa_token(api)
    api.server.clock.advance(300)
    assert (await api.post("/mfa/challenge", mfa_token=old, code=codes[0])).json()["detail"] == "Invalid token"
    waiting = await _mfa_token(api)
    api.access_token = kept
    changed = await api.post("/password/change", current_password=PASSWORD, new_password="an entirely other phrase 7")
    assert changed.status_code == 200, changed.text
    assert (await api.post("/mfa/challenge", mfa_token=waiting, code=codes[0])).json()["detail"] == "Invalid token"


async def test_an_mfa_token_is_no_bearer_token(api: Api) -> None:
    await api.log_in()
    await api.enrol()
    api.access_token = await _mfa_token(api)
    for method, path in (("GET", "/me"), ("POST", "/mfa/setup"), ("POST", "/logout")):
        assert (await api.call(method, path)).json()["detail"] == "Invalid token"
    assert (await api.post("/mfa/challenge", mfa_token="omf_unknown", code="123456")).status_code == 401


async def test_adding_a_factor_needs_a_fresh_sign_in_with_the_one_there_is(api: Api) -> None:
    """RFC 9470 section 3."""
    await api.log_in()
    api.server.clock.advance(301)
    stale = await api.call("POST", "/mfa/setup")
    assert (stale.status_code, stale.json()["detail"]) == (403, "Sign in again first")
    assert 'error="insufficient_user_authentication", max_age="300"' in stale.headers["www-authenticate"]
    await api.log_in()
    weak = api.access_token
    secret, _ = await api.enrol()
    api.access_token = weak
    refused = await api.call("POST", "/mfa/setup")
    assert refused.status_code == 403
    assert 'acr_values="aal2"' in refused.headers["www-authenticate"]
    api.keep(await api.post("/mfa/challenge", mfa_token=await _mfa_token(api), code=api.code(secret)))
    assert (await api.call("POST", "/mfa/setup")).status_code == 200


async def test_disabling_needs_password_and_code(api: Api) -> None:
    await api.log_in()
    off = await api.post("/mfa/disable", password=PASSWORD, code="123456")
    assert (off.status_code, off.json()["detail"]) == (400, "No authenticator app is set up")
    secret, codes = await api.enrol()
    for password, code in (("wrong", codes[0]), (PASSWORD, "000000")):
        refused = await api.post("/mfa/disable", password=password, code=code)
        assert (refused.status_code, refused.json()["detail"]) == (400, "Invalid password or code")
    done = await api.post("/mfa/disable", password=PASSWORD, code=api.code(secret))
    assert done.status_code == 204
    assert (await api.get("/me")).json()["mfa_enabled"] is False
    assert len(await api.server.run(lambda db: audit.list_rows(db, event="totp.removed"))) == 1
    assert "access_token" in await api.log_in()


async def test_verify_without_setup_and_after_ten_minutes(api: Api) -> None:
    await api.log_in()
    first = await api.post("/mfa/verify", code="123456")
    assert (first.status_code, first.json()["detail"]) == (400, "Call /api/auth/mfa/setup first")
    secret = (await api.call("POST", "/mfa/setup")).json()["secret"]
    api.server.clock.advance(600)
    await api.log_in()
    late = await api.post("/mfa/verify", code=api.code(secret))
    assert late.json()["detail"] == "Call /api/auth/mfa/setup first"


@pytest.mark.parametrize("overrides", [{"mfa": "required"}], indirect=True)
async def test_where_a_factor_is_required_it_is_set_up_before_there_are_tokens(server: RunningServer, api: Api) -> None:
    body = (await api.post("/login", email=EMAIL, password=PASSWORD)).json()
    assert (body["mfa_required"], body["mfa_setup_required"], body["methods"]) == (True, True, [])
    challenge = await api.post("/mfa/challenge", mfa_token=body["mfa_token"], code="123456")
    assert challenge.json()["detail"] == "Invalid token"
    api.access_token = body["mfa_token"]
    assert (await api.get("/me")).status_code == 401
    secret = (await api.call("POST", "/mfa/setup")).json()["secret"]
    verified = await api.post("/mfa/verify", code=api.code(secret))
    assert len(api.keep(verified)["recovery_codes"]) == 10
    _, claims = await RelyingParty(server).verified(str(api.access_token))
    assert claims["amr"] == ["pwd", "otp", "mfa"]
    assert (await api.get("/me")).json()["mfa_enabled"] is True
    server.clock.advance(60)
    kept = await api.post("/mfa/disable", password=PASSWORD, code=api.code(secret))
    assert (kept.status_code, kept.json()["detail"]) == (403, "A second factor is required")
    api.access_token = body["mfa_token"]
    assert (await api.call("POST", "/mfa/setup")).status_code == 401


@pytest.mark.parametrize("overrides", [{"mfa": "off"}], indirect=True)
async def test_where_factors_are_turned_off_none_is_set_up(api: Api) -> None:
    await api.log_in()
    refused = await api.call("POST", "/mfa/setup")
    assert (refused.status_code, refused.json()["detail"]) == (403, "Second factors are turned off")


@pytest.mark.parametrize("overrides", [{"email_codes": True}], indirect=True)
async def test_who_asks_for_too_many_codes_by_e_mail_is_told_to_wait(api: Api) -> None:
    """Without a new code an `mfa_token` would be of no use."""
    server, now = api.server, api.server.clock.now()
    alice = await alice_of(server)
    values = {"email_verified": True, "email_factor_at": now}
    await server.run(lambda db: users.update_fields(db, alice.id, values, now=now))
    answers = [await api.post("/login", email=EMAIL, password=PASSWORD) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert len(await mails_of(server)) == 5
