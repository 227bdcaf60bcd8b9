"""Refresh tokens: RFC 6749 section 6, RFC 9700 section 4.14."""

import asyncio

import pytest

from server.storage import audit
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def test_each_use_gives_a_successor_and_new_tokens(person: Person, rp: RelyingParty) -> None:
    """oidcc-refresh-token; OpenID Connect Core section 12.2."""
    first = await rp.sign_in(person)
    response = await rp.refresh(first["refresh_token"])
    second = response.json()
    assert response.status_code == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    _, before = await rp.verified(first["id_token"])
    _, after = await rp.verified(second["id_token"])
    for name in ("iss", "sub", "aud", "auth_time", "sid", "azp"):
        assert after[name] == before[name]
    assert "nonce" not in after


async def test_a_retry_gets_the_same_successor_and_a_late_reuse_ends_the_family(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 9700 section 4.14.2."""
    first = await rp.sign_in(person)
    second = (await rp.refresh(first["refresh_token"])).json()
    server.clock.advance(9)
    again = (await rp.refresh(first["refresh_token"])).json()
    assert again["refresh_token"] == second["refresh_token"]
    server.clock.advance(1)
    late = await rp.refresh(first["refresh_token"])
    assert (late.status_code, late.json()["error"]) == (400, "invalid_grant")
    assert (await rp.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await rp.userinfo(second["access_token"])).status_code == 401
    rows = await server.run(lambda db: audit.list_rows(db, event="refresh_token.reused"))
    assert len(rows) == 1
    assert rows[0]["client_id"] == rp.client_id


async def test_parallel_uses_get_one_successor(person: Person, rp: RelyingParty) -> None:
    first = await rp.sign_in(person)
    responses = await asyncio.gather(*(rp.refresh(first["refresh_token"]) for _ in range(16)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.json()["refresh_token"] for response in responses}) == 1


async def test_scope_narrows_and_never_widens(person: Person, rp: RelyingParty) -> None:
    first = await rp.sign_in(person, scope="openid profile email")
    second = (await rp.refresh(first["refresh_token"], scope="openid email")).json()
    assert second["scope"] == "openid email"
    wide = await rp.refresh(second["refresh_token"], scope="openid email address")
    assert wide.json()["error"] == "invalid_scope"
    third = (await rp.refresh(second["refresh_token"])).json()
    assert third["scope"] == "openid profile email"


async def test_scopes_that_the_client_lost_are_left_out_and_their_total_loss_is_told(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 6749 section 5.1: an answer without `scope` would say that all was given."""
    first = await rp.sign_in(person, scope="openid profile email")
    await server.change_client(rp.client_id, scope="openid address")
    second = (await rp.refresh(first["refresh_token"])).json()
    assert second["scope"] == "openid"
    narrowed = await rp.refresh(second["refresh_token"], scope="profile email")
    assert (narrowed.status_code, narrowed.json()["error"]) == (400, "invalid_scope")
    await server.change_client(rp.client_id, scope="address")
    lost = await rp.refresh(second["refresh_token"])
    assert (lost.status_code, lost.json()["error"]) == (400, "invalid_scope")
    await server.change_client(rp.client_id, scope="openid profile email")
    assert (await rp.refresh(second["refresh_token"])).json()["scope"] == "openid profile email", "nothing is used up"


async def test_a_token_is_bound_to_its_client(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    first = await rp.sign_in(person)
    secret = await server.add_client("other")
    assert (await RelyingParty(server, "other", secret).refresh(first["refresh_token"])).status_code == 400
    assert (await rp.refresh(first["refresh_token"])).status_code == 200


@pytest.mark.parametrize(
    "overrides", [{"refresh_token_seconds": 1000, "refresh_token_absolute_seconds": 2500}], indirect=True
)
async def test_a_family_ends_when_it_lies_idle_and_in_any_case_at_its_absolute_end(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    idle = await rp.sign_in(person)
    server.clock.advance(1000)
    assert (await rp.refresh(idle["refresh_token"])).json()["error"] == "invalid_grant"
    used = await rp.sign_in(person, prompt="login")
    for _ in range(2):
        server.clock.advance(999)
        used = (await rp.refresh(used["refresh_token"])).json()
        assert "refresh_token" in used
    server.clock.advance(502)
    assert (await rp.refresh(used["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_client_without_the_grant_gets_no_refresh_token(server: RunningServer, person: Person) -> None:
    secret = await server.add_client("brief", grant_types=["authorization_code"])
    tokens = await RelyingParty(server, "brief", secret).sign_in(person)
    assert "refresh_token" not in tokens


async def test_offline_access_outlives_the_sign_out_and_online_access_does_not(
    person: Person, rp: RelyingParty
) -> None:
    """OpenID Connect Core section 11."""
    online = await rp.sign_in(person, scope="openid")
    offline = await rp.sign_in(person, scope="openid offline_access")
    await person.visit("/end-session")
    await person.submit(("decision", "sign-out"))
    assert person.title == "Signed out"
    assert (await rp.refresh(online["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await rp.userinfo(online["access_token"])).status_code == 401
    assert (await rp.refresh(offline["refresh_token"])).status_code == 200


async def test_a_token_whose_successor_was_used_is_reused_however_soon(person: Person, rp: RelyingParty) -> None:
    """RFC 9700 section 4.14.2: whoever used the successor got the answer, so the retry is somebody else's."""
    first = await rp.sign_in(person)
    second = (await rp.refresh(first["refresh_token"])).json()
    third = (await rp.refresh(second["refresh_token"])).json()
    assert (await rp.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await rp.refresh(third["refresh_token"])).json()["error"] == "invalid_grant"
