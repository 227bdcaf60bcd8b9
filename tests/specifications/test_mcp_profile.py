"""The authorization of the Model Context Protocol (2025-06-18): what a client with the profile `mcp` gets."""

from typing import Any

import httpx
import pytest

from clients.metadata import InvalidClientMetadata, validate
from clients.profiles import apply
from server.storage.resources import Resource
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

TOOLS, OTHER = "https://tools.example.com/mcp", "https://other.example.com/mcp"
CALLBACK = "http://127.0.0.1/callback"
GIVEN = {"redirect_uris": [CALLBACK, "https://client.example/cb"]}


@pytest.fixture
async def agent(server: RunningServer) -> RelyingParty:
    """A client on a person's machine, and two servers with tools that it could ask for."""
    await server.add_resources(Resource(TOOLS), Resource(OTHER))
    await server.add_client("agent", **apply("mcp", GIVEN))
    return RelyingParty(server, "agent", redirect_uri="http://127.0.0.1:49152/callback", scope="openid profile")


async def error_of(person: Person, rp: RelyingParty, **changes: str | None) -> str:
    await person.visit(rp.url(**changes))
    return person.answer()["error"]


async def test_a_token_is_for_the_resource_that_was_named(person: Person, agent: RelyingParty) -> None:
    """Resource Parameter Implementation: in both requests, and the audience of the token."""
    tokens = (await agent.redeem(await agent.code_for(person, resource=TOOLS), resource=TOOLS)).json()
    _, claims = await agent.verified(tokens["access_token"])
    assert claims["aud"] == TOOLS


async def test_the_token_request_need_not_repeat_it(person: Person, agent: RelyingParty) -> None:
    """RFC 8707 section 2.2: what was authorized holds."""
    tokens = await agent.sign_in(person, resource=TOOLS)
    _, claims = await agent.verified(tokens["access_token"])
    assert claims["aud"] == TOOLS


async def test_a_request_without_a_resource_is_refused(person: Person, agent: RelyingParty) -> None:
    """Resource Parameter Implementation: MUST be included."""
    for resource in (None, ""):
        assert await error_of(person, agent, resource=resource) == "invalid_target"


async def test_a_token_for_another_resource_is_refused(person: Person, agent: RelyingParty) -> None:
    """Token Audience Binding: only what was authorized."""
    code = await agent.code_for(person, resource=TOOLS)
    response = await agent.redeem(code, resource=OTHER)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_target")
    assert await error_of(person, agent, resource="https://unknown.example.com") == "invalid_target"


async def test_a_token_for_a_resource_is_worth_nothing_here(person: Person, agent: RelyingParty) -> None:
    """Token Audience Binding: each resource accepts its own tokens only."""
    tokens = await agent.sign_in(person, resource=TOOLS)
    assert (await agent.userinfo(tokens["access_token"])).status_code == 401


async def test_refresh_tokens_rotate_and_stay_with_the_resource(person: Person, agent: RelyingParty) -> None:
    """Token Theft: MUST rotate refresh tokens of public clients."""
    first = await agent.sign_in(person, resource=TOOLS)
    second = (await agent.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    _, claims = await agent.verified(second["access_token"])
    assert claims["aud"] == TOOLS
    assert (await agent.refresh(second["refresh_token"])).status_code == 200
    replayed = await agent.refresh(first["refresh_token"])
    assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_grant")


async def test_pkce_is_required(person: Person, agent: RelyingParty) -> None:
    """Authorization Code Protection: MUST use PKCE, by S256."""
    await agent.server.change_client("agent", require_pkce=False)
    without = {"code_challenge": None, "code_challenge_method": None}
    assert await error_of(person, agent, resource=TOOLS, **without) == "invalid_request"
    assert await error_of(person, agent, resource=TOOLS, code_challenge_method="plain") == "invalid_request"


async def test_redirects_are_loopback_or_https(person: Person, server: RunningServer, agent: RelyingParty) -> None:
    """Communication Security: whatever else is registered."""
    await server.change_client("agent", redirect_uris=["com.example.agent:/cb", *GIVEN["redirect_uris"]])
    assert await error_of(person, agent, resource=TOOLS, redirect_uri="com.example.agent:/cb") == "invalid_request"
    agent.redirect_uri = "https://client.example/cb"
    assert await agent.code_for(person, resource=TOOLS)


async def test_a_client_that_has_a_secret_is_not_of_this_profile(server: RunningServer) -> None:
    """The profile is one of public clients."""
    secret = await server.add_client("odd")
    await server.change_client("odd", security_profile="mcp")
    async with server.http() as http:
        form = {"grant_type": "refresh_token", "refresh_token": "x"}
        response: httpx.Response = await http.post("/token", data=form, auth=("odd", secret))
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uris": ["com.example.agent:/cb"]},
        {"redirect_uris": ["http://client.example/cb"]},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"require_pkce": False},
        {"grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"]},
    ],
    ids=lambda given: next(iter(given)),
)
def test_metadata_that_contradicts_the_profile_cannot_be_registered(wrong: dict[str, Any]) -> None:
    """Told at once, not at the first sign-in."""
    assert validate(apply("mcp", GIVEN))["security_profile"] == "mcp"
    with pytest.raises(InvalidClientMetadata):
        validate({**apply("mcp", GIVEN), **wrong})


async def test_a_client_that_names_its_resource_learns_that_it_must_ask_again(
    person: Person, agent: RelyingParty
) -> None:
    """Resource Parameter Implementation: always included; RFC 6749 section 5.2: invalid_grant after a sign-out."""
    tokens = (await agent.redeem(await agent.code_for(person, resource=TOOLS), resource=TOOLS)).json()
    await person.visit("/end-session")
    await person.submit(("decision", "sign-out"))
    response = await agent.refresh(tokens["refresh_token"], resource=TOOLS)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
