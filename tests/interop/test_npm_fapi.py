"""openid-client and oauth4webapi through the FAPI profiles."""

from typing import Any

import pytest

from tests.interop.npm import BEHIND_PROXY, Library, key_for
from tests.support import certificates

pytestmark = pytest.mark.interop
REDIRECT_URI = "https://client.example/cb"


def _signing(algorithm: str, **more: Any) -> dict[str, Any]:
    return {"signing_algorithms": (algorithm,), **more}


async def _client(library: Library, algorithm: str, **metadata: Any) -> dict[str, Any]:
    return await library.register(
        profile="fapi2",
        key=key_for(algorithm),
        redirect_uris=[REDIRECT_URI],
        id_token_signed_response_alg=algorithm,
        token_endpoint_auth_signing_alg=algorithm,
        **metadata,
    )


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("overrides", [_signing("ES256", dpop_nonce=True)], indirect=True)
async def test_the_security_profile_with_es256_and_server_nonces(library: Library) -> None:
    """FAPI 2.0 Security Profile section 5.3: PAR, PKCE, private_key_jwt, DPoP."""
    result = await library.sign_in(await _client(library, "ES256"), "par", dpop="ES256")
    assert result["answered"]["iss"] == library.server.issuer
    assert result["token_type"] == "dpop"
    assert set(result["access_token"]["claims"]["cnf"]) == {"jkt"}


@pytest.mark.parametrize("overrides", [_signing("PS256")], indirect=True)
async def test_the_security_profile_with_ps256(library: Library) -> None:
    """FAPI 2.0 Security Profile section 5.4.1."""
    result = await library.sign_in(await _client(library, "PS256"), "par", dpop="PS256")
    assert result["id_token"]["header"]["alg"] == "PS256"


@pytest.mark.parametrize("overrides", [_signing("ES256", **BEHIND_PROXY)], indirect=True)
@pytest.mark.parametrize("method", ["private_key_jwt", "self_signed_tls_client_auth"])
async def test_the_security_profile_with_mutual_tls(library: Library, method: str) -> None:
    """FAPI 2.0 Security Profile section 5.3.2.1: tokens bound to a certificate, which may authenticate as well."""
    shown = certificates.make(library.server.clock.now(), "CN=web")
    metadata: dict[str, Any] = {
        "tls_client_certificate_bound_access_tokens": True,
        "token_endpoint_auth_method": method,
    }
    if method == "private_key_jwt":
        client = await _client(library, "ES256", **metadata)
    else:
        client = await library.register(
            profile="fapi2",
            redirect_uris=[REDIRECT_URI],
            id_token_signed_response_alg="ES256",
            jwks={"keys": [shown.jwk]},
            **metadata,
        )
    result = await library.sign_in(client, "par", certificate=shown.nginx)
    assert result["access_token"]["claims"]["cnf"] == {"x5t#S256": shown.thumbprint}


@pytest.mark.parametrize("overrides", [_signing("ES256", dpop_nonce=True)], indirect=True)
async def test_message_signing(library: Library) -> None:
    """FAPI 2.0 Message Signing sections 5.3 and 5.4: signed requests and signed answers."""
    client = await _client(
        library,
        "ES256",
        require_signed_request_object=True,
        request_object_signing_alg="ES256",
        authorization_signed_response_alg="ES256",
    )
    result = await library.sign_in(client, "par", "jar", "jarm", dpop="ES256")
    assert set(result["answered"]) == {"response"}


@pytest.mark.parametrize(
    "overrides",
    [_signing("PS256", response_types=("code", "code id_token"), **BEHIND_PROXY)],
    indirect=True,
)
async def test_fapi_1_advanced_with_an_id_token_as_detached_signature(library: Library) -> None:
    """FAPI 1.0 Advanced section 5.2.2: both libraries check c_hash and s_hash."""
    shown = certificates.make(library.server.clock.now(), "CN=web")
    client = await library.register(
        key=key_for("PS256"),
        security_profile="fapi1-advanced",
        redirect_uris=[REDIRECT_URI],
        token_endpoint_auth_method="private_key_jwt",
        response_types=["code id_token"],
        grant_types=["authorization_code", "implicit", "refresh_token"],
        id_token_signed_response_alg="PS256",
        tls_client_certificate_bound_access_tokens=True,
    )
    result = await library.sign_in(client, "jar", "detached", certificate=shown.nginx)
    assert {"code", "id_token", "state"} <= set(result["answered"])
