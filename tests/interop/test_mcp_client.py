"""The OAuth client of the Python package `mcp`, the example MCP server, and Ostiary between them: docs/mcp.md."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import jwt
import pytest
from mcp.client import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp_types import TextContent
from pydantic import AnyUrl

from clients.profiles import apply
from server.storage.resources import Resource
from tests.conftest import Serve
from tests.interop.conftest import Visitor
from tests.support.listening import ListeningServer
from tests.support.process import ROOT, Program, free_port
from tests.support.receiver import Answer, Receiver
from tests.support.tls import TlsFront

pytestmark = pytest.mark.interop
CALLBACK = "http://127.0.0.1:3030/callback"
SCOPE = "mcp:tools"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


class Storage:
    """What an MCP client keeps between its runs."""

    def __init__(self, client: OAuthClientInformationFull | None = None) -> None:
        self.tokens: OAuthToken | None = None
        self.client = client

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    @property
    def access_token(self) -> str:
        assert self.tokens is not None
        return self.tokens.access_token

    @property
    def claims(self) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(self.access_token, options={"verify_signature": False})
        return claims


class Assistant:
    """An MCP client that Alice uses."""

    def __init__(self, url: str, visitor: Visitor, storage: Storage, document: str | None = None) -> None:
        self.url = url
        self.storage = storage
        self.authorizations: list[dict[str, str]] = []
        """The parameters of the authorization requests."""
        self._visitor = visitor
        self._answer = ""
        self.provider = OAuthClientProvider(
            url,
            OAuthClientMetadata(client_name="Assistant", redirect_uris=[AnyUrl(CALLBACK)]),
            storage,
            self._open_browser,
            self._wait_for_callback,
            document,
        )

    async def _open_browser(self, url: str) -> None:
        self.authorizations.append({name: value[0] for name, value in parse_qs(urlsplit(url).query).items()})
        self._answer = await self._visitor.finish(url)

    async def _wait_for_callback(self) -> AuthorizationCodeResult:
        assert self._answer.startswith(CALLBACK)
        answer = parse_qs(urlsplit(self._answer).query, strict_parsing=True)
        return AuthorizationCodeResult(code=answer["code"][0], state=answer["state"][0], iss=answer["iss"][0])

    async def ask(self) -> str:
        """Let the tool say for whom the client is there."""
        async with (
            httpx2.AsyncClient(auth=self.provider, timeout=15) as http,
            Client(streamable_http_client(self.url, http_client=http)) as client,
        ):
            result = await client.call_tool("whoami", {})
        assert isinstance(result.content[0], TextContent)
        return result.content[0].text


@pytest.fixture
async def documents() -> AsyncIterator[Receiver]:
    """A web site of the client's makers."""
    async with Receiver() as site:
        yield site


@pytest.fixture
async def front(documents: Receiver, tmp_path: Path) -> AsyncIterator[TlsFront]:
    """That site, at https."""
    async with TlsFront(tmp_path, free_port(), int(documents.origin.rpartition(":")[2])) as running:
        yield running


@pytest.fixture
def overrides(front: TlsFront) -> dict[str, Any]:
    """Settings with which MCP clients may come by themselves, in both ways."""
    return {
        "client_registration": "open",
        "client_id_metadata_documents": True,
        "fetch_private_addresses": True,
        "ca_file": front.certificate,
    }


@pytest.fixture
async def visitor(listening: ListeningServer) -> AsyncIterator[Visitor]:
    """Alice's browser."""
    async with Visitor(listening) as alice:
        yield alice


