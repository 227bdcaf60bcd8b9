"""openid-client and oauth4webapi as services: client authentication, introspection, exchange, devices, registration."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.x509 import DNSName

from server.storage.resources import Resource
from server.tokens import opaque
from tests.interop.npm import BEHIND_PROXY, CALLBACK, SCOPE, Library, key_for
from tests.support import certificates
from tests.support.receiver import Receiver
from tests.support.self_registration import initial_token

pytestmark = pytest.mark.interop
API_SCOPE = "read:things"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ORDERS, STOCK = "https://orders.example/", "https://stock.example/"
SERVICE: dict[str, Any] = {
    "redirect_uris": [],
    "response_types": [],
    "grant_types": ["client_credentials"],
    "scope": API_SCOPE,
}

CIBA: dict[str, Any] = {
    "redirect_uris": [],
    "response_types": [],
    "grant_types": ["urn:openid:params:grant-type:ciba", "refresh_token"],
    "scope": SCOPE,
}
ASKED = {"login_hint": "alice@example.com", "binding_message": "Basket 4711"}


async def _serve(library: Library, client: dict[str, Any], **more: Any) -> dict[str, Any]:
    result: dict[str, Any] = await library.run("service", client, **{"scope": API_SCOPE, **more})
    assert result["access_token"]["claims"]["sub"] == client["client_id"]
    assert result["introspected"]["active"] is True
    assert result["introspected"]["scope"] == API_SCOPE
    assert result["after"] == {"active": False}
    return result


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
async def test_private_key_jwt(library: Library, algorithm: str) -> None:
    """RFC 7523, at the token endpoint, introspection and revocation; the FAPI tests have the other algorithms."""
    client = await library.register(
        "job",
        key=key_for(algorithm),
        token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_signing_alg=algorithm,
        **SERVICE,
    )
    await _serve(library, client)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_jwt"])
async def test_client_secrets(library: Library, method: str) -> None:
    """OpenID Connect Core section 9."""
    await _serve(library, await library.register("job", token_endpoint_auth_method=method, **SERVICE))


@pytest.mark.parametrize("overrides", [BEHIND_PROXY], indirect=True)
@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
async def test_mutual_tls(library: Library, method: str) -> None:
    """RFC 8705, behind a proxy with a name of its own: authentication, bound tokens, `mtls_endpoint_aliases`."""
    shown = certificates.make(library.server.clock.now(), "CN=job", DNSName("job.example"))
    pki = {"tls_client_auth_san_dns": "job.example"}
    known = pki if method == "tls_client_auth" else {"jwks": {"keys": [shown.jwk]}}
    client = await library.register(
        "job",
        token_endpoint_auth_method=method,
        tls_client_certificate_bound_access_tokens=True,
        **SERVICE,
        **known,
    )
    result = await _serve(library, client, certificate=shown.nginx)
    assert result["access_token"]["claims"]["cnf"] == {"x5t#S256": shown.thumbprint}
    assert result["introspected"]["cnf"] == {"x5t#S256": shown.thumbprint}


@pytest.mark.parametrize("alg", [None, "RSA-OAEP-256"], ids=["signed", "encrypted"])
async def test_introspection_answered_as_a_jwt(library: Library, alg: str | None) -> None:
    """RFC 9701: both libraries check type, issuer, audience and signature."""
    encryption: dict[str, Any] = {
        "introspection_encrypted_response_alg": alg,
        "introspection_encrypted_response_enc": "A256GCM",
    }
    client = await library.register(
        "job",
        decryption_key=key_for("RSA-OAEP-256"),
        introspection_signed_response_alg="RS256",
        **SERVICE,
        **(encryption if alg else {}),
    )
    await _serve(library, client)


async def test_token_exchange(library: Library) -> None:
    """RFC 8693."""
    await library.server.add_resources(
        Resource(ORDERS, scopes=("orders:read", "stock:read"), served_by=("orders",)),
        Resource(STOCK, scopes=("stock:read",), allow_exchange_from=("orders",)),
    )
    scope = "openid orders:read stock:read"
    client = await library.register("orders", scope=scope, grant_types=["authorization_code", TOKEN_EXCHANGE])
    result = await library.run("exchange", client, scope=scope, source=ORDERS, target=STOCK)
    assert result["issued"] == "urn:ietf:params:oauth:token-type:access_token"
    assert result["before"]["claims"]["aud"] == ORDERS
    assert result["after"]["claims"]["aud"] == STOCK
    assert result["after"]["claims"]["sub"] == result["before"]["claims"]["sub"]


async def test_device_authorization(library: Library) -> None:
    """RFC 8628: a poll that comes too early, the person's decision, the tokens."""
    client = await library.register(
        "television",
        grant_types=[DEVICE_CODE, "refresh_token"],
        response_types=[],
        redirect_uris=[],
        token_endpoint_auth_method="none",
        scope=SCOPE,
    )

    async def decide(begun: dict[str, Any]) -> str:
        visitor = library.visitor
        await visitor.visit(begun["verification_uri_complete"])
        await visitor.submit()
        await visitor.sign_in()
        await visitor.postpone()
        await visitor.consent()
        library.server.clock.advance(begun["interval"])  # so that the next poll is not too early
        return visitor.title

    result = await library.run("device", client, answers={"decide": decide})
    assert result["decided"] == "Device connected"
    assert result["claims"]["aud"] == "television"
    assert result["has_refresh_token"] is True


