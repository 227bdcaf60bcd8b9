"""Members of client metadata that must fit together: RFC 7591 section 2.1, RFC 6749, RFC 7523."""

from typing import Any

import pytest

from clients.metadata import AUTH_METHODS, InvalidClientMetadata, validate
from tests.clients.registered import JWKS, REDIRECT_URI, metadata_of

LEAST: dict[str, Any] = {"redirect_uris": [REDIRECT_URI]}
SERVICE: dict[str, Any] = {"grant_types": ["client_credentials"]}


def refused(error: str, **metadata: Any) -> None:
    with pytest.raises(InvalidClientMetadata) as caught:
        validate(metadata)
    assert caught.value.error == error


def test_a_service_needs_neither_a_redirect_uri_nor_a_response_type() -> None:
    """RFC 6749 section 4.4."""
    valid = validate(SERVICE)
    assert valid["response_types"] == []
    assert "redirect_uris" not in valid


@pytest.mark.parametrize(
    "metadata",
    [
        {"grant_types": ["client_credentials"], "response_types": ["code"]},
        {"grant_types": ["authorization_code"], "response_types": []},
        {"grant_types": [], "response_types": ["code"]},
        {"response_types": []},
    ],
)
def test_the_grant_authorization_code_and_the_response_type_code_need_each_other(metadata: dict[str, Any]) -> None:
    """RFC 7591 section 2.1."""
    refused("invalid_client_metadata", **LEAST, **metadata)


@pytest.mark.parametrize("metadata", [{}, {"redirect_uris": []}, {"redirect_uris": None}, {"response_types": ["code"]}])
def test_a_client_that_is_answered_by_redirects_has_a_redirect_uri(metadata: dict[str, Any]) -> None:
    """RFC 7591 section 2: "must register their redirection URI values"."""
    refused("invalid_redirect_uri", **metadata)


def test_a_public_client_cannot_act_for_itself() -> None:
    """RFC 6749 section 4.4: it proves nothing."""
    refused("invalid_client_metadata", **SERVICE, token_endpoint_auth_method="none")
    both = ["authorization_code", "client_credentials"]
    refused("invalid_client_metadata", **LEAST, grant_types=both, token_endpoint_auth_method="none")


@pytest.mark.parametrize("grant_types", [["refresh_token"], ["client_credentials", "refresh_token"]])
def test_a_refresh_token_needs_a_grant_that_gives_one(grant_types: list[str]) -> None:
    """RFC 6749 section 4.4.3: client_credentials gives none."""
    refused("invalid_client_metadata", **LEAST, grant_types=grant_types, response_types=[])


def test_private_key_jwt_needs_keys() -> None:
    """RFC 7523 section 3."""
    refused("invalid_client_metadata", **LEAST, token_endpoint_auth_method="private_key_jwt")
    refused("invalid_client_metadata", **LEAST, token_endpoint_auth_method="private_key_jwt", jwks=None)
    refused("invalid_client_metadata", **LEAST, token_endpoint_auth_method="private_key_jwt", jwks={"keys": []})


@pytest.mark.parametrize("method", AUTH_METHODS)
def test_keys_stand_in_the_metadata_or_behind_an_address(method: str) -> None:
    """RFC 7591 section 2: both exclude each other. Keys also sign requests and receive what is encrypted."""
    refused("invalid_client_metadata", **{**metadata_of(method), "jwks": JWKS, "jwks_uri": "https://a.example/jwks"})


@pytest.mark.parametrize("name", ["redirect_uris", "post_logout_redirect_uris"])
@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "http://client.example/cb", f"{REDIRECT_URI}#", "/cb", "https://a.example/.."]
)
def test_every_redirect_uri_of_a_list_is_checked(name: str, uri: str) -> None:
    """RFC 7591 section 5, OpenID Connect RP-Initiated Logout section 3.1."""
    for uris in ([uri], [REDIRECT_URI, uri], [uri, REDIRECT_URI]):
        refused("invalid_redirect_uri", **{**LEAST, name: uris})


def test_a_redirect_uri_is_checked_for_a_client_that_does_not_use_it() -> None:
    refused("invalid_redirect_uri", **SERVICE, redirect_uris=["javascript:alert(1)"])


@pytest.mark.parametrize("name", ["redirect_uris", "post_logout_redirect_uris"])
def test_a_private_use_scheme_is_for_installed_apps(name: str) -> None:
    """RFC 8252 section 7.1."""
    metadata = {**LEAST, name: ["com.example.app:/cb"]}
    refused("invalid_redirect_uri", **metadata)
    refused("invalid_redirect_uri", **metadata, application_type="web")
    assert validate({**metadata, "application_type": "native"})[name] == ["com.example.app:/cb"]
