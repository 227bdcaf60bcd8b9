"""RFC 7662 and RFC 7009."""

from server.accounts import lifecycle, user
from server.events.context import CLI
from server.storage import clients, users
from server.storage.resources import Resource
from tests.support.account import alice_of
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def _introspect(rp: RelyingParty, token: str, **form: str) -> dict[str, object]:
    response = await rp.post("/introspect", token=token, **form)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, object] = response.json()
    return body


async def test_introspection_tells_what_a_live_token_says(person: Person, rp: RelyingParty) -> None:
    """RFC 7662 section 2.2."""
    tokens = await rp.sign_in(person)
    body = await _introspect(rp, tokens["access_token"])
    assert body["active"] is True
    assert body["client_id"] == rp.client_id
    assert body["scope"] == rp.scope
    assert body["username"] == "alice@example.com"
    assert body["token_type"] == "Bearer"
    refresh = await _introspect(rp, tokens["refresh_token"], token_type_hint="refresh_token")
    assert refresh["active"] is True
    assert refresh["sub"] == body["sub"]


async def test_introspection_names_the_person_only_to_scopes_that_do(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 7662 section 5: no more than the scopes tell at UserInfo."""
    tokens = await rp.sign_in(person, scope="openid")
    assert "username" not in await _introspect(rp, tokens["access_token"])
    tokens = await rp.sign_in(person, scope="openid profile")
    assert "username" not in await _introspect(rp, tokens["access_token"]), "there is none but the address"
    alice = await alice_of(server)
    await server.run(lambda db: users.update_fields(db, alice.id, {"username": "alice"}, now=server.clock.now()))
    assert (await _introspect(rp, tokens["access_token"]))["username"] == "alice"


async def test_introspection_says_only_inactive_of_anything_else(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person)
    for token in ("nonsense", "a.b.c", tokens["id_token"], tokens["access_token"] + "x", "ort_unknown"):
        assert await _introspect(rp, token) == {"active": False}
    server.clock.advance(601)
    assert await _introspect(rp, tokens["access_token"]) == {"active": False}


async def test_a_client_sees_only_its_own_tokens_and_a_resource_server_all_access_tokens(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 7662 section 4."""
    tokens = await rp.sign_in(person)
    secret = await server.add_client("other")
    other = RelyingParty(server, "other", secret)
    assert await _introspect(other, tokens["access_token"]) == {"active": False}
    assert await _introspect(other, tokens["refresh_token"]) == {"active": False}
    secret = await server.add_service("api", may_introspect=True)
    api = RelyingParty(server, "api", secret)
    assert (await _introspect(api, tokens["access_token"]))["active"] is True
    assert await _introspect(api, tokens["refresh_token"]) == {"active": False}


async def test_introspection_is_for_authenticated_clients(server: RunningServer, rp: RelyingParty) -> None:
    """RFC 7662 section 2.1."""
    await server.add_client("spa", token_endpoint_auth_method="none")
    response = await RelyingParty(server, "spa").post("/introspect", token="x")
    assert response.json()["error"] == "unauthorized_client"
    assert (await rp.post("/introspect")).json()["error"] == "invalid_request"
    async with server.http() as http:
        assert (await http.post("/introspect", data={"token": "x"})).status_code == 401


async def test_revoking_a_refresh_token_ends_its_family_and_its_access_tokens(person: Person, rp: RelyingParty) -> None:
    """RFC 7009 section 2.1."""
    tokens = await rp.sign_in(person)
    response = await rp.post("/revoke", token=tokens["refresh_token"], token_type_hint="nonsense")
    assert response.status_code == 200
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    assert await _introspect(rp, tokens["access_token"]) == {"active": False}


async def test_revoking_an_access_token_leaves_the_family_alone(person: Person, rp: RelyingParty) -> None:
    tokens = await rp.sign_in(person)
    assert (await rp.post("/revoke", token=tokens["access_token"])).status_code == 200
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200


async def test_revoking_somebody_elses_or_an_unknown_token_changes_nothing(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 7009 section 2.2."""
    tokens = await rp.sign_in(person)
    secret = await server.add_client("other")
    other = RelyingParty(server, "other", secret)
    for token in (tokens["refresh_token"], tokens["access_token"], "unknown", "a.b.c"):
        assert (await other.post("/revoke", token=token)).status_code == 200
    assert (await rp.userinfo(tokens["access_token"])).status_code == 200
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_service_token_can_be_introspected_and_revoked(server: RunningServer) -> None:
    secret = await server.add_service()
    service = RelyingParty(server, "service", secret)
    token = (await service.post("/token", grant_type="client_credentials")).json()["access_token"]
    assert (await _introspect(service, token))["active"] is True
    await service.post("/revoke", token=token)
    assert await _introspect(service, token) == {"active": False}


async def test_a_disabled_person_or_client_has_no_live_tokens(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person)
    now = server.clock.now()
    alice = await server.run(lambda db: user.find_by_email(db, "alice@example.com"))
    assert alice is not None
    await server.run(lambda db: lifecycle.disable(db, alice, context=CLI, now=now))
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert await _introspect(rp, tokens["access_token"]) == {"active": False}
    await person.visit(rp.url())
    assert person.title == "Sign in"
    await person.sign_in()
    assert person.title == "Sign in"
    await server.run(lambda db: clients.set_disabled(db, rp.client_id, now, now=now))
    server.services.registry.clear()
    assert (await rp.post("/introspect", token="x")).status_code == 401


async def test_who_serves_a_resource_may_introspect_the_tokens_for_it_and_no_others(server: RunningServer) -> None:
    """RFC 7662 section 4 with RFC 8707: the resource's registration names the client that runs it."""
    orders, stock = Resource("https://orders.example/", served_by=("orders",)), Resource("https://stock.example/")
    await server.add_resources(orders, stock)
    secret = await server.add_service("robot", resources=[orders.uri, stock.uri])
    robot = RelyingParty(server, "robot", secret)
    api = RelyingParty(server, "orders", await server.add_service("orders"))
    bystander = RelyingParty(server, "other", await server.add_service("other"))
    for resource, is_active in ((orders, True), (stock, False)):
        answer = await robot.post("/token", grant_type="client_credentials", resource=resource.uri)
        token = answer.json()["access_token"]
        assert (await _introspect(api, token))["active"] is is_active
        assert await _introspect(bystander, token) == {"active": False}
