"""Client metadata, member by member: RFC 7591 section 2, OpenID Connect Dynamic Client Registration 1.0 section 2."""

from typing import Any

import pytest

from clients.authentication.tls_client_auth import NAMES
from clients.encryption import ALGORITHM_MEMBERS, CONTENT_MEMBERS
from clients.metadata import AUTH_METHODS, MAX_ITEMS, MAX_TEXT, MEMBERS, InvalidClientMetadata, validate
from keys.jose import SIGNING_ALGORITHMS
from tests.clients.registered import JWKS, REDIRECT_URI, client_of
from tests.keys.material import key_pair

LEAST = {"redirect_uris": [REDIRECT_URI]}
WITH_KEYS = {**LEAST, "token_endpoint_auth_method": "private_key_jwt"}
TEXTS = ("client_name", "software_id", "software_version")
URLS = ("client_uri", "logo_uri", "policy_uri", "tos_uri")
LISTS = ("redirect_uris", "post_logout_redirect_uris", "grant_types", "response_types", "response_modes", "contacts")
CHOICES = ("token_endpoint_auth_method", "id_token_signed_response_alg", "application_type", "subject_type")
BOOLEANS = (
    "require_auth_time",
    "require_pkce",
    "require_mfa",
    "skip_consent",
    "may_introspect",
    "unverified",
    "backchannel_logout_session_required",
    "frontchannel_logout_session_required",
)
NUMBERS = ("default_max_age", "access_token_seconds", "refresh_token_seconds")
EVERYTHING: dict[str, Any] = {
    **WITH_KEYS,
    "post_logout_redirect_uris": ["https://client.example/bye"],
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "response_types": ["code"],
    "response_modes": ["form_post", "query"],
    "token_endpoint_auth_signing_alg": "ES256",
    "id_token_signed_response_alg": "PS256",
    "authorization_signed_response_alg": "ES256",
    "userinfo_signed_response_alg": "ES256",
    "introspection_signed_response_alg": "RS256",
    **dict.fromkeys(ALGORITHM_MEMBERS, "ECDH-ES"),
    **dict.fromkeys(CONTENT_MEMBERS, "A256GCM"),
    "request_object_encryption_alg": "RSA-OAEP-256",
    "request_object_encryption_enc": "A128GCM",
    "request_object_signing_alg": "EdDSA",
    "request_uris": ["https://client.example/request.jwt", "https://client.example/request.jwt#digest"],
    "require_signed_request_object": True,
    "require_pushed_authorization_requests": True,
    "application_type": "web",
    "subject_type": "pairwise",
    "sector_identifier_uri": "https://client.example/sector.json",
    "access_token_format": "opaque",
    "client_name": "Web Shop",
    "client_name#de": "Netzladen",
    "client_name#ja-Hani-JP": "店",
    **{name: f"https://client.example/{name}" for name in URLS},
    "contacts": ["shop@client.example"],
    "software_id": "shop",
    "software_version": "7.1",
    "scope": "openid email",
    "jwks": {"keys": [*JWKS["keys"], key_pair("ECDH-ES").public_jwk]},
    "default_max_age": 0,
    "default_acr_values": ["aal2", "aal1"],
    "require_auth_time": True,
    "require_pkce": True,
    "require_mfa": True,
    "skip_consent": False,
    "backchannel_token_delivery_mode": "ping",
    "backchannel_client_notification_endpoint": "https://client.example/ping",
    "backchannel_authentication_request_signing_alg": "ES256",
    "backchannel_user_code_parameter": False,
    "may_introspect": False,
    "unverified": True,
    "backchannel_logout_uri": "https://elsewhere.example/logout?a=b",
    "backchannel_logout_session_required": True,
    "frontchannel_logout_uri": "https://client.example/logout",
    "frontchannel_logout_session_required": True,
    "resources": ["https://orders.example/"],
    "authorization_details_types": ["payment"],
    "jwt_bearer_subjects": ["*", "user:usr_1", "role:staff"],
    "jwt_bearer_issuers": ["cli_issuer"],
    "dpop_bound_access_tokens": True,
    "tls_client_certificate_bound_access_tokens": True,
    "userinfo_acr": "aal2",
    "userinfo_max_age": 300,
    "access_token_seconds": 10,
    "initiate_login_uri": "https://client.example/login",
    "held_members": ["scope"],
    "refresh_token_seconds": 60,
}


def refused(metadata: object, error: str = "invalid_client_metadata") -> str:
    with pytest.raises(InvalidClientMetadata) as caught:
        validate(metadata)
    assert caught.value.error == error
    assert str(caught.value) == caught.value.description
    return caught.value.description


def test_what_is_left_out_has_the_defaults_of_the_rfc() -> None:
    """RFC 7591 section 2."""
    assert validate(LEAST) == {
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "application_type": "web",
    }


