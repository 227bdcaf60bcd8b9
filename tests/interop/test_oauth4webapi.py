"""The npm library oauth4webapi: relying party, service and resource server."""

import asyncio
from typing import Any

import pytest

from tests.interop import clients
from tests.interop.conftest import CALLBACK, Visitor
from tests.support.node import run_script
from tests.support.process import ServerProcess

pytestmark = pytest.mark.interop
SCRIPT = "oauth4webapi.mjs"


async def _run(stage: str, server: ServerProcess, client: dict[str, Any], **more: Any) -> Any:
    argument = {"stage": stage, "issuer": server.issuer, "client": client, "callback": CALLBACK, **more}
    return await asyncio.to_thread(run_script, SCRIPT, argument)


@pytest.mark.parametrize("kind", ["web", "spa"])
async def test_oauth4webapi_signs_a_person_in_and_the_api_accepts_the_token(
    issuer: ServerProcess, visitor: Visitor, kind: str
) -> None:
    register = clients.web_client if kind == "web" else clients.spa_client
    client = register(issuer, CALLBACK)
    begun = await _run("authorize", issuer, client)
    answer = await visitor.finish(begun["url"])
    result = await _run("finish", issuer, client, answer=answer, **begun)
    subject = result["claims"]["sub"]
    assert result["claims"]["amr"] == ["pwd"]
    assert result["userinfo"]["sub"] == subject
    assert result["userinfo"]["email_verified"] is True
    assert result["at_api"]["sub"] == subject
    assert result["at_api"]["client_id"] == client["client_id"]
    assert result["after_revocation"] == "invalid_grant"


async def test_oauth4webapi_refuses_an_answer_with_another_state(issuer: ServerProcess, visitor: Visitor) -> None:
    client = clients.spa_client(issuer, CALLBACK)
    begun = await _run("authorize", issuer, client)
    answer = await visitor.finish(begun["url"])
    with pytest.raises(AssertionError, match="state"):
        await _run("finish", issuer, client, answer=answer, **{**begun, "state": "another"})


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
async def test_oauth4webapi_gets_introspects_and_revokes_a_services_token(issuer: ServerProcess, method: str) -> None:
    if method == "private_key_jwt":
        client = clients.service_with_key(issuer)
    else:
        client = clients.service_client(issuer, token_endpoint_auth_method=method)
    result = await _run("serve", issuer, client, scope=clients.API_SCOPE)
    assert result["tokens"]["token_type"] == "bearer"  # the library writes it in small letters
    assert result["at_api"]["sub"] == client["client_id"]
    assert result["introspected"]["active"] is True
    assert result["introspected"]["scope"] == clients.API_SCOPE
    assert result["after"] == {"active": False}
