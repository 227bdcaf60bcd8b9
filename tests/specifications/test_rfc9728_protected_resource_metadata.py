"""RFC 9728 OAuth 2.0 Protected Resource Metadata."""

import pytest

from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

WELL_KNOWN = "/.well-known/oauth-protected-resource"


async def test_our_own_resource_says_who_issues_its_tokens(server: RunningServer) -> None:
    """Sections 2 and 3.2."""
    async with server.http() as http:
        response = await http.get(WELL_KNOWN)
        known = (await http.get("/.well-known/oauth-authorization-server")).json()
    document = response.json()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
    assert document["resource"] == server.issuer
    assert document["authorization_servers"] == [server.issuer]
    assert document["bearer_methods_supported"] == ["header", "body"]
    assert document["jwks_uri"] == known["jwks_uri"]
    assert set(document["scopes_supported"]) <= set(known["scopes_supported"])


async def test_the_authorization_server_names_the_resource(server: RunningServer) -> None:
    """Section 4."""
    async with server.http() as http:
        document = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert document["protected_resources"] == [server.issuer]
    assert "protected_resource_metadata" not in document


@pytest.mark.parametrize("overrides", [{"issuer": "https://example.com/login"}], indirect=True)
async def test_the_path_of_the_resource_comes_behind_the_well_known_name(server: RunningServer) -> None:
    """Sections 3.1 and 3.3: `resource` is the identifier into which the well-known name was put."""
    async with server.http() as http:
        response = await http.get(f"https://example.com{WELL_KNOWN}/login")
        challenge = await http.get("https://example.com/login/userinfo")
    assert response.json()["resource"] == "https://example.com/login"
    url = f'resource_metadata="https://example.com{WELL_KNOWN}/login"'
    assert url in challenge.headers["www-authenticate"]


async def test_a_challenge_names_the_metadata(server: RunningServer) -> None:
    """Section 5.1: at UserInfo and at the account API, with and without a token."""
    url = f'resource_metadata="{server.issuer}{WELL_KNOWN}"'
    async with server.http() as http:
        for path in ("/userinfo", "/api/auth/me"):
            bare = await http.get(path)
            wrong = await http.get(path, headers={"authorization": "Bearer wrong"})
            for response in (bare, wrong):
                assert response.status_code == 401, path
                assert url in response.headers["www-authenticate"], path
                assert response.headers["www-authenticate"].startswith("Bearer "), path
            assert 'error="invalid_token"' in wrong.headers["www-authenticate"]


async def test_what_is_answered_has_no_challenge(person: Person, rp: RelyingParty) -> None:
    tokens = await rp.sign_in(person)
    response = await rp.userinfo(tokens["access_token"])
    assert response.status_code == 200
    assert "www-authenticate" not in response.headers
