"""OAuth Client ID Metadata Document, draft-ietf-oauth-client-id-metadata-document-00, as MCP uses it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from clients.metadata_document import is_document_url
from clients.self_registration import DEFAULT_SCOPE
from server.storage import clients
from tests.conftest import SettingsFor
from tests.support.person import Person
from tests.support.receiver import Answer, Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import FakeClock, RunningServer

ON = pytest.mark.parametrize(
    "overrides", [{"client_id_metadata_documents": True, "fetch_private_addresses": True}], indirect=True
)
REDIRECT = "https://client.example/cb"
WRONG: list[dict[str, Any]] = [
    {"client_id": None},
    {"client_id": "https://client.example/client.json"},
    {"client_secret": "shared"},
    {"client_secret_expires_at": 0},
    {"token_endpoint_auth_method": "client_secret_basic"},
    {"token_endpoint_auth_method": "client_secret_post"},
    {"token_endpoint_auth_method": "client_secret_jwt"},
    {"token_endpoint_auth_method": "private_key_jwt"},
    {"token_endpoint_auth_method": 5},
    {"redirect_uris": None},
    {"redirect_uris": []},
    {"redirect_uris": ["http://client.example/cb"]},
    {"redirect_uris": ["javascript:alert(1)"]},
    {"grant_types": ["client_credentials"]},
    {"client_name": "x" * 600},
    {"padding": "x" * 6000},
]
NO_DOCUMENT = [
    Answer(status=404),
    Answer(status=500, body=b"{}"),
    Answer(status=302, headers={"location": "/client.json"}),
    Answer(body=b"[]"),
    Answer(body=b"not json"),
    Answer(body=b'{"client_id": "a", "client_id": "b"}'),
    Answer(body=b"x" * 100_000),
]


@pytest.fixture
async def host() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


def _publish(host: Receiver, *, path: str = "/client.json", **changes: Any) -> str:
    client_id = host.origin + path
    document = {
        "client_id": client_id,
        "client_name": "MCP Client",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token", "urn:example:unknown"],
        **changes,
    }
    present = {name: value for name, value in document.items() if value is not None}
    host.answers[path] = Answer(body=json.dumps(present).encode())
    return client_id


def _rp(server: RunningServer, client_id: str) -> RelyingParty:
    return RelyingParty(server, client_id=client_id, redirect_uri=REDIRECT)


async def _is_refused(person: Person, rp: RelyingParty) -> bool:
    await person.visit(rp.url())
    return person.left_for is None and person.response.status_code == 400


async def test_without_the_setting_nothing_is_fetched(server: RunningServer, person: Person, host: Receiver) -> None:
    async with server.http() as http:
        document = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert "client_id_metadata_document_supported" not in document
    assert await _is_refused(person, _rp(server, _publish(host)))
    assert host.requests == []


@ON
async def test_it_is_announced(server: RunningServer) -> None:
    """Section 5."""
    async with server.http() as http:
        document = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert document["client_id_metadata_document_supported"] is True


@ON
async def test_a_client_that_nobody_registered_signs_people_in(
    server: RunningServer, person: Person, host: Receiver
) -> None:
    """Sections 3 and 4, the whole code flow."""
    rp = _rp(server, _publish(host))
    tokens = await rp.sign_in(person)
    _, claims = await rp.verified(tokens["id_token"])
    assert claims["aud"] == rp.client_id
    assert (await rp.userinfo(tokens["access_token"])).status_code == 200
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200
    await person.visit("/account/applications")
    assert "MCP Client" in person.text


@ON
async def test_people_are_asked_each_time_and_told_from_where_it_comes(
    server: RunningServer, person: Person, host: Receiver
) -> None:
    """Section 6: the name is the client's word, the host is a fact."""
    rp = _rp(server, _publish(host, skip_consent=True, unverified=False))
    await rp.sign_in(person)
    await person.visit(rp.url())
    assert person.title == "Allow access"
    assert "Nobody here has verified" in person.text
    assert f"It comes from {host.origin.removeprefix('http://')}" in person.text
    assert "client.example" in person.text
    await person.visit(rp.url(prompt="none"))
    assert person.answer()["error"] == "consent_required"