def test_every_member_is_kept_as_it_was_given() -> None:
    assert validate(EVERYTHING) == EVERYTHING
    # A security profile rules most of the rest out.
    assert EVERYTHING.keys() >= MEMBERS.keys() - {"jwks_uri", "security_profile", *NAMES}


def test_what_was_validated_is_valid_and_stays_the_same() -> None:
    for metadata in (LEAST, EVERYTHING):
        assert validate(validate(metadata)) == validate(metadata)


def test_unknown_members_are_left_out() -> None:
    """RFC 7591 section 2: "must be ignored by the server"."""
    unknown = {"client_secret": "x", "client_id": "x", "": 1, "client_name#": "x", "CLIENT_NAME": "x", "scope#de": "x"}
    more = {
        "a": {"b": [None]},
        "request_uris_of_another": 5,
        "client_name#\n": "x",
        "client_name#" + "a" * 36: "x",
        "x\ud800": 1,
    }
    assert validate({**LEAST, **unknown, **more}) == validate(LEAST)


def test_ed25519_is_another_name_for_eddsa_where_the_client_signs() -> None:
    """RFC 9864 section 2.2."""
    ours = (
        "token_endpoint_auth_signing_alg",
        "request_object_signing_alg",
        "backchannel_authentication_request_signing_alg",
    )
    given = {**WITH_KEYS, "jwks": JWKS, **dict.fromkeys(ours, "Ed25519")}
    assert {name: validate(given)[name] for name in ours} == dict.fromkeys(ours, "EdDSA")


@pytest.mark.parametrize("answer", ["id_token", "userinfo", "authorization", "introspection"])
def test_ed25519_is_refused_where_the_server_would_sign_eddsa(answer: str) -> None:
    """RFC 9864 section 2.2: a client that names Ed25519 need not know the older name."""
    assert "must be one of" in refused({**LEAST, f"{answer}_signed_response_alg": "Ed25519"})


def test_null_is_the_same_as_left_out() -> None:
    """RFC 7591 section 2."""
    assert validate({**dict.fromkeys(MEMBERS), **LEAST, "client_name#de": None}) == validate(LEAST)


def test_the_input_is_left_as_it_is() -> None:
    given = {"redirect_uris": [REDIRECT_URI, REDIRECT_URI], "scope": "a  a"}
    assert validate(given)["redirect_uris"] == [REDIRECT_URI]
    assert given == {"redirect_uris": [REDIRECT_URI, REDIRECT_URI], "scope": "a  a"}


@pytest.mark.parametrize("metadata", [None, [], [["redirect_uris", []]], "{}", b"{}", 5, 5.5, True])
def test_metadata_is_an_object(metadata: object) -> None:
    assert "JSON object" in refused(metadata)


OTHER_TYPES: dict[str, tuple[object, ...]] = {
    **dict.fromkeys((*TEXTS, *URLS, *CHOICES, "scope"), (5, 5.5, True, False, [], ["x"], {}, {"x": "y"}, b"x")),
    **dict.fromkeys(
        (*LISTS, "default_acr_values"), (5, True, "code", "", {}, {"0": "x"}, [5], [None], [[]], [{}], [""])
    ),
    **dict.fromkeys(BOOLEANS, (0, 1, "true", "false", "", [], {})),
    **dict.fromkeys(NUMBERS, (True, False, "60", 60.0, -1, 10**400, float("nan"), [], {}, [60])),
    "jwks": (5, True, "{}", [], [JWKS], {}, {"keys": []}, {"keys": {}}, {"keys": [None]}, {"keys": ["x"]}, "https://x"),
    "jwks_uri": ("http://client.example/jwks", "", 5, [], False),
}


@pytest.mark.parametrize("name", OTHER_TYPES)
def test_a_value_of_another_type_is_refused_by_the_name_of_its_member(name: str) -> None:
    base = WITH_KEYS if name == "jwks" else LEAST
    error = "invalid_redirect_uri" if name.endswith("redirect_uris") else "invalid_client_metadata"
    for value in OTHER_TYPES[name]:
        assert name in refused({**base, name: value}, error)


@pytest.mark.parametrize("name", [*TEXTS, "client_name#de"])
def test_a_text_is_printable_and_not_blank_or_too_long(name: str) -> None:
    """The consent page shows it."""
    assert validate({**LEAST, name: "ä" * MAX_TEXT})[name] == "ä" * MAX_TEXT
    for text in (
        "",
        " ",
        "x" * (MAX_TEXT + 1),
        "a\nb",
        "a\0",
        "\x1b[31m",
        "\u202egpj.exe",
        "a\u2028",
        "\ud800",
        "\u200b",
    ):
        assert name in refused({**LEAST, name: text})