@pytest.fixture
async def mcp_server(listening: ListeningServer, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of the example MCP server."""
    port = free_port()
    url = f"http://localhost:{port}/mcp"
    await _add_resource(listening, url)
    environment = {"ISSUER": listening.issuer, "RESOURCE": url}
    command = [sys.executable, "-m", "uvicorn", "examples.mcp_server.app:app", "--port", str(port)]
    with Program(command, url, tmp_path / "mcp.log", environment):
        yield url


async def _add_resource(server: ListeningServer, url: str) -> None:
    """Do what `ostiary scope create` and `ostiary resource create` do."""
    await server.add_scopes(SCOPE)
    await server.add_resources(Resource(url, "Notes", (SCOPE,)))


async def test_the_mcp_server_says_where_its_tokens_come_from(listening: ListeningServer, mcp_server: str) -> None:
    """RFC 9728 sections 3 and 5.1, as clients begin."""
    async with httpx.AsyncClient() as http:
        refused = await http.post(mcp_server, json={})
        assert refused.status_code == 401
        place = refused.headers["www-authenticate"].partition('resource_metadata="')[2].partition('"')[0]
        metadata = (await http.get(place)).json()
    assert metadata["resource"] == mcp_server
    assert metadata["authorization_servers"] == [listening.issuer]
    assert metadata["scopes_supported"] == [SCOPE]


async def _check_the_story(assistant: Assistant, issuer: ListeningServer, client_id: str) -> None:
    """Go through a sign-in, a call with the same token, a refresh, and refusals."""
    storage = assistant.storage
    said = await assistant.ask()
    assert said.endswith(f" through {client_id}")
    [request] = assistant.authorizations
    assert (request["resource"], request["code_challenge_method"]) == (assistant.url, "S256")
    claims, first = storage.claims, storage.access_token
    assert (claims["aud"], claims["iss"]) == (assistant.url, issuer.issuer)
    assert SCOPE in claims["scope"].split()
    assert await assistant.ask() == said
    assert storage.access_token == first
    assistant.provider.context.token_expiry_time = 1
    assert await assistant.ask() == said
    assert storage.access_token != first
    assert storage.claims["aud"] == assistant.url
    assert len(assistant.authorizations) == 1


async def test_an_mcp_client_registers_itself(listening: ListeningServer, mcp_server: str, visitor: Visitor) -> None:
    """RFC 7591, open to everybody."""
    storage = Storage()
    await Assistant(mcp_server, visitor, storage).ask()
    assert storage.client is not None
    assert storage.client.issuer == listening.issuer
    again = Assistant(mcp_server, visitor, Storage(storage.client))
    await _check_the_story(again, listening, storage.client.client_id)


async def test_an_mcp_client_is_known_by_its_metadata_document(
    listening: ListeningServer, mcp_server: str, visitor: Visitor, documents: Receiver, front: TlsFront
) -> None:
    """The draft OAuth Client ID Metadata Document."""
    client_id = f"{front.origin}/client.json"
    document = {
        "client_id": client_id,
        "client_name": "Assistant",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    }
    documents.answers["/client.json"] = Answer(body=json.dumps(document).encode())
    assistant = Assistant(mcp_server, visitor, Storage(), client_id)
    await _check_the_story(assistant, listening, client_id)
    assert {request.path for request in documents.requests} == {"/client.json"}


async def test_an_mcp_client_is_registered_by_an_operator(
    listening: ListeningServer, mcp_server: str, visitor: Visitor
) -> None:
    """The profile `mcp`."""
    given = {"client_name": "Assistant", "redirect_uris": [CALLBACK], "scope": f"offline_access {SCOPE}"}
    metadata = apply("mcp", given)
    secret = await listening.add_client("assistant", **metadata)
    known = {"client_id": "assistant", "client_secret": secret or None, **metadata}
    storage = Storage(OAuthClientInformationFull.model_validate(known))
    await _check_the_story(Assistant(mcp_server, visitor, storage), listening, "assistant")


async def test_an_mcp_server_takes_no_token_that_is_for_another(listening: ListeningServer, mcp_server: str) -> None:
    """RFC 8707 section 2, RFC 9068 section 4."""
    other = "http://localhost:9/mcp"
    await _add_resource(listening, other)
    auth = ("robot", await listening.add_service("robot", scope=f"{SCOPE} read:elsewhere"))
    statuses = {}
    async with httpx.AsyncClient() as http:
        for resource, scope in ((mcp_server, SCOPE), (other, SCOPE), (listening.issuer, "read:elsewhere")):
            form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
            token = (await http.post(f"{listening.issuer}/token", data=form, auth=auth)).json()["access_token"]
            headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
            statuses[resource] = (await http.post(mcp_server, json=INITIALIZE, headers=headers)).status_code
    assert statuses == {mcp_server: 200, other: 401, listening.issuer: 401}


def _commands(server: str) -> Iterator[str]:
    """Return the commands of docs/mcp.md; what runs until Ctrl-C runs beside the others."""
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "docs/mcp.md").read_text("utf-8"), flags=re.DOTALL):
        if "uvicorn" in block:
            yield f'{block.strip()} & trap "kill $!" EXIT\nuntil curl -s -o log {server}; do sleep 0.1; done'
        else:
            yield block


def test_the_commands_in_the_documentation_work_as_they_stand(serve: Serve, tmp_path: Path) -> None:
    process, port = serve(), free_port()
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "var").mkdir()
    url = f"http://localhost:{port}/mcp"
    call = f"""
        token=$(sed -n 's/.*"access_token": *"\\([^"]*\\)".*/\\1/p' robot.json)
        curl -s -H "Authorization: Bearer $token" -H 'Accept: application/json, text/event-stream' \\
            -H 'Content-Type: application/json' -d '{json.dumps(INITIALIZE)}' {url}"""
    text = "set -eu\n" + "\n".join(_commands(url)).rstrip() + " > robot.json" + call
    script = text.replace("http://localhost:8000", process.issuer).replace("8003", str(port))
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=process.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f'resource_metadata="http://localhost:{port}/.well-known/oauth-protected-resource/mcp"' in done.stdout
    assert f'"authorization_servers":["{process.issuer}"]' in done.stdout
    assert '"serverInfo":{"name":"Notes"' in done.stdout