async def _approve(library: Library) -> None:
    visitor = library.visitor
    await visitor.visit("/account/requests")
    await visitor.sign_in()
    await visitor.postpone()
    await visitor.submit(("decision", "approve"))


async def test_asking_a_person_elsewhere_and_polling(library: Library) -> None:
    """OpenID Connect CIBA, poll mode."""
    client = await library.register("bank", backchannel_token_delivery_mode="poll", **CIBA)

    async def decide(begun: dict[str, Any]) -> str:
        await _approve(library)
        library.server.clock.advance(begun["interval"])  # so that the next poll is not too early
        return library.visitor.text

    result = await library.run("ciba", client, parameters=ASKED, answers={"decide": decide})
    assert "Approved." in result["decided"]
    assert result["claims"]["aud"] == "bank"
    assert result["has_refresh_token"] is True


@pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True}], indirect=True)
async def test_asking_a_person_elsewhere_and_being_pinged(library: Library) -> None:
    """OpenID Connect CIBA, ping mode: the tokens are fetched once, after the notification."""
    token = opaque.mint("note_")
    async with Receiver() as receiver:
        client = await library.register(
            "bank",
            backchannel_token_delivery_mode="ping",
            backchannel_client_notification_endpoint=f"{receiver.origin}/ping",
            **CIBA,
        )

        async def decide(begun: dict[str, Any]) -> bool:
            await _approve(library)
            (ping,) = await receiver.wait_for(1)
            assert ping.headers["authorization"] == f"Bearer {token}"
            return bool(json.loads(ping.body) == {"auth_req_id": begun["auth_req_id"]})

        asked = {**ASKED, "client_notification_token": token}
        result = await library.run("ciba", client, parameters=asked, answers={"decide": decide})
    assert result["decided"] is True
    assert result["claims"]["aud"] == "bank"


@pytest.mark.parametrize("overrides", [{"client_registration": "token"}], indirect=True)
async def test_dynamic_client_registration(library: Library) -> None:
    """RFC 7591, with an initial access token; the registered client signs a person in."""
    token = await initial_token(library.server)
    metadata = {
        "client_name": "Self",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "client_secret_post",
    }
    stranger = {"client_id": "", "token_endpoint_auth_method": ""}
    registered = await library.run("registration", stranger, token=token, metadata=metadata)
    assert registered["client_secret_expires_at"] == 0
    await library.sign_in(registered)


@pytest.mark.parametrize("library", ["oauth4webapi"], indirect=True)
async def test_protected_resource_metadata(library: Library) -> None:
    """RFC 9728: the challenge leads to the resource's metadata, and they to the issuer; openid-client has no such."""
    result = await library.run("resource", {})
    assert result["challenge"]["resource_metadata"] == result["url"]
    assert result["metadata"]["resource"] == library.server.issuer
    assert urlsplit(result["jwks_uri"]).path == "/jwks"
