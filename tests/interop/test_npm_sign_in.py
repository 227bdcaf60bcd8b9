"""openid-client and oauth4webapi sign a person in with what extends the authorization code flow."""

from typing import Any

import pytest

from tests.interop.npm import Library, key_for

pytestmark = pytest.mark.interop
AFTER = "http://localhost:9/bye"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
HYBRID = {"response_types": ("code", "code id_token", "id_token")}


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_the_code_flow(library: Library, method: str) -> None:
    """OpenID Connect Core, as a confidential and as a public client."""
    result = await library.sign_in(await library.register(token_endpoint_auth_method=method))
    assert result["claims"]["amr"] == ["pwd"]
    assert result["userinfo"]["name"] == "Alice Ample"
    assert result["userinfo"]["email_verified"] is True
    if library.name == "oauth4webapi":  # which is also what an API needs: RFC 9068 section 4
        assert result["at_api"]["sub"] == result["claims"]["sub"]
        assert result["at_api"]["client_id"] == "web"


@pytest.mark.parametrize("library", ["openid_client"], indirect=True)
async def test_signing_out(library: Library) -> None:
    """OpenID Connect RP-Initiated Logout; oauth4webapi has no such function."""
    client = await library.register(post_logout_redirect_uris=[AFTER])
    result = await library.sign_in(client, after=AFTER)
    assert await library.visitor.finish(result["end_session"]) == f"{AFTER}?state=bye"
    await library.visitor.visit("/account")
    assert library.visitor.title == "Sign in"


async def test_a_pushed_request(library: Library) -> None:
    """RFC 9126."""
    client = await library.register(require_pushed_authorization_requests=True)
    result = await library.sign_in(client, "par")
    assert set(result["sent"]) == {"client_id", "request_uri"} | (set(result["sent"]) & {"response_type", "scope"})
    assert result["sent"]["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")


@pytest.mark.parametrize(
    ("overrides", "algorithm"),
    [({"dpop_nonce": True}, "ES256"), ({"dpop_nonce": True}, "RS256"), ({}, "Ed25519")],
    indirect=["overrides"],
    ids=["ES256 and nonces", "RS256 and nonces", "Ed25519"],
)
async def test_tokens_that_are_bound_to_a_key_by_dpop(library: Library, algorithm: str) -> None:
    """RFC 9449: a pushed request with dpop_jkt, the token, UserInfo, the refresh; with and without server nonces."""
    client = await library.register(token_endpoint_auth_method="none", dpop_bound_access_tokens=True)
    result = await library.sign_in(client, "par", dpop=algorithm)
    assert result["token_type"] == "dpop"  # the libraries write it in small letters
    assert set(result["access_token"]["claims"]["cnf"]) == {"jkt"}


@pytest.mark.parametrize(
    ("overrides", "algorithm"),
    [({"signing_algorithms": (name,)}, name) for name in ALGORITHMS],
    indirect=["overrides"],
    ids=ALGORITHMS,
)
async def test_request_answer_and_id_token_are_signed_with_each_algorithm(library: Library, algorithm: str) -> None:
    """RFC 9101, where the client sends no other; JARM; OpenID Connect Core section 2; RFC 9864 for EdDSA."""
    client = await library.register(
        key=key_for(algorithm),
        require_signed_request_object=True,
        request_object_signing_alg=algorithm,
        authorization_signed_response_alg=algorithm,
        id_token_signed_response_alg=algorithm,
    )
    result = await library.sign_in(client, "jar", "jarm")
    assert "redirect_uri" not in result["sent"]
    assert set(result["answered"]) == {"response"}
    assert result["id_token"]["header"]["alg"] == algorithm


@pytest.mark.parametrize("overrides", [{"encryption_algorithms": ("RSA-OAEP-256",)}], indirect=True)
async def test_an_encrypted_request(library: Library) -> None:
    """RFC 9101 section 6.1, to the key that the JWK Set names for it."""
    client = await library.register(key=key_for("ES256"), require_signed_request_object=True)
    result = await library.sign_in(client, "jar", "encrypted")
    assert result["sent"]["request"].count(".") == 4


@pytest.mark.parametrize(
    ("library", "alg"),
    # oauth4webapi leaves decryption to its caller: the one of these tests knows one algorithm
    [("openid_client", "RSA-OAEP-256"), ("openid_client", "ECDH-ES"), ("oauth4webapi", "RSA-OAEP-256")],
    indirect=["library"],
)
async def test_everything_is_encrypted_for_the_client(library: Library, alg: str) -> None:
    """OpenID Connect Core section 10.2 and JARM section 3: ID token, UserInfo and the answer itself."""
    encryption: dict[str, Any] = {
        f"{answer}_encrypted_response_{name}": value
        for answer in ("id_token", "userinfo", "authorization")
        for name, value in (("alg", alg), ("enc", "A256GCM"))
    }
    client = await library.register(decryption_key=key_for(alg), userinfo_signed_response_alg="RS256", **encryption)
    result = await library.sign_in(client, "jarm")
    assert result["id_token"]["header"]["alg"] == alg
    assert result["answered"]["response"].count(".") == 4


@pytest.mark.parametrize("overrides", [HYBRID], indirect=True)
async def test_the_hybrid_flow(library: Library) -> None:
    """OpenID Connect Core section 3.3: both libraries check c_hash, and that both ID tokens agree."""
    client = await library.register(
        response_types=["code", "code id_token"], grant_types=["authorization_code", "implicit", "refresh_token"]
    )
    result = await library.sign_in(client, "hybrid")
    assert {"code", "id_token", "state"} <= set(result["answered"])


@pytest.mark.parametrize("library", ["openid_client"], indirect=True)
@pytest.mark.parametrize("overrides", [HYBRID], indirect=True)
async def test_the_implicit_flow_with_an_id_token(library: Library) -> None:
    """OpenID Connect Core section 3.2; oauth4webapi has no such flow."""
    client = await library.register(response_types=["id_token"], grant_types=["implicit"])
    result = await library.run("implicit", client)
    assert result["aud"] == "web"
    assert result["email"] == "alice@example.com"


async def test_step_up(library: Library) -> None:
    """RFC 9470: UserInfo refuses, the challenge says what to ask for, and the person sets up a second factor."""
    client = await library.register(userinfo_acr="aal2")
    result = await library.run("step_up", client)
    assert result["challenge"]["error"] == "insufficient_user_authentication"
    assert result["challenge"]["acr_values"] == "aal2"
    assert result["claims"]["acr"] == "aal2"
    assert result["userinfo"]["email"] == "alice@example.com"
