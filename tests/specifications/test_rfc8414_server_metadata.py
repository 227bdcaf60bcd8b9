"""RFC 8414 and OpenID Connect Discovery 1.0: one document under both names. Ready for the Config plan."""

from typing import Any

import httpx
import pytest

from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

NAMES = ("openid-configuration", "oauth-authorization-server")
STANDARD_CLAIMS = {
    *("sub", "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile"),
    *("picture", "website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale"),
    *("phone_number", "phone_number_verified", "address", "updated_at"),
}


async def _metadata(http: httpx.AsyncClient, path: str = "/.well-known/openid-configuration") -> dict[str, Any]:
    response = await http.get(path)
    assert response.status_code == 200
    document: dict[str, Any] = response.json()
    return document


async def test_both_documents_say_the_same(server: RunningServer) -> None:
    async with server.http() as http:
        first = await _metadata(http)
        assert first == await _metadata(http, "/.well-known/oauth-authorization-server")
    assert first["issuer"] == server.issuer
    for member in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"):
        assert first[member].startswith(server.issuer + "/")
    assert first["code_challenge_methods_supported"] == ["S256"]
    assert first["authorization_response_iss_parameter_supported"] is True
    assert first["response_types_supported"] == ["code"]
    assert "RS256" in first["id_token_signing_alg_values_supported"]
    assert len([name for name in first["claims_supported"] if name in STANDARD_CLAIMS]) == 20


async def test_every_announced_endpoint_is_served(server: RunningServer) -> None:
    async with server.http() as http:
        document = await _metadata(http)
        for name, url in document.items():
            if name.endswith(("_endpoint", "_uri")):
                response = await http.get(url)
                assert response.status_code not in (404, 500), name
                options = await http.options(url)
                assert options.status_code in (204, 405), name


@pytest.mark.parametrize("overrides", [{"issuer": "https://example.com/tenant/one"}], indirect=True)
async def test_an_issuer_may_have_a_path(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """RFC 8414 section 3.1, OpenID Connect Discovery 1.0 section 4."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(server.app), base_url="https://example.com") as http:
        inserted = await _metadata(http, "/.well-known/oauth-authorization-server/tenant/one")
        assert inserted == await _metadata(http, "/tenant/one/.well-known/openid-configuration")
        assert inserted["token_endpoint"] == "https://example.com/tenant/one/token"
        assert (await http.get("/token")).status_code == 404
    tokens = await rp.sign_in(person)
    _, claims = await rp.verified(tokens["id_token"])
    assert claims["iss"] == "https://example.com/tenant/one"


@pytest.mark.parametrize("name", NAMES)
async def test_the_document_is_json_for_get_alone(server: RunningServer, name: str) -> None:
    """Section 3.2: 200 and `application/json`; section 3.1: asked for with GET."""
    async with server.http() as http:
        response = await http.get(f"/.well-known/{name}")
        refused = await http.post(f"/.well-known/{name}")
    assert (response.status_code, response.headers["content-type"].partition(";")[0]) == (200, "application/json")
    assert (refused.status_code, set(refused.headers["allow"].split(", "))) == (405, {"GET", "HEAD", "OPTIONS"})


async def test_a_false_host_header_changes_no_address(server: RunningServer) -> None:
    """Section 3.3: the issuer and all addresses come from the configuration."""
    async with server.http() as http:
        honest = await _metadata(http)
        told = await http.get("/.well-known/openid-configuration", headers={"host": "evil.example"})
    assert told.json() == honest


async def test_no_member_is_empty(server: RunningServer) -> None:
    """Section 3.2: members without a value are left out."""
    async with server.http() as http:
        document = await _metadata(http)
    assert [name for name, value in document.items() if value in (None, [], "", {})] == []


async def test_the_members_that_must_be_there_are(server: RunningServer) -> None:
    """Section 2, and OpenID Connect Discovery 1.0 section 3."""
    async with server.http() as http:
        document = await _metadata(http)
    required = {
        *("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported"),
        *("subject_types_supported", "id_token_signing_alg_values_supported"),
    }
    assert required <= set(document)
    assert "none" not in document["id_token_signing_alg_values_supported"]
    assert document["token_endpoint_auth_signing_alg_values_supported"]
    assert "none" not in document["token_endpoint_auth_signing_alg_values_supported"]


OPTIONAL = {
    "registration_endpoint": {"client_registration": "open"},
    "check_session_iframe": {"session_management": True},
    "client_id_metadata_document_supported": {"client_id_metadata_documents": True},
}


async def test_what_is_off_is_not_announced(server: RunningServer) -> None:
    """Section 2: the document describes this server's configuration."""
    async with server.http() as http:
        document = await _metadata(http)
    assert not set(OPTIONAL) & set(document)


@pytest.mark.parametrize(
    ("overrides", "member"), [(values, name) for name, values in OPTIONAL.items()], indirect=["overrides"]
)
async def test_what_is_on_is_announced(server: RunningServer, member: str) -> None:
    """Section 2."""
    async with server.http() as http:
        assert (await _metadata(http)).get(member)
