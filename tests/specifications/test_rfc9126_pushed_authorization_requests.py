"""Pushed authorization requests: RFC 9126."""

import asyncio

import httpx
import pytest
from sqlalchemy import func, select

from clients.authentication.presented import ASSERTION_TYPE
from clients.self_registration import UNVERIFIED
from server.protocol.pushed_request import KIND
from server.protocol.request_pace import ADDRESS_A_SECOND, ADDRESS_AT_ONCE, CLIENT_AT_ONCE
from server.storage.schema import one_time
from tests.specifications.test_client_authentication_by_jwt import signed
from tests.support.client_assertion import claims_of
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

PREFIX = "urn:ietf:params:oauth:request_uri:"

REFUSED: tuple[tuple[dict[str, str | None], str], ...] = (
    ({"redirect_uri": "https://evil.example/cb"}, "invalid_request"),
    ({"redirect_uri": None}, "invalid_request"),
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_mode": "dance"}, "invalid_request"),
    ({"scope": "openid read:secrets"}, "invalid_scope"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"claims": "{"}, "invalid_request"),
    ({"request_uri": PREFIX + "x"}, "invalid_request"),
    ({"request_uri": "https://client.example/r"}, "invalid_request"),
    ({"client_id": "other"}, "invalid_request"),
)


async def push(rp: RelyingParty, **changes: str | None) -> httpx.Response:
    """Push the authorization request of a relying party."""
    return await rp.post("/par", **rp.parameters(**changes))


async def pushed(rp: RelyingParty, **changes: str | None) -> str:
    """Push it and return the request_uri."""
    response = await push(rp, **changes)
    assert response.status_code == 201, response.text
    return str(response.json()["request_uri"])


def reference(rp: RelyingParty, request_uri: str, **more: str) -> str:
    """Return the authorization URL that names what was pushed."""
    query = httpx.QueryParams({"client_id": rp.client_id, "request_uri": request_uri, **more})
    return f"{rp.server.issuer}/authorize?{query}"


async def consent(person: Person) -> None:
    """Lead a person through a first sign-in."""
    await person.sign_in()
    await person.postpone()
    await person.consent()


async def test_what_is_pushed_is_what_is_authorized(person: Person, rp: RelyingParty) -> None:
    """Sections 2.2 and 4."""
    response = await push(rp)
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body.keys() == {"request_uri", "expires_in"}
    assert body["expires_in"] == 60
    assert body["request_uri"].startswith(PREFIX)
    assert len(body["request_uri"]) >= len(PREFIX) + 43  # 256 bits
    await person.visit(reference(rp, body["request_uri"]))
    await consent(person)
    answer = person.answer()
    assert answer["state"] == rp.state
    tokens = (await rp.redeem(answer["code"])).json()
    _, claims = await rp.verified(tokens["id_token"])
    assert claims["nonce"] == rp.nonce
    assert tokens["scope"] == rp.scope


async def test_what_stands_beside_the_reference_counts_for_nothing(person: Person, rp: RelyingParty) -> None:
    """Section 4: nobody who sees the browser's request can change it."""
    more = {"redirect_uri": "https://evil.example/cb", "scope": "openid address", "state": "x", "prompt": "none"}
    await person.visit(reference(rp, await pushed(rp), **more))
    await consent(person)
    answer = person.answer()
    assert answer["state"] == rp.state
    assert str(person.left_for).startswith(rp.redirect_uri)
    assert (await rp.redeem(answer["code"])).json()["scope"] == rp.scope


async def test_a_page_may_be_reloaded_until_the_answer_and_not_after_it(person: Person, rp: RelyingParty) -> None:
    """Section 4: single use; FAPI 2.0 Security Profile section 5.3.2.2, note 3: use is the answer, not the page."""
    url = reference(rp, await pushed(rp))
    await person.visit(url)
    assert person.title == "Sign in"
    await person.visit(url)
    await consent(person)
    assert "code" in person.answer()
    await person.visit(url)
    assert person.left_for is None
    assert person.response.status_code == 400
    assert "invalid_request_uri" in person.text


