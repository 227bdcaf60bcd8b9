"""RFC 8707 Resource Indicators: which API a token is for."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from server.events.names import Event
from server.storage import audit, resources
from server.storage.resources import Resource
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

ORDERS, STOCK = "https://orders.example/api", "https://stock.example/"


@pytest.fixture(autouse=True)
async def apis(server: RunningServer) -> None:
    """Two registered resources; one scope means something at one of them only, `things:all` at both."""
    await server.add_resources(
        Resource(ORDERS, "Order service", ("orders:read", "things:all")),
        Resource(STOCK, "", ("stock:read", "things:all")),
    )


@pytest.fixture
async def rp(server: RunningServer) -> RelyingParty:
    scope = "openid profile orders:read stock:read things:all offline_access"
    secret = await server.add_client(client_name="Web Shop", scope=scope)
    return RelyingParty(server, client_secret=secret, scope="openid profile")


def _url(rp: RelyingParty, *wanted: str, **changes: str | None) -> str:
    query = urlencode([*rp.parameters(**changes).items(), *(("resource", uri) for uri in wanted)])
    return f"{rp.server.issuer}/authorize?{query}"


async def _code(person: Person, rp: RelyingParty, *wanted: str, **changes: str | None) -> str:
    await person.visit(_url(rp, *wanted, **changes))
    if person.title == "Sign in":
        await person.sign_in()
    if person.title == "Protect your account":
        await person.postpone()
    if person.title == "Allow access":
        await person.consent()
    return person.answer()["code"]


async def _token(rp: RelyingParty, *wanted: str, **form: str) -> httpx.Response:
    body = urlencode([*form.items(), *(("resource", uri) for uri in wanted)])
    headers = {"content-type": "application/x-www-form-urlencoded"}
    async with rp.server.http() as http:
        return await http.post("/token", content=body, headers=headers, auth=rp.auth or httpx.USE_CLIENT_DEFAULT)


async def _redeem(rp: RelyingParty, code: str, *wanted: str, **changes: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": rp.redirect_uri}
    return await _token(rp, *wanted, **{**form, "code_verifier": rp.verifier, **changes})


async def _claims(rp: RelyingParty, response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return (await rp.verified(response.json()["access_token"]))[1]


async def test_a_token_is_for_the_resource_of_the_authorization_request(person: Person, rp: RelyingParty) -> None:
    """Section 2.1 and 2.2; RFC 9068 section 3: `aud` is the resource."""
    response = await _redeem(rp, await _code(person, rp, ORDERS))
    assert (await _claims(rp, response))["aud"] == ORDERS


async def test_without_a_resource_a_token_is_for_the_issuer(person: Person, rp: RelyingParty) -> None:
    """RFC 9068 section 3: a default resource indicator."""
    response = await _redeem(rp, await _code(person, rp))
    assert (await _claims(rp, response))["aud"] == rp.server.issuer


async def test_several_resources_are_one_list_and_each_is_named_once(person: Person, rp: RelyingParty) -> None:
    """Section 2: more than one parameter."""
    response = await _redeem(rp, await _code(person, rp, ORDERS, STOCK, ORDERS))
    assert (await _claims(rp, response))["aud"] == [ORDERS, STOCK]


async def test_a_token_request_narrows_the_audience_and_a_refresh_has_all_again(
    person: Person, rp: RelyingParty
) -> None:
    """Section 2.2, figures 3 to 6."""
    response = await _redeem(rp, await _code(person, rp, ORDERS, STOCK), STOCK)
    assert (await _claims(rp, response))["aud"] == STOCK
    refresh = {"grant_type": "refresh_token", "refresh_token": response.json()["refresh_token"]}
    response = await _token(rp, ORDERS, **refresh)
    assert (await _claims(rp, response))["aud"] == ORDERS
    refresh["refresh_token"] = response.json()["refresh_token"]
    assert (await _claims(rp, await _token(rp, **refresh)))["aud"] == [ORDERS, STOCK]


@pytest.mark.parametrize("granted", [(), (ORDERS,)])
async def test_a_token_request_names_nothing_that_was_not_granted(
    person: Person, rp: RelyingParty, granted: tuple[str, ...]
) -> None:
    """Section 2.2: a subset of what was granted. The code stays good."""
    code = await _code(person, rp, *granted)
    response = await _redeem(rp, code, STOCK)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_target")
    assert (await _redeem(rp, code)).status_code == 200


async def _sign_out(person: Person) -> None:
    await person.visit("/end-session")
    await person.submit(("decision", "sign-out"))


async def _refresh(rp: RelyingParty, token: str) -> httpx.Response:
    return await _token(rp, ORDERS, grant_type="refresh_token", refresh_token=token)


async def test_with_a_resource_too_a_client_learns_that_its_refresh_token_is_over(
    person: Person, rp: RelyingParty
) -> None:
    """RFC 6749 section 5.2: invalid_grant after revocation, reuse or a sign-out, so that it starts anew."""
    revoked = (await _redeem(rp, await _code(person, rp, ORDERS), ORDERS)).json()
    assert (await rp.post("/revoke", token=revoked["refresh_token"])).status_code == 200
    reused = (await _redeem(rp, await _code(person, rp, ORDERS), ORDERS)).json()
    second = (await _refresh(rp, reused["refresh_token"])).json()
    third = (await _refresh(rp, second["refresh_token"])).json()
    assert (await _refresh(rp, reused["refresh_token"])).json()["error"] == "invalid_grant"
    signed_out = (await _redeem(rp, await _code(person, rp, ORDERS), ORDERS)).json()
    await _sign_out(person)
    for tokens in (revoked, reused, second, third, signed_out):
        response = await _refresh(rp, tokens["refresh_token"])
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_with_a_resource_too_a_client_learns_that_its_code_is_over(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 6749 section 5.2: invalid_grant for a code that has expired, or whose sign-in has ended."""
    codes = [await _code(person, rp, ORDERS)]
    server.clock.advance(3600)
    codes.append(await _code(person, rp, ORDERS, prompt="login"))
    await _sign_out(person)
    for code in codes:
        response = await _redeem(rp, code, ORDERS)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_each_replay_of_a_code_with_a_resource_is_noticed(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 9700 section 4.5, RFC 6749 section 4.1.2: also with one never granted, or when what it gave is revoked."""
    code = await _code(person, rp, ORDERS)
    tokens = (await _redeem(rp, code, ORDERS)).json()
    for uri in (STOCK, ORDERS):
        response = await _redeem(rp, code, uri)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert (await _refresh(rp, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert len(await server.run(lambda db: audit.list_rows(db, event=Event.CODE_REPLAYED))) == 2


async def test_a_wrong_verifier_is_told_for_a_code_that_is_over_as_well(person: Person, rp: RelyingParty) -> None:
    """RFC 7636 section 4.6: who cannot prove the code neither uses it up nor learns more of it."""
    code = await _code(person, rp, ORDERS)
    await _sign_out(person)
    response = await _redeem(rp, code, ORDERS, code_verifier="x" * 43)
    assert response.json()["error_description"] == "The code_verifier does not match"


async def test_an_unknown_or_malformed_resource_is_an_invalid_target(person: Person, rp: RelyingParty) -> None:
    """Section 2: an absolute URI without a fragment, known to the server, letter for letter."""
    unknown = ("https://unknown.example/", f"{ORDERS}/", "HTTPS://orders.example/api")
    malformed = ("orders", "/api", f"{ORDERS}#x", f"{ORDERS}#", "https://a b/", "https://[/", "x" * 600)
    for uri in (*unknown, *malformed):
        await person.visit(_url(rp, uri))
        assert person.answer()["error"] == "invalid_target", uri
        response = await _redeem(rp, "oac_none", uri)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_target"), uri


async def test_an_empty_resource_counts_as_left_out(person: Person, rp: RelyingParty) -> None:
    """RFC 6749 section 3.1."""
    response = await _redeem(rp, await _code(person, rp, ""), "")
    assert (await _claims(rp, response))["aud"] == rp.server.issuer


async def test_more_resources_than_anybody_needs_are_refused(person: Person, rp: RelyingParty) -> None:
    await person.visit(_url(rp, *(f"https://r{number}.example/" for number in range(11))))
    assert person.answer()["error"] == "invalid_target"


async def test_a_client_registered_for_resources_gets_no_other(person: Person, rp: RelyingParty) -> None:
    """Section 2: `invalid_target` for a resource that the client may not have."""
    await rp.server.change_client("web", resources=[ORDERS])
    await person.visit(_url(rp, STOCK))
    assert person.answer()["error"] == "invalid_target"
    response = await _redeem(rp, await _code(person, rp, ORDERS))
    assert (await _claims(rp, response))["aud"] == ORDERS


async def test_a_resource_that_was_taken_away_is_not_given_at_the_next_refresh(
    person: Person, rp: RelyingParty
) -> None:
    """Section 2.2: what was granted, and still may be."""
    tokens = (await _redeem(rp, await _code(person, rp, ORDERS, STOCK))).json()
    await rp.server.change_client("web", resources=[STOCK])
    response = await _token(rp, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert (await _claims(rp, response))["aud"] == STOCK
    await rp.server.change_client("web", resources=[])
    refresh = response.json()["refresh_token"]
    response = await _token(rp, grant_type="refresh_token", refresh_token=refresh)
    assert response.json()["error"] == "invalid_target"


async def test_the_scope_of_a_token_is_what_means_something_there(person: Person, rp: RelyingParty) -> None:
    """Section 2.2: the scope is narrowed to the resource, and the response says so."""
    scope = "openid profile orders:read stock:read things:all"
    response = await _redeem(rp, await _code(person, rp, ORDERS, STOCK, scope=scope), ORDERS)
    claims = await _claims(rp, response)
    assert claims["scope"] == response.json()["scope"] == "openid profile orders:read things:all"
    refresh = response.json()["refresh_token"]
    response = await _token(rp, grant_type="refresh_token", refresh_token=refresh)
    assert (await _claims(rp, response))["scope"] == scope


async def test_scopes_that_mean_nothing_at_the_resource_are_not_silently_lost(person: Person, rp: RelyingParty) -> None:
    """Section 2.2 with RFC 6749 section 5.1: a response without `scope` would say that all was granted."""
    await person.visit(_url(rp, ORDERS, scope="stock:read"))
    assert person.answer()["error"] == "invalid_scope"
    code = await _code(person, rp, ORDERS, STOCK, scope="stock:read")
    response = await _redeem(rp, code, ORDERS)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")
    response = await _redeem(rp, code, STOCK)
    assert (await _claims(rp, response))["scope"] == "stock:read", "nothing was used up"
    code = await _code(person, rp, ORDERS, STOCK, scope="openid offline_access orders:read stock:read")
    refresh = (await _redeem(rp, code)).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh}
    response = await _token(rp, ORDERS, **form, scope="stock:read")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")
    assert (await _claims(rp, await _token(rp, STOCK, **form, scope="stock:read")))["scope"] == "stock:read"


async def test_a_service_is_told_when_its_scopes_mean_nothing_there(server: RunningServer) -> None:
    """RFC 6749 section 5.1, without a person; who asks for no scope gets what there is."""
    secret = await server.add_service("robot", scope="stock:read", resources=[ORDERS, STOCK])
    robot = RelyingParty(server, "robot", secret)
    response = await _token(robot, ORDERS, grant_type="client_credentials", scope="stock:read")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")
    response = await _token(robot, ORDERS, grant_type="client_credentials")
    assert "scope" not in await _claims(robot, response)


async def test_userinfo_takes_no_token_for_another_resource(person: Person, rp: RelyingParty) -> None:
    """RFC 9068 section 4: the audience is checked."""
    code = await _code(person, rp, ORDERS, rp.server.issuer)
    for_both = (await _redeem(rp, code)).json()
    assert (await rp.userinfo(for_both["access_token"])).status_code == 200
    refresh = {"grant_type": "refresh_token", "refresh_token": for_both["refresh_token"]}
    narrow = (await _token(rp, ORDERS, **refresh)).json()
    response = await rp.userinfo(narrow["access_token"])
    assert response.status_code == 401
    assert "invalid_token" in response.headers["www-authenticate"]
    assert "id_token" in narrow, "the ID token is for the client, whatever the audience of the access token"


async def test_the_person_is_told_which_resources_and_asked_again_for_another(person: Person, rp: RelyingParty) -> None:
    """Section 3: the person's consent is informed."""
    await person.visit(_url(rp, ORDERS))
    await person.sign_in()
    await person.postpone()
    assert "Use Order service for you" in person.text
    await person.consent()
    await person.visit(_url(rp, ORDERS))
    assert "code" in person.answer()
    await person.visit(_url(rp, ORDERS, STOCK))
    assert person.title == "Allow access"
    assert f"Use {STOCK} for you" in person.text
    await person.visit("/account/applications")
    assert "Use Order service for you" in person.text


async def test_a_service_gets_tokens_for_the_resources_whose_scopes_it_has(server: RunningServer) -> None:
    """Section 2.2 with RFC 6749 section 4.4: nobody else decides, so its registration does."""
    secret = await server.add_service("robot", scope="stock:read other:scope")
    robot = RelyingParty(server, "robot", secret)
    claims = await _claims(robot, await _token(robot, STOCK, grant_type="client_credentials"))
    assert (claims["aud"], claims["scope"]) == (STOCK, "stock:read other:scope")
    response = await _token(robot, ORDERS, grant_type="client_credentials")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_target")
    await server.change_client("robot", resources=[ORDERS])
    claims = await _claims(robot, await _token(robot, ORDERS, grant_type="client_credentials"))
    assert (claims["aud"], claims["scope"]) == (ORDERS, "other:scope")


async def test_only_resource_may_be_repeated(person: Person, rp: RelyingParty) -> None:
    """RFC 6749 section 3.1: everything else stands once."""
    for repeated in ("&scope=openid", "&audience=a&audience=b"):
        await person.visit(_url(rp, ORDERS) + repeated)
        assert person.answer()["error"] == "invalid_request", repeated


async def test_metadata_names_the_resources_and_every_node_learns_of_a_new_one(server: RunningServer) -> None:
    """RFC 9728 section 4."""
    new = Resource("https://new.example/")
    await server.run(lambda db: resources.put(db, new, now=server.clock.now()))
    async with server.http() as http, asyncio.timeout(5):
        while True:
            document = (await http.get("/.well-known/oauth-authorization-server")).json()
            if new.uri in document["protected_resources"]:
                break
            await asyncio.sleep(0.1)
    assert document["protected_resources"] == [server.issuer, *sorted([ORDERS, STOCK, new.uri])]
    await server.run(lambda db: resources.remove(db, new.uri))
    assert new.uri not in await server.run(resources.list_resources)
