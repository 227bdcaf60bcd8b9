"""Profiles: what belongs together for one kind of application."""

import json
import re
from typing import Any

import pytest

from clients.client import Client
from clients.metadata import JWT_BEARER, TOKEN_EXCHANGE, InvalidClientMetadata, validate
from clients.profiles import PERSON_SCOPE, PROFILES, apply
from server.extensions import EXTENSIONS
from tests.clients.registered import JWKS, REDIRECT_URI
from tests.keys.material import NOW

GIVEN: dict[str, dict[str, Any]] = {
    "spa": {"redirect_uris": [REDIRECT_URI]},
    "web": {"redirect_uris": [REDIRECT_URI]},
    "native": {"redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb"]},
    "service": {"scope": "orders:read"},
    "mcp": {"redirect_uris": ["http://127.0.0.1/cb", REDIRECT_URI]},
    "fapi2": {"redirect_uris": [REDIRECT_URI], "jwks": JWKS},
}


def client_with(profile: str, **members: Any) -> Client:
    valid = validate(apply(profile, {**GIVEN[profile], **members}))
    return Client("cli_profile", valid, (), disabled=False, created_at=NOW)


def contradicts(profile: str, **members: Any) -> None:
    (said,) = (f"{name} {json.dumps(value)}" for name, value in members.items())
    with pytest.raises(
        InvalidClientMetadata, match=f"^{re.escape(said)} contradicts the profile {profile}, which wants "
    ):
        apply(profile, {**GIVEN[profile], **members})


def test_there_is_a_profile_for_each_kind_of_application() -> None:
    assert GIVEN.keys() == PROFILES.keys()
    assert all(profile.description for profile in PROFILES.values())


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_gives_valid_metadata(profile: str) -> None:
    metadata = apply(profile, GIVEN[profile])
    assert (
        validate(metadata).items()
        >= {**PROFILES[profile].defaults, **GIVEN[profile], **PROFILES[profile].fixed}.items()
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_may_be_applied_again(profile: str) -> None:
    metadata = apply(profile, GIVEN[profile])
    assert apply(profile, metadata) == metadata


@pytest.mark.parametrize("profile", ["spa", "native"])
def test_an_application_in_the_hands_of_people_is_public_and_uses_pkce(profile: str) -> None:
    """RFC 6749 section 2.1, RFC 8252 sections 6 and 8.4."""
    client = client_with(profile)
    assert client.is_public
    assert client.require_pkce is True
    assert client.grant_types == ("authorization_code", "refresh_token")
    for method in ("client_secret_basic", "client_secret_post", "private_key_jwt"):
        contradicts(profile, token_endpoint_auth_method=method)
    contradicts(profile, require_pkce=False)


def test_a_web_application_is_confidential() -> None:
    assert client_with("web").token_endpoint_auth_method == "client_secret_basic"
    assert client_with("web", token_endpoint_auth_method="client_secret_post").is_public is False
    assert client_with("web", token_endpoint_auth_method="private_key_jwt", jwks=JWKS).keys
    contradicts("web", token_endpoint_auth_method="none")
    contradicts("web", application_type="native")


def test_a_service_acts_for_itself_and_needs_a_secret_or_a_key() -> None:
    """RFC 6749 section 4.4."""
    client = client_with("service")
    assert (client.grant_types, client.response_types) == (("client_credentials",), ())
    assert client.redirect_uris == ()
    contradicts("service", token_endpoint_auth_method="none")
    contradicts("service", grant_types=["client_credentials", "authorization_code"])
    contradicts("service", grant_types=[])
    contradicts("service", grant_types="client_credentials")
    contradicts("service", redirect_uris=[REDIRECT_URI])
    contradicts("service", post_logout_redirect_uris=[REDIRECT_URI])
    contradicts("service", response_types=["code"])


def test_a_service_may_also_exchange_tokens_and_present_assertions() -> None:
    """RFC 8693, RFC 7523 section 2.1."""
    grants = ["client_credentials", TOKEN_EXCHANGE, JWT_BEARER]
    assert client_with("service", grant_types=grants).grant_types == tuple(grants)
    assert client_with("service", grant_types=[TOKEN_EXCHANGE]).grant_types == (TOKEN_EXCHANGE,)


def test_a_contradiction_says_what_the_profile_wants_and_stays_short() -> None:
    for profile, members, wish in (
        ("spa", {"token_endpoint_auth_method": "private_key_jwt"}, 'wants "none": a single-page'),
        ("web", {"token_endpoint_auth_method": "none"}, 'wants anything but "none": a web'),
        ("service", {"grant_types": ["password"]}, f"wants only client_credentials, {TOKEN_EXCHANGE}, {JWT_BEARER}:"),
        ("service", {"redirect_uris": [REDIRECT_URI]}, "wants none of them: a backend"),
        ("service", {"redirect_uris": [REDIRECT_URI * 100]}, "... contradicts the profile service"),
    ):
        with pytest.raises(InvalidClientMetadata) as refused:
            apply(profile, {**GIVEN[profile], **members})
        assert wish in refused.value.description
        assert len(refused.value.description) < 500


def test_only_an_installed_application_has_a_private_use_scheme() -> None:
    """RFC 8252 section 7.1."""
    assert client_with("native").check_redirect_uri("com.example.app:/cb")
    for profile in ("spa", "web"):
        with pytest.raises(InvalidClientMetadata, match="native"):
            client_with(profile, redirect_uris=["com.example.app:/cb"])
        contradicts(profile, application_type="native")


def test_what_is_given_replaces_a_default() -> None:
    client = client_with("web", scope="openid", grant_types=["authorization_code"], client_name="Shop")
    assert (client.scope_order, client.grant_types) == (("openid",), ("authorization_code",))
    assert client.client_name == "Shop"


@pytest.mark.parametrize("profile", PROFILES)
def test_null_and_the_same_value_contradict_nothing(profile: str) -> None:
    """RFC 7591 section 2: null is the same as left out."""
    expected = apply(profile, GIVEN[profile])
    fixed = PROFILES[profile].fixed
    assert apply(profile, {**dict.fromkeys(fixed), **GIVEN[profile]}) == expected
    assert apply(profile, {**fixed, **GIVEN[profile]}) == expected
    assert apply(profile, {**dict.fromkeys(PROFILES[profile].without), **GIVEN[profile]}) == expected


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_returned_shares_nothing_with_the_profile_or_the_input(profile: str) -> None:
    given = {**GIVEN[profile], "contacts": ["a"]}
    returned = apply(profile, given)
    for value in returned.values():
        if isinstance(value, list):
            value.append("changed")
    assert given["contacts"] == ["a"]
    assert apply(profile, given) == {**PROFILES[profile].defaults, **given, **PROFILES[profile].fixed}
    assert "changed" not in repr(PROFILES)


@pytest.mark.parametrize("name", ["", "SPA", "mobile", "__class__"])
def test_an_unknown_profile_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        apply(name, {})


def test_every_scope_that_people_are_asked_for_by_default_is_served() -> None:
    served = {scope for extension in EXTENSIONS for scope in extension.scopes}
    assert set(PERSON_SCOPE.split()) <= served


def test_tokens_that_a_certificate_binds_need_no_proof() -> None:
    """FAPI 2.0 Security Profile section 5.3.2.1: one of both."""
    assert client_with("fapi2").metadata["dpop_bound_access_tokens"] is True
    by_certificate = client_with("fapi2", tls_client_certificate_bound_access_tokens=True)
    assert "dpop_bound_access_tokens" not in by_certificate.metadata
