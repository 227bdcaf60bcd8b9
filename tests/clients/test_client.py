"""A client as the server and Authlib read it: RFC 7591 section 2."""

from clients.client import Client
from tests.clients.registered import REDIRECT_URI, SECRET, client_of
from tests.keys.material import NOW

EMPTY = Client("cli_empty", {}, (), disabled=False, created_at=NOW)


def test_a_client_without_metadata_has_the_defaults_of_the_rfc_and_no_rights() -> None:
    """RFC 7591 section 2: a row from before a member existed reads as if it had been left out."""
    assert (EMPTY.grant_types, EMPTY.response_types) == (("authorization_code",), ("code",))
    assert EMPTY.token_endpoint_auth_method == "client_secret_basic"
    assert (EMPTY.redirect_uris, EMPTY.post_logout_redirect_uris, EMPTY.scopes, EMPTY.keys) == ((), (), frozenset(), ())
    assert not any((EMPTY.is_public, EMPTY.skip_consent, EMPTY.may_introspect, EMPTY.require_auth_time))
    for absent in (EMPTY.client_name, EMPTY.response_modes, EMPTY.require_pkce, EMPTY.default_max_age):
        assert absent is None


def test_a_default_max_age_of_zero_is_not_left_out() -> None:
    """OpenID Connect Dynamic Client Registration section 2: 0 asks for a fresh sign-in each time."""
    assert client_of(default_max_age=0).default_max_age == 0


def test_a_pkce_policy_of_false_is_not_left_out() -> None:
    assert client_of(require_pkce=False).require_pkce is False
    assert client_of().require_pkce is None


def test_only_the_method_none_makes_a_client_public() -> None:
    """RFC 6749 section 2.1."""
    public = [
        method
        for method in ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
        if client_of(method).is_public
    ]
    assert public == ["none"]


def test_a_redirect_uri_may_be_left_out_where_there_is_exactly_one() -> None:
    """RFC 6749 section 3.1.2.3."""
    assert client_of().get_default_redirect_uri() == REDIRECT_URI
    assert client_of(redirect_uris=[REDIRECT_URI, f"{REDIRECT_URI}2"]).get_default_redirect_uri() is None
    assert EMPTY.get_default_redirect_uri() is None


def test_a_redirect_uri_is_registered_as_it_is_written() -> None:
    """RFC 9700 section 2.1."""
    client = client_of(redirect_uris=[REDIRECT_URI, "http://127.0.0.1/cb"])
    assert client.check_redirect_uri(REDIRECT_URI)
    assert client.check_redirect_uri("http://127.0.0.1:49152/cb")
    assert not client.check_redirect_uri(f"{REDIRECT_URI}/")
    assert not client_of(post_logout_redirect_uris=[f"{REDIRECT_URI}/bye"]).check_redirect_uri(f"{REDIRECT_URI}/bye")


def test_a_scope_is_allowed_as_a_whole_or_not_at_all() -> None:
    """RFC 6749 section 3.3."""
    client = client_of(scope="openid email")
    for scope in ("", "openid", "email openid", "openid openid"):
        assert client.get_allowed_scope(scope) == scope
    for scope in ("openid phone", "phone", "OPENID", "openid,email"):
        assert client.get_allowed_scope(scope) is None
    assert client.scope_order == ("openid", "email")


def test_authlib_cannot_accept_a_secret_behind_our_back() -> None:
    """Only `clients.authentication` knows the time and the method."""
    assert client_of().check_client_secret(SECRET) is False


def test_authlib_is_told_what_is_registered_and_nothing_more() -> None:
    client = client_of("client_secret_post", grant_types=["authorization_code", "refresh_token"])
    assert client.get_client_id() == "cli_shop"
    assert client.check_grant_type("refresh_token")
    assert not client.check_grant_type("client_credentials")
    assert client.check_response_type("code")
    assert not client.check_response_type("code token")
    for endpoint in ("token", "introspection", "revocation"):
        assert client.check_endpoint_auth_method("client_secret_post", endpoint)
        assert not client.check_endpoint_auth_method("client_secret_basic", endpoint)
        assert not client.check_endpoint_auth_method("none", endpoint)
