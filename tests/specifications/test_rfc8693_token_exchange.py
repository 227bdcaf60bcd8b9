"""RFC 8693 Token Exchange: of our own access tokens, for another resource or on behalf of somebody."""

from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from server.storage import audit, clients
from server.storage.resources import Resource
from server.tokens.access_token import TYPE
from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ORDERS, STOCK = "https://orders.example/", "https://stock.example/"


@pytest.fixture(autouse=True)
async def apis(server: RunningServer) -> None:
    """The order service may ask the stock service on behalf of its callers."""
    await server.add_resources(
        Resource(ORDERS, scopes=("orders:read", "stock:read"), served_by=("orders",)),
        Resource(STOCK, scopes=("stock:read",), allow_exchange_from=("orders",)),
    )


@pytest.fixture
async def rp(server: RunningServer) -> RelyingParty:
    scope = "openid profile offline_access orders:read stock:read"
    secret = await server.add_client(client_name="Web Shop", scope=scope)
    return RelyingParty(server, client_secret=secret, scope=scope)


@pytest.fixture
async def orders(server: RunningServer) -> RelyingParty:
    grants = [GRANT, "client_credentials"]
    secret = await server.add_service("orders", grant_types=grants, scope="stock:read orders:read roles")
    return RelyingParty(server, "orders", secret)


async def _exchange(by: RelyingParty, subject: str, **form: str | None) -> httpx.Response:
    values = {"subject_token": subject, "subject_token_type": ACCESS_TOKEN, "resource": STOCK, **form}
    return await by.post("/token", grant_type=GRANT, **values)


