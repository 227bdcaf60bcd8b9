"""Initial access tokens: RFC 7591 section 3."""

import asyncio

import pytest

from tests.conftest import Serve
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.self_registration import WEB, initial_token, register
from tests.support.server import RunningServer

OPEN = pytest.mark.parametrize("overrides", [{"client_registration": "open"}], indirect=True)
TOKEN = pytest.mark.parametrize("overrides", [{"client_registration": "token"}], indirect=True)


@TOKEN
async def test_a_trusted_token_registers_a_client_that_is_asked_for_once(server: RunningServer, person: Person) -> None:
    body = (await register(server, WEB, await initial_token(server, is_trusted=True))).json()
    rp = RelyingParty(server, client_id=body["client_id"], client_secret=body["client_secret"])
    await person.visit(rp.url())
    await person.sign_in()
    await person.postpone()
    assert "Nobody here has verified" not in person.text
    await person.consent()
    await person.visit(rp.url(prompt="none"))
    assert "code" in person.answer()


@TOKEN
async def test_a_client_of_a_trusted_token_is_trusted_as_what_it_was(server: RunningServer) -> None:
    """RFC 7592 section 5: the operator's word was for what it registered."""
    body = (await register(server, WEB, await initial_token(server, is_trusted=True))).json()
    headers = {"authorization": f"Bearer {body['registration_access_token']}"}
    async with server.http(headers=headers) as http:
        update = {**WEB, "client_id": body["client_id"], "client_name": "Your Bank"}
        assert (await http.put(body["registration_client_uri"], json=update)).status_code == 200
    client = await server.services.registry.find(body["client_id"])
    assert client is not None
    assert client.is_unverified


@TOKEN
async def test_a_token_is_needed(server: RunningServer) -> None:
    """Section 3: an invalid initial access token is answered as RFC 6750 says."""
    missing = await register(server, WEB)
    assert missing.status_code == 401
    assert missing.headers["www-authenticate"] == 'Bearer realm="ostiary"', "RFC 6750 section 3.1: no error code"
    assert missing.json()["error_description"] == "An initial access token is needed"
    wrong = await register(server, WEB, "oia_wrong")
    assert wrong.status_code == 401
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]


@TOKEN
async def test_a_token_registers_as_many_clients_as_it_says(server: RunningServer) -> None:
    token = await initial_token(server, uses=3)
    # A refused registration uses nothing up.
    assert (await register(server, {**WEB, "redirect_uris": []}, token)).status_code == 400
    answers = await asyncio.gather(*(register(server, WEB, token) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [401] * 3


@TOKEN
async def test_a_token_expires(server: RunningServer) -> None:
    token = await initial_token(server, uses=3, seconds=60)
    server.clock.advance(60)
    assert (await register(server, WEB, token)).status_code == 401


@OPEN
async def test_a_wrong_token_is_refused_also_where_none_is_needed(server: RunningServer) -> None:
    assert (await register(server, WEB, "oia_wrong")).status_code == 401


@pytest.mark.slow
def test_an_operator_makes_tokens_on_the_command_line(serve: Serve) -> None:
    server = serve(client_registration="token")
    made = server.cli("client", "registration-token", "create", "--uses", "2", "--seconds", "600")
    assert made["uses"] == 2
    with server.http(headers={"authorization": f"Bearer {made['initial_access_token']}"}) as http:
        assert [http.post("/register", json=WEB).status_code for _ in range(3)] == [201, 201, 401]