async def test_of_two_sign_ins_with_one_push_one_is_answered(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 4."""
    url = reference(rp, await pushed(rp))
    await person.visit(url)
    await person.sign_in()
    await person.postpone()
    async with Person(server) as other:
        await other.visit(url)
        await other.sign_in()
        await asyncio.gather(person.consent(), other.consent())
        answered = [somebody for somebody in (person, other) if somebody.left_for is not None]
        refused = [somebody for somebody in (person, other) if somebody.left_for is None]
    assert len(answered) == 1
    assert refused[0].response.status_code == 400


async def test_a_refusal_uses_it_up_as_well(person: Person, rp: RelyingParty) -> None:
    """Section 4."""
    url = reference(rp, await pushed(rp))
    await person.visit(url)
    await person.sign_in()
    await person.postpone()
    await person.consent("deny")
    assert person.answer()["error"] == "access_denied"
    await person.visit(url)
    assert person.left_for is None


async def test_it_expires_before_it_is_begun_and_not_while_somebody_signs_in(person: Person, rp: RelyingParty) -> None:
    """Section 2.2."""
    url = reference(rp, await pushed(rp))
    rp.server.clock.advance(59)
    await person.visit(url)
    assert person.title == "Sign in"
    rp.server.clock.advance(300)
    await consent(person)
    assert "code" in person.answer()
    late = reference(rp, await pushed(rp))
    rp.server.clock.advance(60)
    await person.visit(late)
    assert person.response.status_code == 400
    assert "invalid_request_uri" in person.text


async def test_it_is_bound_to_the_client_that_pushed_it(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 2.2."""
    other = RelyingParty(server, "other", await server.add_client("other"))
    await person.visit(reference(other, await pushed(rp)))
    assert person.left_for is None
    assert "invalid_request_uri" in person.text
    for client_id in ({}, {"client_id": "nobody"}):
        await person.visit(f"/authorize?{httpx.QueryParams({'request_uri': await pushed(rp), **client_id})}")
        assert person.left_for is None
        assert person.response.status_code == 400


async def test_an_unknown_reference_is_refused(person: Person, rp: RelyingParty) -> None:
    """Section 4."""
    for request_uri in (PREFIX, PREFIX + "x", PREFIX + "é", (await pushed(rp)) + "x"):
        await person.visit(reference(rp, request_uri))
        assert person.left_for is None
        assert "invalid_request_uri" in person.text
    await person.visit(reference(rp, await pushed(rp)) + "&request_uri=again")
    assert person.response.status_code == 400


async def test_the_checks_are_those_of_the_authorization_endpoint_and_the_client_is_told(rp: RelyingParty) -> None:
    """Sections 2.1 and 2.3."""
    for changes, error in REFUSED:
        response = await push(rp, **changes)
        assert (response.status_code, response.json()["error"]) == (400, error), changes
        assert response.headers["content-type"] == "application/json"
        assert "evil" not in response.text


async def test_the_client_is_told_in_words_of_the_protocol_what_is_wrong_with_its_redirect_uri(
    rp: RelyingParty,
) -> None:
    """Section 2.3: nobody reads a page here, so the answer speaks to the client's developer."""
    for redirect_uri, problem in ((None, "missing"), ("https://evil.example/cb", "not registered for this client")):
        response = await push(rp, redirect_uri=redirect_uri)
        assert response.json()["error"] == "invalid_request"
        assert response.json()["error_description"].startswith(f"The redirect_uri is {problem}")


async def test_the_client_authenticates_as_at_the_token_endpoint(server: RunningServer, rp: RelyingParty) -> None:
    """Section 2."""
    wrong = RelyingParty(server, "web", "wrong")
    response = await push(wrong)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" in response.headers
    async with server.http() as http:
        assert (await http.post("/par", data=rp.parameters())).status_code == 401
        in_form = {**rp.parameters(), "client_secret": rp.client_secret}
        assert (await http.post("/par", data=in_form)).json()["error"] == "invalid_client"


async def test_an_assertion_may_be_meant_for_the_issuer_the_token_endpoint_or_this_one(server: RunningServer) -> None:
    """Section 2: all three are accepted as its audience; no other endpoint is, nor this one elsewhere."""
    secret = await server.add_client(token_endpoint_auth_method="client_secret_jwt")
    rp, url = RelyingParty(server), server.settings.url

    async def status(path: str, audience: str) -> int:
        assertion = signed(secret, claims_of(server, rp.client_id, aud=audience))
        form = {**rp.parameters(), "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        return (await rp.post(path, **form)).status_code

    for audience in (server.issuer, url("/token"), url("/par")):
        assert await status("/par", audience) == 201, audience
    assert await status("/par", url("/introspect")) == 401
    assert await status("/token", url("/par")) == 401


async def test_a_public_client_may_push(server: RunningServer, person: Person) -> None:
    """Section 2: client authentication as registered, which may be none."""
    await server.add_client("spa", token_endpoint_auth_method="none")
    spa = RelyingParty(server, "spa")
    await person.visit(reference(spa, await pushed(spa)))
    await consent(person)
    assert (await spa.redeem(person.answer()["code"])).status_code == 200


async def test_no_credentials_are_kept(server: RunningServer, person: Person) -> None:
    """Section 2.1: authentication is not part of the request."""
    secret = await server.add_client("post", token_endpoint_auth_method="client_secret_post")
    rp = RelyingParty(server, "post")
    response = await rp.post("/par", **rp.parameters(), client_secret=secret)
    assert response.status_code == 201
    stored = await server.run(lambda db: str(tuple(db.exec_driver_sql("SELECT payload, digest FROM one_time").one())))
    assert rp.nonce in stored
    assert secret not in stored
    assert response.json()["request_uri"] not in stored
    await person.visit(reference(rp, response.json()["request_uri"]))
    assert person.title == "Sign in"


async def test_the_endpoint_takes_posted_forms_of_a_bounded_size_only(server: RunningServer, rp: RelyingParty) -> None:
    """Section 2.3: 405, 413."""
    async with server.http(auth=rp.auth) as http:
        assert (await http.get("/par")).status_code == 405
        assert (await http.put("/par", data=rp.parameters())).status_code == 405
        assert (await http.post("/par", json=rp.parameters())).status_code == 400
        form = {"content-type": "application/x-www-form-urlencoded"}
        assert (await http.post("/par", content=b"x" * 70_000, headers=form)).status_code == 413
        twice = await http.post("/par", content=f"{httpx.QueryParams(rp.parameters())}&scope=openid", headers=form)
        assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")


async def test_guessing_a_secret_is_slowed_down(server: RunningServer) -> None:
    """Section 2.3: 429."""
    await server.add_client("guessed")
    guesser = RelyingParty(server, "guessed", "wrong")
    statuses = [(await push(guesser)).status_code for _ in range(40)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


async def test_a_client_that_must_push_cannot_send_its_request_through_the_browser(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 6."""
    await server.change_client("web", require_pushed_authorization_requests=True)
    await person.visit(rp.url())
    assert person.answer()["error"] == "invalid_request"
    assert person.answer()["state"] == rp.state
    await person.visit(reference(rp, await pushed(rp)))
    assert person.title == "Sign in"


@pytest.mark.parametrize("overrides", [{"require_pushed_authorization_requests": True}], indirect=True)
async def test_a_server_may_want_every_request_pushed(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """Section 5."""
    async with server.http() as http:
        metadata = (await http.get("/.well-known/openid-configuration")).json()
    assert metadata["require_pushed_authorization_requests"] is True
    await person.visit(rp.url())
    assert person.answer()["error"] == "invalid_request"
    await person.visit(reference(rp, await pushed(rp)))
    assert person.title == "Sign in"


async def test_metadata_names_the_endpoint(server: RunningServer) -> None:
    """Section 5."""
    async with server.http() as http:
        metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["pushed_authorization_request_endpoint"] == f"{server.issuer}/par"
    assert metadata["require_pushed_authorization_requests"] is False


async def test_a_push_that_is_too_large_is_not_stored(server: RunningServer, rp: RelyingParty) -> None:
    """Section 2.3: 413. Unknown parameters are ignored, and would be kept with the others."""
    many = {f"unknown{number}": "x" * 15_000 for number in range(4)}
    for changes in (many, {"unknown": "x" * 16_300}):
        response = await push(rp, **changes)
        assert (response.status_code, response.json()["error"]) == (413, "invalid_request")
    response = await push(rp, **{f"p{number}": "x" * 15_000 for number in range(5)})
    assert response.status_code == 413
    assert await stored(server) == 0
    assert (await push(rp, unknown="x" * 14_000)).status_code == 201
    assert await stored(server) == 1


async def test_one_address_cannot_fill_the_database_by_a_public_client(server: RunningServer) -> None:
    """Section 2.3: 429. Everybody knows the name of a public client; others are held to account by theirs."""
    await server.add_client("app", token_endpoint_auth_method="none")
    app = RelyingParty(server, "app")
    confidential = RelyingParty(server, client_secret=await server.add_client())
    for _ in range(ADDRESS_AT_ONCE - 1):
        assert (await push(app, request_uri="https://client.example/r")).status_code == 400
    assert [(await push(app)).status_code for _ in range(3)] == [201, 429, 429]
    refused = await push(app)
    assert (refused.json()["error"], refused.headers["retry-after"]) == ("temporarily_unavailable", "1")
    assert await stored(server) == 1
    assert (await push(confidential)).status_code == 201
    async with server.http(address="198.51.100.7") as http:
        assert (await http.post("/par", data=app.parameters())).status_code == 201
    server.clock.advance(1)
    assert [(await push(app)).status_code for _ in range(ADDRESS_A_SECOND + 1)] == [201] * ADDRESS_A_SECOND + [429]


async def test_a_client_with_a_secret_has_a_pace_of_its_own_wherever_it_is(server: RunningServer) -> None:
    """Section 2.3. One that nobody vouched for counts by its address: anybody can have as many as they like."""
    secret = await server.add_client()
    statuses = set()
    for number in range(CLIENT_AT_ONCE):
        async with server.http(address=f"198.51.100.{number % 200}") as http:
            form = {"request_uri": "https://client.example/r"}
            statuses.add((await http.post("/par", data=form, auth=("web", secret))).status_code)
    rp = RelyingParty(server, client_secret=secret)
    assert statuses == {400}
    assert (await push(rp)).status_code == 429
    await server.change_client("web", **{UNVERIFIED: True})
    assert (await push(rp)).status_code == 201


@pytest.mark.parametrize("overrides", [{"rate_limits": False, "issuer": "http://localhost:8000"}], indirect=True)
async def test_without_rate_limits_nothing_is_counted(server: RunningServer) -> None:
    await server.add_client("app", token_endpoint_auth_method="none")
    app = RelyingParty(server, "app")
    for _ in range(ADDRESS_AT_ONCE + 1):
        assert (await push(app, request_uri="https://client.example/r")).status_code == 400
    assert (await push(app)).status_code == 201


async def stored(server: RunningServer) -> int:
    """Return how many pushed requests are kept."""
    count = select(func.count()).select_from(one_time).where(one_time.c.kind == KIND)
    return int(await server.run(lambda db: db.execute(count).scalar_one()))