@pytest.mark.parametrize("name", [*URLS, "logo_uri#de"])
def test_a_page_of_the_client_is_an_https_url(name: str) -> None:
    """RFC 7591 section 5: the server shows these links in its own pages."""
    for url in (
        "https://client.example",
        "https://client.example:444/a?b=c#d",
        "http://localhost:3000/",
        "http://[::1]/",
    ):
        assert validate({**LEAST, name: url})[name] == url
    for url in (
        *(
            "http://client.example/",
            "javascript:alert(1)",
            "data:,x",
            "//client.example/",
            "/logo.png",
            "https:",
            "https://",
        ),
        *("https://:443/", "https://user@client.example/", "https://client.example:0/", "https://client.example:x/"),
        *(
            "https://client.example\\@evil.example/",
            "https://client.example/a b",
            "https://[::1/",
            "https://ä.example/",
        ),
        "https://client.example/" + "x" * 2000,
    ):
        assert name in refused({**LEAST, name: url})


def test_the_number_of_items_has_a_limit() -> None:
    texts = [f"{number}@client.example" for number in range(MAX_ITEMS + 1)]
    assert validate({**LEAST, "contacts": texts[:-1]})["contacts"] == texts[:-1]
    refused({**LEAST, "contacts": texts})
    refused({"redirect_uris": [f"{REDIRECT_URI}/{text}" for text in texts]}, "invalid_redirect_uri")
    refused({**LEAST, "scope": " ".join(texts)})
    refused({**LEAST, **{f"client_name#x{number}": "x" for number in range(MAX_ITEMS + 1)}})


def test_an_item_that_stands_twice_is_kept_once() -> None:
    given = {"redirect_uris": [REDIRECT_URI] * 3, "contacts": ["b", "a", "b"], "scope": " b  a b "}
    valid = validate(given)
    assert (valid["redirect_uris"], valid["contacts"], valid["scope"]) == ([REDIRECT_URI], ["b", "a"], "b a")


@pytest.mark.parametrize("scope", ['a"b', "a\\b", "a\tb", "a\nb", "ä", "a\x7f", "a\0", "\ud800", "x" * 129, "a\u00a0b"])
def test_a_scope_is_made_of_the_characters_of_the_rfc(scope: str) -> None:
    """RFC 6749 section 3.3."""
    refused({**LEAST, "scope": scope})
    refused({**LEAST, "scope": f"openid {scope}"})


def test_a_scope_that_does_not_exist_is_refused_where_the_scopes_are_known() -> None:
    assert validate({**LEAST, "scope": "a b"}, scopes_known={"a", "b", "c"})["scope"] == "a b"
    for scopes_known in ((), {"a"}, ["a", "B"]):
        with pytest.raises(InvalidClientMetadata, match="does not exist"):
            validate({**LEAST, "scope": "a b"}, scopes_known=scopes_known)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("token_endpoint_auth_method", ("client_secret", "CLIENT_SECRET_POST", "", "None")),
        ("id_token_signed_response_alg", ("none", "HS256", "RS512", "es256", "")),
        ("token_endpoint_auth_signing_alg", ("none", "HS256", "RS1")),
        ("application_type", ("desktop", "WEB", "")),
        ("subject_type", ("Pairwise", "private", "")),
        ("access_token_format", ("JWT", "random", "")),
        ("sector_identifier_uri", ("http://client.example/s.json", "http://localhost/s.json", "s.json")),
        ("grant_types", (["implicit"], ["password"], ["authorization_code", "urn:x"], ["authorization_code "])),
        ("response_types", (["token"], ["code code"], ["code", "none"], ["CODE"])),
        ("response_modes", (["web_message"], ["query", "jws"], ["form_post.jws"], ["JWT"])),
    ],
)
def test_a_value_that_the_server_does_not_serve_is_refused(name: str, values: tuple[object, ...]) -> None:
    for value in values:
        assert name in refused({**LEAST, name: value})


def test_what_the_server_serves_is_accepted() -> None:
    for method in AUTH_METHODS:
        assert client_of(method).token_endpoint_auth_method == method
    for algorithm in SIGNING_ALGORITHMS:
        valid = validate({**LEAST, "id_token_signed_response_alg": algorithm})
        assert valid["id_token_signed_response_alg"] == algorithm


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("default_max_age", 0, 315_360_000),
        ("access_token_seconds", 10, 3600),
        ("refresh_token_seconds", 60, 315_360_000),
    ],
)
def test_a_number_of_seconds_has_bounds(name: str, least: int, most: int) -> None:
    for seconds in (least, most):
        assert validate({**LEAST, name: seconds})[name] == seconds
    for seconds in (least - 1, most + 1):
        refused({**LEAST, name: seconds})
