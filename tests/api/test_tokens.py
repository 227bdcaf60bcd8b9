"""Refreshing, signing out, and what a token of the API may do elsewhere."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection

from server.accounts import lifecycle
from server.events.context import CLI
from server.storage import audit, users
from tests.api.documented import EMAIL, Api
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def _rp(server: RunningServer, **metadata: Any) -> RelyingParty:
    return RelyingParty(server, client_secret=await server.add_client(client_name="Web Shop", **metadata))


async def test_a_refresh_rotates_and_a_late_reuse_ends_the_sign_in(api: Api) -> None:
    """RFC 9700 section 4.14.2."""
    first = await api.log_in()
    second = api.keep(await api.post("/refresh", refresh_token=first["refresh_token"]))
    assert second["refresh_token"] != first["refresh_token"]
    assert second["user"] == first["user"]
    retry = (await api.post("/refresh", refresh_token=first["refresh_token"])).json()
    assert retry["refresh_token"] == second["refresh_token"]
    api.server.clock.advance(10)
    late = await api.post("/refresh", refresh_token=first["refresh_token"])
    assert (late.status_code, late.json()["detail"]) == (401, "Invalid refresh token")
    assert (await api.post("/refresh", refresh_token=second["refresh_token"])).status_code == 401
    assert (await api.get("/me")).json()["detail"] == "Invalid token"
    rows = await api.server.run(lambda db: audit.list_rows(db, event="refresh_token.reused"))
    assert len(rows) == 1


async def test_parallel_refreshes_get_one_successor(api: Api) -> None:
    first = await api.log_in()
    answers = await asyncio.gather(*(api.post("/refresh", refresh_token=first["refresh_token"]) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


async def test_refreshing_keeps_what_the_sign_in_was(api: Api) -> None:
    started = api.server.clock.now()
    await api.log_in()
    api.server.clock.advance(1000)
    body = api.keep(await api.post("/refresh", refresh_token=api.refresh_token))
    _, claims = await RelyingParty(api.server).verified(body["access_token"])
    assert (claims["auth_time"], claims["amr"]) == (started, ["pwd"])
    sessions = (await api.get("/sessions")).json()["sessions"]
    assert (sessions[0]["created_at"], sessions[0]["last_used_at"]) == (started, started + 1000)


@pytest.mark.parametrize("overrides", [{"refresh_token_seconds": 1000}], indirect=True)
async def test_a_refresh_token_that_lies_unused_is_over(api: Api) -> None:
    await api.log_in()
    api.server.clock.advance(999)
    api.keep(await api.post("/refresh", refresh_token=api.refresh_token))
    api.server.clock.advance(1000)
    assert (await api.post("/refresh", refresh_token=api.refresh_token)).status_code == 401


async def test_refresh_tokens_of_the_api_and_of_clients_are_not_interchangeable(api: Api) -> None:
    """RFC 6749 section 6: bound to the client to which it was issued."""
    rp = await _rp(api.server)
    async with Person(api.server) as alice:
        of_client = await rp.sign_in(alice)
    own = await api.log_in()
    refused = await rp.refresh(own["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await api.post("/refresh", refresh_token=of_client["refresh_token"])).status_code == 401
    assert (await api.post("/refresh", refresh_token=own["access_token"])).status_code == 401
    assert (await rp.refresh(of_client["refresh_token"])).status_code == 200
    assert (await api.post("/refresh", refresh_token=own["refresh_token"])).status_code == 200


async def test_signing_out_kills_the_tokens_everywhere_at_once(api: Api) -> None:
    rp = await _rp(api.server, may_introspect=True)
    body = await api.log_in()
    assert (await rp.post("/introspect", token=body["access_token"])).json()["active"] is True
    assert (await rp.userinfo(body["access_token"])).json()["email"] == EMAIL
    response = await api.call("POST", "/logout")
    assert (response.status_code, response.json()) == (200, {"message": "Logged out successfully"})
    assert (await api.get("/me")).json() == {"detail": "Invalid token"}
    assert (await rp.userinfo(body["access_token"])).status_code == 401
    assert (await rp.post("/introspect", token=body["access_token"])).json() == {"active": False}
    assert (await api.post("/refresh", refresh_token=body["refresh_token"])).status_code == 401
    assert (await api.call("POST", "/logout")).status_code == 401


async def test_signing_out_leaves_other_sign_ins_alone(api: Api) -> None:
    other = await api.log_in()
    await api.log_in()
    await api.call("POST", "/logout")
    api.access_token = other["access_token"]
    assert (await api.get("/me")).status_code == 200


async def test_a_disabled_person_is_out_at_once(api: Api) -> None:
    body = await api.log_in()

    def disable(db: Connection) -> None:
        alice = users.find_by_email(db, EMAIL)
        assert alice is not None
        lifecycle.disable(db, alice, context=CLI, now=api.server.clock.now())

    await api.server.run(disable)
    assert (await api.get("/me")).status_code == 401
    assert (await api.post("/refresh", refresh_token=body["refresh_token"])).status_code == 401


async def test_without_a_token_and_with_a_bad_one(api: Api) -> None:
    """RFC 6750 section 3."""
    body = await api.log_in()
    api.access_token = None
    missing = await api.get("/me")
    assert (missing.status_code, missing.json()) == (401, {"detail": "Not authenticated"})
    assert missing.headers["www-authenticate"].startswith('Bearer realm="ostiary"')
    basic = await api.call("GET", "/me", authorization="Basic YTpi")
    assert basic.json() == {"detail": "Not authenticated"}
    for bad in ("", "nonsense", body["refresh_token"], body["access_token"][:-4] + "AAAA", "a.b.c"):
        wrong = await api.call("GET", "/me", authorization=f"Bearer {bad}")
        assert (wrong.status_code, wrong.json()) == (401, {"detail": "Invalid token"})
        assert 'error="invalid_token"' in wrong.headers["www-authenticate"]
    api.server.clock.advance(600)
    expired = await api.call("GET", "/me", authorization=f"Bearer {body['access_token']}")
    assert expired.json() == {"detail": "Invalid token"}


async def test_a_clients_token_shows_the_person_and_changes_nothing(api: Api) -> None:
    """RFC 6750 section 3.1: insufficient_scope."""
    rp = await _rp(api.server)
    async with Person(api.server) as alice:
        api.access_token = (await rp.sign_in(alice, scope="openid profile email"))["access_token"]
        shown = (await api.get("/me")).json()
        assert (shown["email"], shown["email_verified"]) == (EMAIL, False)
        assert (shown["role"], shown["roles"], shown["organization"], shown["mfa_enabled"]) == (None, [], None, None)
        for method, path in (("PATCH", "/me"), ("POST", "/logout"), ("GET", "/sessions"), ("GET", "/export")):
            refused = await api.call(method, path, {} if method == "PATCH" else None)
            assert refused.status_code == 403
            assert 'error="insufficient_scope", scope="account"' in refused.headers["www-authenticate"]
        api.access_token = (await rp.sign_in(alice, scope="openid profile"))["access_token"]
        shown = (await api.get("/me")).json()
        assert (shown["email"], shown["email_verified"], shown["name"]) == (None, None, "Alice Ample")
        api.access_token = (await rp.sign_in(alice, scope="openid"))["access_token"]
        assert (await api.get("/me")).status_code == 403
