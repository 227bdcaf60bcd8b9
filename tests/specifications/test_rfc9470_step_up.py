"""Step-up authentication: RFC 9470."""

import pytest

from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

CHALLENGE = 'error="insufficient_user_authentication"'


async def test_tokens_say_how_strongly_and_when_somebody_signed_in(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 6: in the token and at introspection."""
    signed_in_at = server.clock.now()
    token = (await rp.sign_in(person))["access_token"]
    _, claims = await rp.verified(token)
    told = (await rp.post("/introspect", token=token)).json()
    for said in (claims, told):
        assert (said["acr"], said["auth_time"]) == ("aal1", signed_in_at)


async def test_discovery_names_the_strengths(server: RunningServer) -> None:
    """Section 7."""
    async with server.http() as http:
        document = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert document["acr_values_supported"] == ["aal1", "aal2"]


async def test_userinfo_asks_for_a_stronger_sign_in_where_the_client_demands_one(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Sections 3 and 4: the challenge says what to ask the authorization endpoint for, and the answer satisfies it."""
    await server.change_client("web", userinfo_acr="aal2")
    weak = await rp.userinfo((await rp.sign_in(person))["access_token"])
    assert (weak.status_code, weak.json()["error"]) == (401, "insufficient_user_authentication")
    challenge = weak.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="ostiary", ')
    assert CHALLENGE in challenge
    assert 'acr_values="aal2"' in challenge
    assert "max_age" not in challenge
    await person.visit(rp.url(acr_values="aal2"))
    await person.enrol()
    await person.visit(rp.url(acr_values="aal2"))
    strong = (await rp.redeem(person.answer()["code"])).json()["access_token"]
    assert (await rp.userinfo(strong)).status_code == 200


async def test_a_stronger_sign_in_than_the_client_demands_is_enough(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 3: the challenge is for a sign-in that is too weak."""
    await server.change_client("web", userinfo_acr="aal1")
    assert (await rp.userinfo((await rp.sign_in(person))["access_token"])).status_code == 200
    await person.visit(rp.url(acr_values="aal2"))
    await person.enrol()
    await person.visit(rp.url(acr_values="aal2"))
    strong = (await rp.redeem(person.answer()["code"])).json()["access_token"]
    assert (await rp.verified(strong))[1]["acr"] == "aal2"
    assert (await rp.userinfo(strong)).status_code == 200


async def test_userinfo_asks_for_a_fresher_sign_in_where_the_client_demands_one(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Sections 3 and 4."""
    await server.change_client("web", userinfo_max_age=300)
    token = (await rp.sign_in(person))["access_token"]
    server.clock.advance(300)
    assert (await rp.userinfo(token)).status_code == 200
    server.clock.advance(1)
    stale = await rp.userinfo(token)
    assert (stale.status_code, stale.json()["error"]) == (401, "insufficient_user_authentication")
    assert 'max_age="300"' in stale.headers["www-authenticate"]
    assert "acr_values" not in stale.headers["www-authenticate"]
    fresh = (await rp.sign_in(person, max_age="300"))["access_token"]
    assert (await rp.userinfo(fresh)).status_code == 200


async def test_a_refresh_does_not_make_a_sign_in_fresher(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 6.2: auth_time is that of the person's sign-in."""
    await server.change_client("web", userinfo_max_age=300)
    tokens = await rp.sign_in(person)
    server.clock.advance(301)
    renewed = (await rp.refresh(tokens["refresh_token"])).json()["access_token"]
    assert CHALLENGE in (await rp.userinfo(renewed)).headers["www-authenticate"]


async def test_both_demands_stand_in_one_challenge(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """Section 3."""
    await server.change_client("web", userinfo_max_age=0, userinfo_acr="aal2")
    token = (await rp.sign_in(person))["access_token"]
    server.clock.advance(1)
    challenge = (await rp.userinfo(token)).headers["www-authenticate"]
    assert 'acr_values="aal2"' in challenge
    assert 'max_age="0"' in challenge


async def test_a_dpop_bound_token_is_challenged_by_its_own_scheme(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 9449 section 7.1."""
    await server.change_client("web", userinfo_acr="aal2")
    prover = Prover(server)
    token = (await prover.sign_in(rp, person))["access_token"]
    challenge = (await prover.userinfo(token)).headers["www-authenticate"]
    assert challenge.startswith("DPoP ")
    assert CHALLENGE in challenge


async def test_without_a_demand_nobody_is_challenged(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    token = (await rp.sign_in(person))["access_token"]
    server.clock.advance(500)
    assert (await rp.userinfo(token)).status_code == 200


@pytest.mark.parametrize("overrides", [{"access_token_seconds": 7200}], indirect=True)
async def test_the_account_api_asks_for_a_fresher_sign_in_before_a_factor_is_added(
    server: RunningServer, person: Person
) -> None:
    """Section 3: at our other resource."""
    rp = RelyingParty(server, "account", await server.add_client("account", scope="openid account"))
    token = (await rp.sign_in(person, scope="openid account"))["access_token"]
    server.clock.advance(301)
    async with server.http(headers={"authorization": f"Bearer {token}"}) as http:
        response = await http.post("/api/auth/mfa/setup", json={})
    assert CHALLENGE in response.headers["www-authenticate"]
    assert 'max_age="300"' in response.headers["www-authenticate"]