@ON
async def test_a_redirect_uri_must_be_in_the_document_letter_for_letter(
    server: RunningServer, person: Person, host: Receiver
) -> None:
    """Section 6.1."""
    rp = _rp(server, _publish(host))
    for uri in (REDIRECT + "/", REDIRECT + "?a=b", "https://evil.example/cb"):
        rp.redirect_uri = uri
        assert await _is_refused(person, rp)


@ON
async def test_a_policy_in_the_document_is_none(server: RunningServer, host: Receiver) -> None:
    client_id = _publish(host, may_introspect=True, require_pkce=False, access_token_seconds=3600, unverified=False)
    client = await server.services.registry.find(client_id)
    assert client is not None
    assert client.is_unverified
    assert client.is_public
    assert not client.may_introspect
    assert client.require_pkce is None
    assert client.access_token_seconds is None
    assert client.grant_types == ("authorization_code", "refresh_token")


@ON
async def test_a_document_without_scopes_is_no_wish_for_all_of_them(
    server: RunningServer, person: Person, host: Receiver
) -> None:
    """Section 6: what this server has of its own is for clients that name it, and `account` for an operator's."""
    await server.add_scopes("mcp:tools", "account")
    rp = _rp(server, _publish(host))
    client = await server.services.registry.find(rp.client_id)
    assert client is not None
    assert client.scopes == {*DEFAULT_SCOPE.split(), "mcp:tools"}, "a resource server's are for each request to name"
    tokens = await rp.sign_in(person, scope=None)
    assert tokens["scope"] == "profile email"
    async with server.http(headers={"authorization": f"Bearer {tokens['access_token']}"}) as http:
        assert (await http.get("/api/auth/sessions")).status_code == 403
    for scope in ("openid account", "openid roles", "openid org", "openid permissions"):
        await person.visit(rp.url(scope=scope))
        assert person.answer()["error"] == "invalid_scope", scope


@ON
async def test_a_document_may_name_scopes_but_not_the_account(server: RunningServer, host: Receiver) -> None:
    await server.add_scopes("account")
    client = await server.services.registry.find(_publish(host, scope="openid roles org account no:such"))
    assert client is not None
    assert client.scope_order == ("openid", "roles", "org")


async def test_switching_documents_off_stops_clients_that_people_have_used(
    settings_for: SettingsFor, clock: FakeClock, host: Receiver
) -> None:
    """What was kept of a document is no registration; what an operator vouches for since is one."""
    settings = settings_for(client_id_metadata_documents=True, fetch_private_addresses=True)
    async with RunningServer(settings, clock) as server, Person(server) as person:
        await server.add_person()
        rp = _rp(server, _publish(host))
        tokens = await rp.sign_in(person)
    off = settings.model_copy(update={"client_id_metadata_documents": False})
    host.answers.clear()
    async with RunningServer(off, clock) as server, Person(server) as person:
        rp = _rp(server, rp.client_id)
        assert await _is_refused(person, rp)
        assert (await rp.refresh(tokens["refresh_token"])).status_code == 401
        await server.change_client(rp.client_id, unverified=False)
        assert "access_token" in await rp.sign_in(person)


@ON
async def test_a_wrong_document_is_no_client(server: RunningServer, person: Person, host: Receiver) -> None:
    """Sections 4.1 and 6."""
    for change in WRONG:
        assert await _is_refused(person, _rp(server, _publish(host, **change))), change
    assert not await _is_refused(person, _rp(server, _publish(host)))


@ON
async def test_what_is_no_document_is_no_client(server: RunningServer, person: Person, host: Receiver) -> None:
    """Section 4: 200 and JSON, no redirects."""
    _publish(host)
    for answer in NO_DOCUMENT:
        host.answers["/wrong.json"] = answer
        assert await _is_refused(person, _rp(server, host.origin + "/wrong.json")), answer
        assert "No valid description of the application" in person.text, "all the same: strangers choose what we fetch"


@ON
async def test_a_page_is_no_document(server: RunningServer, person: Person, host: Receiver) -> None:
    """Section 4, C076: a document is application/json or a kind of it."""
    client_id = _publish(host)
    good = host.answers["/client.json"]
    for content_type in ("text/html", "text/plain", "image/svg+xml"):
        host.answers["/client.json"] = replace(good, content_type=content_type)
        assert await _is_refused(person, _rp(server, client_id)), content_type
    host.answers["/client.json"] = replace(good, content_type="application/cimd+json; charset=utf-8")
    assert not await _is_refused(person, _rp(server, client_id))


