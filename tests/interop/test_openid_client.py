"""The npm library openid-client, with all of its checks on."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.interop import clients
from tests.interop.conftest import CALLBACK, Visitor
from tests.support.node import run_script
from tests.support.process import ServerProcess

pytestmark = pytest.mark.interop
SCRIPT = "openid_client.mjs"
AFTER = "http://localhost:9/bye"


async def _run(stage: str, server: ServerProcess, client: dict[str, Any], **more: Any) -> Any:
    argument = {"stage": stage, "issuer": server.issuer, "client": client, "callback": CALLBACK, **more}
    return await asyncio.to_thread(run_script, SCRIPT, argument)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_openid_client_signs_a_person_in_renews_introspects_revokes_and_signs_out(
    issuer: ServerProcess, visitor: Visitor, method: str
) -> None:
    client = clients.web_client(issuer, CALLBACK, token_endpoint_auth_method=method, post_logout_redirect_uris=[AFTER])
    begun = await _run("authorize", issuer, client)
    answer = await visitor.finish(begun["url"])
    result = await _run("finish", issuer, client, answer=answer, after=AFTER, **begun)
    assert result["claims"]["iss"] == issuer.issuer
    assert result["claims"]["nonce"] == begun["nonce"]
    assert result["userinfo"]["email"] == "alice@example.com"
    assert result["userinfo"]["name"] == "Alice Ample"
    assert result["renewed"] is True
    assert result["introspected"]["active"] is True
    assert result["introspected"]["sub"] == result["claims"]["sub"]
    assert result["after_revocation"] == "invalid_grant"
    await visitor.visit(result["end_session"])
    assert visitor.left_for is not None
    assert visitor.left_for.startswith(AFTER)
    assert parse_qs(urlsplit(visitor.left_for).query) == {"state": ["bye"]}


async def test_openid_client_signs_in_as_a_public_client(issuer: ServerProcess, visitor: Visitor) -> None:
    client = clients.spa_client(issuer, CALLBACK)
    begun = await _run("authorize", issuer, client)
    answer = await visitor.finish(begun["url"])
    result = await _run("finish", issuer, client, answer=answer, after=AFTER, **begun)
    assert result["userinfo"]["sub"] == result["claims"]["sub"]
    assert result["after_revocation"] == "invalid_grant"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
async def test_openid_client_gets_a_token_for_a_service(issuer: ServerProcess, method: str) -> None:
    if method == "private_key_jwt":
        client = clients.service_with_key(issuer)
    else:
        client = clients.service_client(issuer, token_endpoint_auth_method=method)
    result = await _run("serve", issuer, client, scope=clients.API_SCOPE)
    assert result["tokens"]["scope"] == clients.API_SCOPE
    assert "refresh_token" not in result["tokens"]
    assert result["introspected"]["active"] is True
    assert result["introspected"]["client_id"] == client["client_id"]
    assert result["after"] == {"active": False}