async def _claims(rp: RelyingParty, response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    header, claims = await rp.verified(response.json()["access_token"])
    assert header["typ"] == TYPE
    return claims


async def _own_token(service: RelyingParty) -> str:
    response = await service.post("/token", grant_type="client_credentials")
    return str(response.json()["access_token"])


async def _problem(by: RelyingParty, subject: str, **form: str | None) -> str:
    response = await _exchange(by, subject, **form)
    assert response.status_code == 400, response.text
    return str(response.json()["error"])


async def test_an_api_gets_a_token_for_the_api_behind_it(
    person: Person, rp: RelyingParty, orders: RelyingParty
) -> None:
    """Sections 2.1 and 2.2: impersonation. The new token is about the same person and says who uses it."""
    tokens = await rp.sign_in(person, resource=ORDERS)
    _, before = await rp.verified(tokens["access_token"])
    response = await _exchange(orders, tokens["access_token"])
    claims = await _claims(rp, response)
    body = response.json()
    assert body["issued_token_type"] == ACCESS_TOKEN
    assert body["token_type"] == "Bearer"
    assert "refresh_token" not in body
    assert "id_token" not in body
    assert body["scope"] == claims["scope"] == "stock:read"
    assert (claims["aud"], claims["client_id"], claims["sub"]) == (STOCK, "orders", before["sub"])
    for name in ("gid", "auth_time", "acr", "amr"):
        assert claims[name] == before[name]
    assert claims["jti"] != before["jti"]
    assert "act" not in claims
    rows = await rp.server.run(lambda db: audit.list_rows(db, event="token.exchanged"))
    assert rows[0]["details"]["subject_client_id"] == "web"


async def test_delegation_names_the_actor(person: Person, rp: RelyingParty, orders: RelyingParty) -> None:
    """Sections 1.1 and 4.1: `act`; introspection tells of it."""
    tokens = await rp.sign_in(person, resource=ORDERS)
    actor = await _own_token(orders)
    response = await _exchange(orders, tokens["access_token"], actor_token=actor, actor_token_type=ACCESS_TOKEN)
    assert (await _claims(rp, response))["act"] == {"sub": "orders", "client_id": "orders"}
    told = (await orders.post("/introspect", token=response.json()["access_token"])).json()
    assert told["act"] == {"sub": "orders", "client_id": "orders"}


async def test_actors_before_stand_inside_the_newest(person: Person, rp: RelyingParty, orders: RelyingParty) -> None:
    """Section 4.1: the outermost actor is the current one. A chain cannot grow without end, nor be lost."""
    tokens = await rp.sign_in(person, resource=ORDERS)
    actor = {"actor_token": await _own_token(orders), "actor_token_type": ACCESS_TOKEN}
    token = tokens["access_token"]
    chain: dict[str, Any] | None = None
    for _ in range(5):
        response = await _exchange(orders, token, **actor)
        token = response.json()["access_token"]
        chain = {"sub": "orders", "client_id": "orders"} | ({} if chain is None else {"act": chain})
        assert (await _claims(rp, response))["act"] == chain
    assert await _problem(orders, token, **actor) == "invalid_request"
    assert (await _claims(rp, await _exchange(orders, token)))["act"] == chain, "no actor token forgets nobody"


@pytest.mark.parametrize("parameter", ["resource", "audience"])
async def test_a_target_is_allowed_by_its_own_policy_only(
    server: RunningServer, person: Person, rp: RelyingParty, orders: RelyingParty, parameter: str
) -> None:
    """Section 2.2.2: invalid_target."""
    token = (await rp.sign_in(person, resource=ORDERS))["access_token"]
    named = {"resource": None, parameter: STOCK}
    assert (await _claims(rp, await _exchange(orders, token, **named)))["aud"] == STOCK
    for target in (ORDERS, server.issuer, "https://unknown.example/", "nonsense"):
        assert await _problem(orders, token, **{**named, parameter: target}) == "invalid_target"
    assert await _problem(orders, token, resource=None) == "invalid_target"


async def test_several_audiences_are_several_targets(
    server: RunningServer, person: Person, rp: RelyingParty, orders: RelyingParty
) -> None:
    """Section 2.1: `audience` may be repeated, and stand beside `resource`. Each needs its policy; no grant else."""
    parcels = "https://parcels.example/"
    await server.add_resources(Resource(parcels, allow_exchange_from=("orders",)))
    token = (await rp.sign_in(person, resource=ORDERS))["access_token"]

    async def send(grant_type: str, *targets: tuple[str, str]) -> httpx.Response:
        subject = [("subject_token", token), ("subject_token_type", ACCESS_TOKEN)]
        body = urlencode([("grant_type", grant_type), *subject, *targets])
        headers = {"content-type": "application/x-www-form-urlencoded"}
        async with server.http() as http:
            return await http.post("/token", content=body, headers=headers, auth=orders.auth or ("", ""))

    both = ("audience", STOCK), ("audience", parcels)
    for targets in (both, (*both, ("audience", "")), (("resource", STOCK), *both)):
        assert (await _claims(orders, await send(GRANT, *targets)))["aud"] == [STOCK, parcels]
    refused = await send(GRANT, *both, ("audience", "https://unknown.example/"))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")
    for grant_type in ("client_credentials", ""):
        elsewhere = await send(grant_type, *both)
        assert elsewhere.json()["error_description"] == "A parameter is repeated"


async def test_a_client_narrows_its_own_token(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """Section 1: a token with less scope, for what it was good for anyway."""
    await server.change_client("web", grant_types=["authorization_code", "refresh_token", GRANT])
    tokens = await rp.sign_in(person)
    response = await _exchange(rp, tokens["access_token"], resource=None, scope="openid profile")
    claims = await _claims(rp, response)
    assert (claims["aud"], claims["scope"]) == (server.issuer, "openid profile")
    assert (await rp.userinfo(response.json()["access_token"])).json()["name"] == "Alice Ample"
    response = await _exchange(rp, tokens["access_token"], resource=None)
    assert "offline_access" not in response.json()["scope"]
    assert await _problem(rp, tokens["access_token"], resource=STOCK) == "invalid_target"


async def test_scope_goes_beyond_neither_the_token_nor_the_client(
    person: Person, rp: RelyingParty, orders: RelyingParty
) -> None:
    """Section 2.1 with RFC 6749 section 3.3: invalid_scope."""
    token = (await rp.sign_in(person, resource=ORDERS, scope="openid orders:read"))["access_token"]
    assert await _problem(orders, token, scope="stock:read") == "invalid_scope", "the token has it not"
    assert await _problem(orders, token, scope="openid") == "invalid_scope", "the client has it not"
    assert await _problem(orders, token, scope="roles") == "invalid_scope"
    assert "scope" not in await _claims(rp, await _exchange(orders, token)), "what is left means nothing there"
    token = (await rp.sign_in(person, resource=ORDERS, scope="openid orders:read"))["access_token"]
    assert await _problem(orders, token, scope="orders:read") == "invalid_scope", "a lost scope is no success"


async def test_a_token_of_somebody_else_is_worth_nothing(
    server: RunningServer, person: Person, rp: RelyingParty, orders: RelyingParty
) -> None:
    """Section 5: a found token must not be traded for another one."""
    token = (await rp.sign_in(person, resource=STOCK))["access_token"]
    assert await _problem(orders, token) == "invalid_request"
    other = RelyingParty(server, "other", await server.add_service("other", grant_types=[GRANT, "client_credentials"]))
    for_orders = (await rp.sign_in(person, resource=ORDERS))["access_token"]
    assert await _problem(other, for_orders) == "invalid_request"
    actor = {"actor_token": await _own_token(other), "actor_token_type": ACCESS_TOKEN}
    assert await _problem(orders, for_orders, **actor) == "invalid_request", "the actor is another client"


async def test_revoked_and_expired_tokens_are_refused(
    server: RunningServer, person: Person, rp: RelyingParty, orders: RelyingParty
) -> None:
    """Section 2.1: the server validates the subject and actor tokens; 2.2.2: invalid_request."""
    tokens = await rp.sign_in(person, resource=ORDERS)
    actor = await _own_token(orders)
    await orders.post("/revoke", token=actor)
    by_actor = {"actor_token": actor, "actor_token_type": ACCESS_TOKEN}
    assert await _problem(orders, tokens["access_token"], **by_actor) == "invalid_request"
    await rp.post("/revoke", token=tokens["refresh_token"])
    assert await _problem(orders, tokens["access_token"]) == "invalid_request"
    own = await rp.sign_in(person, resource=ORDERS)
    server.clock.advance(600)
    assert await _problem(orders, own["access_token"]) == "invalid_request"
    fresh = await rp.sign_in(person, resource=ORDERS)
    await server.disable_client("web")
    assert await _problem(orders, fresh["access_token"]) == "invalid_request"


async def test_revoking_the_authorization_ends_what_came_of_it(
    person: Person, rp: RelyingParty, orders: RelyingParty
) -> None:
    """RFC 7009 section 2.1: what hangs on the grant goes with it."""
    tokens = await rp.sign_in(person, resource=ORDERS)
    exchanged = (await _exchange(orders, tokens["access_token"])).json()["access_token"]
    assert (await orders.post("/introspect", token=exchanged)).json()["active"]
    await rp.post("/revoke", token=tokens["refresh_token"])
    assert (await orders.post("/introspect", token=exchanged)).json() == {"active": False}


@pytest.mark.parametrize("fate", ["disabled", "deleted"])
async def test_the_end_of_a_client_ends_the_tokens_that_it_exchanged(
    server: RunningServer, person: Person, rp: RelyingParty, orders: RelyingParty, fate: str
) -> None:
    """They hang on an authorization of another client, which lives on."""
    tokens = await rp.sign_in(person, resource=ORDERS)
    exchanged = (await _exchange(orders, tokens["access_token"])).json()["access_token"]
    stock = RelyingParty(server, "stock", await server.add_service("stock", may_introspect=True))
    assert (await stock.post("/introspect", token=exchanged)).json()["active"]
    now = server.clock.now()
    if fate == "disabled":
        await server.run(lambda db: clients.set_disabled(db, "orders", now, now=now))
    else:
        await server.run(lambda db: clients.remove_client(db, "orders"))
    server.services.registry.clear()
    assert (await stock.post("/introspect", token=exchanged)).json() == {"active": False}
    assert (await stock.post("/introspect", token=tokens["access_token"])).json()["active"]


async def test_the_new_token_ends_with_the_old_one(
    server: RunningServer, person: Person, rp: RelyingParty, orders: RelyingParty
) -> None:
    """Section 2.2.1: expires_in; never longer than what was exchanged, subject or actor."""
    actor = await _own_token(orders)
    server.clock.advance(60)
    tokens = await rp.sign_in(person, resource=ORDERS)
    server.clock.advance(200)
    response = await _exchange(orders, tokens["access_token"])
    assert response.json()["expires_in"] == 400
    response = await _exchange(orders, tokens["access_token"], actor_token=actor, actor_token_type=ACCESS_TOKEN)
    assert response.json()["expires_in"] == 340


MALFORMED: tuple[dict[str, str | None], ...] = (
    {"subject_token": None},
    {"subject_token_type": None},
    {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
    {"subject_token": "nonsense"},
    {"subject_token": "a.b.c"},
    {"actor_token_type": ACCESS_TOKEN},
    {"actor_token": "a.b.c"},
    {"actor_token": "a.b.c", "actor_token_type": ACCESS_TOKEN},
    {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
    {"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"},
    {"authorization_details": "[]"},
)


async def test_malformed_requests_are_refused(person: Person, rp: RelyingParty, orders: RelyingParty) -> None:
    """Sections 2.1 and 2.2.2."""
    token = (await rp.sign_in(person, resource=ORDERS))["access_token"]
    for form in MALFORMED:
        response = await _exchange(orders, token, **form)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request"), form


async def test_an_id_token_is_no_access_token(person: Person, rp: RelyingParty, orders: RelyingParty) -> None:
    """RFC 8725 section 3.11."""
    assert await _problem(orders, (await rp.sign_in(person, resource=ORDERS))["id_token"]) == "invalid_request"


async def test_may_act_is_honoured(
    server: RunningServer, person: Person, rp: RelyingParty, orders: RelyingParty
) -> None:
    """Section 4.4: the token says who may act for its subject."""
    _, claims = await rp.verified((await rp.sign_in(person, resource=ORDERS))["access_token"])
    signer = server.services.keys.signer()
    allowed = signer.sign({**claims, "may_act": {"sub": "orders"}}, typ=TYPE)
    refused = signer.sign({**claims, "may_act": {"sub": "another"}}, typ=TYPE)
    assert (await _exchange(orders, allowed)).status_code == 200
    assert await _problem(orders, refused) == "invalid_request"


async def test_a_bound_token_does_not_become_a_bearer_token(
    server: RunningServer, person: Person, rp: RelyingParty, orders: RelyingParty
) -> None:
    """RFC 9449 section 6: what comes out is bound to the key of whoever exchanges; the binding is not lost."""
    holder, service = Prover(server), Prover(server)
    _, claims = await rp.verified((await rp.sign_in(person, resource=ORDERS))["access_token"])
    bound = server.services.keys.signer().sign({**claims, "cnf": {"jkt": holder.jkt}}, typ=TYPE)
    assert await _problem(orders, bound) == "invalid_request"
    form = {"grant_type": GRANT, "subject_token": bound, "subject_token_type": ACCESS_TOKEN, "resource": STOCK}
    response = await service.post(orders, **form)
    assert response.json()["token_type"] == "DPoP"
    assert (await _claims(rp, response))["cnf"] == {"jkt": service.jkt}


async def test_the_holder_of_a_bound_token_must_prove_its_key(server: RunningServer, orders: RelyingParty) -> None:
    """RFC 9449 section 7: a found token is worth nothing without the key."""
    holder, thief = Prover(server), Prover(server)
    own = (await holder.post(orders, grant_type="client_credentials")).json()["access_token"]
    form = {"grant_type": GRANT, "subject_token": own, "subject_token_type": ACCESS_TOKEN, "resource": STOCK}
    response = await thief.post(orders, **form)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    response = await holder.post(orders, **form)
    assert (await _claims(orders, response))["cnf"] == {"jkt": holder.jkt}
    actor = {"actor_token": own, "actor_token_type": ACCESS_TOKEN}
    subject = await _own_token(orders)
    response = await thief.post(orders, **{**form, "subject_token": subject, **actor})
    assert response.json()["error"] == "invalid_request"


async def test_a_service_exchanges_its_own_token(orders: RelyingParty) -> None:
    """Section 2.1: the subject may be a client."""
    response = await _exchange(orders, await _own_token(orders))
    claims = await _claims(orders, response)
    assert (claims["sub"], claims["aud"], claims["scope"]) == ("orders", STOCK, "stock:read")
    assert "gid" not in claims
    assert "auth_time" not in claims


async def test_only_registered_confidential_clients_exchange(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 5: client authentication stands against whoever found a token."""
    token = (await rp.sign_in(person))["access_token"]
    assert await _problem(rp, token) == "unauthorized_client"
    with pytest.raises(Exception, match="a public client cannot use"):
        await server.add_client("public", grant_types=[GRANT], response_types=[], token_endpoint_auth_method="none")


async def test_discovery_announces_the_grant(server: RunningServer) -> None:
    """RFC 8414 section 2."""
    async with server.http() as http:
        assert GRANT in (await http.get("/.well-known/oauth-authorization-server")).json()["grant_types_supported"]
