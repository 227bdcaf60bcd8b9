"""OpenID Connect Front-Channel Logout 1.0."""

import html
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from clients.metadata import InvalidClientMetadata, validate
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

BACK = "https://client.example/bye"


async def _client(server: RunningServer, client_id: str = "web", **metadata: Any) -> RelyingParty:
    origin = f"https://{client_id}.example"
    metadata = {
        "redirect_uris": [origin + "/cb"],
        "post_logout_redirect_uris": [BACK],
        "frontchannel_logout_uri": origin + "/out?a=b",
        **metadata,
    }
    secret = await server.add_client(client_id, **metadata)
    return RelyingParty(server, client_id=client_id, client_secret=secret, redirect_uri=metadata["redirect_uris"][0])


def _frames(person: Person) -> list[str]:
    return [html.unescape(address) for address in re.findall(r'<iframe src="([^"]*)"', person.response.text)]


def _policy(person: Person) -> dict[str, str]:
    parts = person.response.headers["content-security-policy"].split("; ")
    return {name: sources for name, _, sources in (part.partition(" ") for part in parts)}


async def _sign_out(person: Person, tokens: dict[str, Any], **parameters: str) -> None:
    await person.visit("/end-session?" + urlencode({"id_token_hint": tokens["id_token"], **parameters}))


async def test_it_is_announced(server: RunningServer) -> None:
    """Section 3."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert document["frontchannel_logout_supported"] is True
    assert document["frontchannel_logout_session_supported"] is True


async def test_signing_out_tells_every_client_of_the_session_in_a_frame(server: RunningServer, person: Person) -> None:
    """Section 3: the URI's own query is kept, `iss` and `sid` are added."""
    first, second = await _client(server), await _client(server, "second")
    await _client(server, "unused")
    tokens = await first.sign_in(person)
    await second.sign_in(person)
    await _sign_out(person, tokens)
    assert person.title == "Signed out"
    addresses = [urlsplit(address) for address in _frames(person)]
    assert [(one.scheme, one.netloc, one.path) for one in addresses] == [
        ("https", "second.example", "/out"),
        ("https", "web.example", "/out"),
    ]
    sid = (await first.verified(tokens["id_token"]))[1]["sid"]
    for address in addresses:
        assert parse_qs(address.query) == {"a": ["b"], "iss": [server.issuer], "sid": [sid]}


async def test_the_policy_of_the_page_allows_these_frames_and_no_other(server: RunningServer, person: Person) -> None:
    first, second = await _client(server), await _client(server, "second")
    tokens = await first.sign_in(person)
    await second.sign_in(person)
    await _sign_out(person, tokens)
    policy = _policy(person)
    assert policy["frame-src"] == "https://second.example https://web.example"
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert 'sandbox="allow-scripts allow-same-origin"' in person.response.text


async def test_a_page_without_clients_allows_no_frame(person: Person, rp: RelyingParty) -> None:
    await _sign_out(person, await rp.sign_in(person))
    assert person.title == "Signed out"
    assert _frames(person) == []
    assert "frame-src" not in _policy(person)


async def test_the_way_back_waits_for_the_frames(server: RunningServer, person: Person) -> None:
    """Section 3 with RP-Initiated Logout section 3: the clients are told before the browser leaves."""
    rp = await _client(server, client_name="Web Shop")
    tokens = await rp.sign_in(person)
    await _sign_out(person, tokens, post_logout_redirect_uri=BACK, state="a b")
    assert person.left_for is None
    assert len(_frames(person)) == 1
    assert f'id="continue" href="{BACK}?state=a%20b"' in person.response.text
    assert "Back to Web Shop" in person.text
    assert "front_channel_logout.js" in person.response.text


async def test_a_confirmed_sign_out_tells_them_too(server: RunningServer, person: Person) -> None:
    await (await _client(server)).sign_in(person)
    await person.visit("/end-session")
    assert _frames(person) == []
    await person.submit(("decision", "sign-out"))
    assert len(_frames(person)) == 1


async def test_other_sessions_of_the_person_are_left_alone(server: RunningServer, person: Person) -> None:
    rp, other = await _client(server), await _client(server, "other")
    tokens = await rp.sign_in(person)
    async with Person(server) as elsewhere:
        await other.sign_in(elsewhere)
        await _sign_out(person, tokens)
        assert [urlsplit(address).netloc for address in _frames(person)] == ["web.example"]


async def test_a_second_sign_out_tells_nobody_again(server: RunningServer, person: Person) -> None:
    rp = await _client(server)
    tokens = await rp.sign_in(person)
    await _sign_out(person, tokens)
    await _sign_out(person, tokens)
    assert person.title == "Signed out"
    assert _frames(person) == []


async def test_a_disabled_client_is_not_framed(server: RunningServer, person: Person) -> None:
    rp = await _client(server)
    tokens = await rp.sign_in(person)
    await server.disable_client(rp.client_id)
    await _sign_out(person, tokens)
    assert _frames(person) == []


@pytest.mark.parametrize(
    "uri",
    [
        "https://other.example/out",
        "https://client.example:8443/out",
        "http://client.example/out",
        "https://sub.client.example/out",
        "https://client.example/out#x",
        "https://client.example;script-src/out",
        "/out",
        7,
    ],
)
def test_only_an_address_at_a_redirect_uri_can_be_registered(uri: object) -> None:
    """Section 2: scheme, host and port must be those of a registered redirect URI."""
    metadata = {"redirect_uris": ["https://client.example/cb"], "frontchannel_logout_uri": uri}
    with pytest.raises(InvalidClientMetadata):
        validate(metadata)


@pytest.mark.parametrize("uri", ["https://client.example/out", "https://client.example:443/out?x=y"])
def test_an_address_at_a_redirect_uri_can_be_registered(uri: str) -> None:
    """Section 2."""
    metadata = {"redirect_uris": ["https://client.example/cb"], "frontchannel_logout_uri": uri}
    assert validate(metadata)["frontchannel_logout_uri"] == uri