@ON
async def test_a_document_is_kept_as_long_as_it_says(server: RunningServer, host: Receiver) -> None:
    """Section 4.3: cache headers are respected, within bounds."""
    client_id = _publish(host)
    host.answers["/client.json"].headers["cache-control"] = "max-age=600"
    find = server.services.registry.find
    for _ in range(3):
        assert await find(client_id) is not None
    assert len(host.requests) == 1
    server.clock.advance(599)
    await find(client_id)
    assert len(host.requests) == 1
    server.clock.advance(1)
    _publish(host, client_name="New Name")
    client = await find(client_id)
    assert client is not None
    assert client.client_name == "New Name"
    assert len(host.requests) == 2


@ON
async def test_a_failure_is_not_kept_but_a_good_document_goes_on_for_a_while(
    server: RunningServer, host: Receiver
) -> None:
    """Section 4.3: errors are not cached."""
    find = server.services.registry.find
    host.answers["/client.json"] = Answer(status=503)
    client_id = host.origin + "/client.json"
    assert await find(client_id) is None
    _publish(host)
    assert await find(client_id) is not None
    host.answers["/client.json"] = Answer(status=503)
    server.clock.advance(3600)
    assert await find(client_id) is not None
    server.clock.advance(3600)
    assert await find(client_id) is None


@ON
async def test_many_at_once_are_one_fetch(server: RunningServer, host: Receiver) -> None:
    client_id = _publish(host)
    host.answers["/client.json"].delay = 0.2
    found = await asyncio.gather(*(server.services.registry.find(client_id) for _ in range(20)))
    assert all(client is not None for client in found)
    assert len(host.requests) == 1


@ON
async def test_one_host_is_not_flooded(server: RunningServer, host: Receiver) -> None:
    """Section 6.5: strangers decide when we fetch, so it is bounded."""
    ids = [_publish(host, path=f"/{number}.json") for number in range(10)]
    for client_id in ids:
        host.answers[client_id.removeprefix(host.origin)].delay = 0.3
    found = await asyncio.gather(*(server.services.registry.find(client_id) for client_id in ids))
    assert sum(client is not None for client in found) == 2
    assert len(host.requests) == 2


@ON
async def test_an_operator_blocks_one(server: RunningServer, person: Person, host: Receiver) -> None:
    rp = _rp(server, _publish(host))
    tokens = await rp.sign_in(person)
    await server.disable_client(rp.client_id)
    server.services.registry.clear()
    assert await _is_refused(person, rp)
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 401
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401


@ON
async def test_what_nobody_allowed_leaves_no_row(server: RunningServer, person: Person, host: Receiver) -> None:
    """Section 6.5: visits of strangers do not fill the database."""
    rp = _rp(server, _publish(host))
    await person.visit(rp.url())
    assert person.title == "Sign in"
    assert await server.run(lambda db: clients.find_client(db, rp.client_id)) is None


@pytest.mark.parametrize("overrides", [{"client_id_metadata_documents": True}], indirect=True)
async def test_a_document_inside_is_not_fetched(server: RunningServer, person: Person, host: Receiver) -> None:
    """Section 6.4: no requests to what only the server can reach."""
    client_id = _publish(host)
    for inside in (client_id, client_id.replace("http:", "https:"), "https://10.0.0.1/a", "https://localhost/a"):
        assert await _is_refused(person, _rp(server, inside))
    assert host.requests == []


@pytest.mark.parametrize(
    ("client_id", "is_one"),
    [
        ("https://client.example/client.json", True),
        ("https://client.example:8443/a/b?c=d", True),
        ("https://client.example/", True),
        ("https://client.example", False),
        ("http://client.example/client.json", False),
        ("http://127.0.0.1/client.json", False),
        ("https://user@client.example/a", False),
        ("https://user:password@client.example/a", False),
        ("https://client.example/a#b", False),
        ("https://client.example/a#", False),
        ("https://client.example/a/../b", False),
        ("https://client.example/./a", False),
        ("https://client.example/%2e%2E/a", False),
        ("https://client.example:0/a", False),
        ("https://client.example:x/a", False),
        ("https:///a", False),
        ("https://[::1/a", False),
        ("https://client.example\\@evil.example/a", False),
        ("cli_abc", False),
    ],
)
def test_which_names_are_documents(client_id: str, *, is_one: bool) -> None:
    """Section 3."""
    assert is_document_url(client_id) is is_one
