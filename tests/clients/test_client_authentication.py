"""Client authentication: one method per request, and only the registered one (RFC 6749 section 2.3)."""

import base64
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.authentication import (
    METHODS,
    TLS_METHODS,
    AuthenticatedClient,
    AuthenticationProblem,
    Presented,
    authenticate,
    present,
)
from clients.authentication.presented import ASSERTION_TYPE
from clients.client import Client
from clients.metadata import AUTH_METHODS
from tests.clients.registered import JWKS, SECRET, client_of, stored_secret
from tests.keys.material import NOW, signer

ISSUER = "https://login.example.com"
ASSERTION = signer().sign(
    {"iss": "cli_shop", "sub": "cli_shop", "aud": ISSUER, "jti": "1", "exp": NOW + 60}, typ="client-authentication+jwt"
)
DUMMY = "nobody has this secret"


def basic(client_id: str, secret: str) -> str:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


SHOWN: dict[str, tuple[str | None, dict[str, str]]] = {
    "client_secret_basic": (basic("cli_shop", SECRET), {}),
    "client_secret_post": (None, {"client_id": "cli_shop", "client_secret": SECRET}),
    "private_key_jwt": (None, {"client_assertion": ASSERTION, "client_assertion_type": ASSERTION_TYPE}),
    "none": (None, {"client_id": "cli_shop"}),
}


def prove(client: Client | None, presented: Presented, now: int = NOW) -> AuthenticatedClient:
    return authenticate(client, presented, now=now, audiences=(ISSUER,))


def refused(client: Client | None, presented: Presented, now: int = NOW) -> AuthenticationProblem:
    with pytest.raises(AuthenticationProblem) as caught:
        prove(client, presented, now)
    problem = caught.value
    assert (problem.error, problem.description, problem.status) == (
        "invalid_client",
        "Client authentication failed",
        401,
    )
    assert problem.used_basic is (presented.method == "client_secret_basic")
    return problem


def not_presented(authorization: str | None, **form: str) -> AuthenticationProblem:
    with pytest.raises(AuthenticationProblem) as caught:
        present(authorization, form)
    return caught.value


def test_every_method_that_may_be_registered_can_be_proven() -> None:
    assert {*METHODS, *TLS_METHODS} == set(AUTH_METHODS)
    # What shows itself as one of these: an assertion by its key, a client in TLS by its name.
    assert {*METHODS} - {"client_secret_jwt"} == SHOWN.keys()


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize("registered", AUTH_METHODS)
@pytest.mark.parametrize("moment", ["", "disabled", "unknown"])
def test_only_the_registered_method_authenticates_and_only_a_client_that_is_enabled(
    shown: str, registered: str, moment: str
) -> None:
    """RFC 6749 section 2.3: the credential itself is right in every case."""
    client = client_of(registered, disabled=moment == "disabled") if moment != "unknown" else None
    presented = present(*SHOWN[shown])
    assert (presented.method, presented.unverified_client_id) == (shown, "cli_shop")
    if client is None or client.disabled or shown != registered:
        refused(client, presented)
    else:
        authenticated = prove(client, presented)
        assert (authenticated.client, authenticated.method) == (client, shown)
        assert (authenticated.assertion is not None) is (shown == "private_key_jwt")


@pytest.mark.parametrize("method", SHOWN)
def test_a_client_with_secrets_and_keys_still_has_one_method(method: str) -> None:
    """What is stored beside it, from before a change of the method, opens no second door."""
    client = client_of(method)
    client = Client(client.client_id, {**client.metadata, "jwks": JWKS}, client.secrets, disabled=False, created_at=NOW)
    accepted = []
    for shown, request in SHOWN.items():
        try:
            accepted.append(prove(client, present(*request)).method)
        except AuthenticationProblem:
            assert shown != method
    assert accepted == [method]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("secret", [DUMMY, "", SECRET, "None"])
@pytest.mark.parametrize("now", [0, 1, NOW])
def test_a_client_without_a_stored_secret_is_refused_whatever_it_says(method: str, secret: str, now: int) -> None:
    """What an unknown client is compared with proves nothing, even to those who have read it in the source."""
    refused(client_of(method, stored=()), Presented(method, "cli_shop", secret), now)
    refused(None, Presented(method, "cli_shop", secret), now)


@pytest.mark.parametrize("method", AUTH_METHODS)
def test_what_unknown_clients_are_compared_with_authenticates_nobody(method: str) -> None:
    for registered in AUTH_METHODS:
        if (method, registered) != ("none", "none"):
            refused(client_of(registered), Presented(method, "cli_shop", DUMMY))
            refused(client_of(registered, stored=()), Presented(method, "cli_shop", DUMMY))


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_an_old_secret_authenticates_until_its_end(method: str) -> None:
    client = client_of(method, stored=(stored_secret("old", expires_at=NOW + 60), stored_secret("new")))
    for secret in ("old", "new"):
        assert prove(client, Presented(method, "cli_shop", secret), NOW + 59).client is client
    assert prove(client, Presented(method, "cli_shop", "new"), NOW + 60).client is client
    refused(client, Presented(method, "cli_shop", "old"), NOW + 60)


def test_no_authentication_at_all_is_answered_with_a_challenge() -> None:
    """RFC 6749 section 5.2."""
    for form in ({}, {"grant_type": "client_credentials"}):
        problem = not_presented(None, **form)
        assert (problem.error, problem.status, problem.used_basic) == ("invalid_client", 401, True)
        assert problem.description == "Client authentication is missing: send client_id"


@pytest.mark.parametrize(
    ("authorization", "form"),
    [
        (SHOWN["client_secret_basic"][0], SHOWN["client_secret_post"][1]),
        (SHOWN["client_secret_basic"][0], SHOWN["private_key_jwt"][1]),
        (None, SHOWN["client_secret_post"][1] | SHOWN["private_key_jwt"][1]),
        (SHOWN["client_secret_basic"][0], SHOWN["client_secret_post"][1] | SHOWN["private_key_jwt"][1]),
    ],
)
def test_more_than_one_method_is_refused(authorization: str | None, form: dict[str, str]) -> None:
    """RFC 6749 section 2.3: a client "must not use more than one authentication method in each request"."""
    problem = not_presented(authorization, **form)
    assert (problem.error, problem.status) == ("invalid_request", 400)


@pytest.mark.parametrize(
    "authorization",
    [
        *(
            "",
            "Basic",
            "Basic ",
            "Basic  ",
            "Basic :",
            "Basic Og==",
            "Basic !!!!",
            "Basic YQ==",
            "Basic ä",
        ),
        *(
            "Bearer abc",
            "Digest username=x",
            "Negotiate YTpi",
            "YTpi",
            "BasicYTpi",
            "Basic YTpi,YTpi",
            "Basic YTp\tYg==",
        ),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"a%ff:x").decode(),
        "Basic " + base64.b64encode(b"a:%ff").decode(),
        "Basic " + base64.b64encode(b":secret").decode(),
        "Basic " + base64.b64encode(b"a" * 9000 + b":x").decode(),
    ],
)
def test_a_malformed_authorization_header_is_refused(authorization: str) -> None:
    """RFC 7617 section 2."""
    problem = not_presented(authorization, client_id="cli_shop")
    assert (problem.error, problem.status, problem.used_basic) == ("invalid_client", 401, True)


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_the_scheme_is_read_without_case(scheme: str) -> None:
    """RFC 9110 section 11.1."""
    assert present(f"{scheme} {base64.b64encode(b'a:b').decode()}", {}) == Presented("client_secret_basic", "a", "b")


@given(st.text(min_size=1, max_size=50), st.text(max_size=50))
def test_name_and_secret_are_form_encoded_before_they_become_basic(client_id: str, secret: str) -> None:
    """RFC 6749 section 2.3.1: so that even a colon may be in both."""
    assert present(basic(client_id, secret), {}) == Presented("client_secret_basic", client_id, secret)


@pytest.mark.parametrize("form", [{}, {"client_id": "cli_shop"}])
def test_a_client_id_in_the_form_may_repeat_the_one_of_the_header(form: dict[str, str]) -> None:
    assert present(SHOWN["client_secret_basic"][0], form).unverified_client_id == "cli_shop"


@pytest.mark.parametrize("client_id", ["cli_other", "CLI_SHOP", ""])
def test_a_client_id_that_contradicts_the_credential_is_refused(client_id: str) -> None:
    """RFC 6749 section 2.3.1, RFC 7523 section 3."""
    assert not_presented(SHOWN["client_secret_basic"][0], client_id=client_id).error == "invalid_request"
    assert not_presented(None, **SHOWN["private_key_jwt"][1], client_id=client_id).error == "invalid_client"


def test_a_secret_without_a_client_id_names_nobody() -> None:
    presented = present(None, {"client_secret": SECRET})
    assert presented.unverified_client_id is None
    refused(None, presented)


def test_a_credential_does_not_show_in_logs() -> None:
    for shown in SHOWN.values():
        assert SECRET not in repr(present(*shown))
        assert ASSERTION not in repr(present(*shown))


@given(
    st.none()
    | st.text(max_size=60)
    | st.binary(max_size=40).map(lambda raw: f"Basic {base64.b64encode(raw).decode()}"),
    st.data(),
)
def test_any_request_presents_something_or_is_refused(authorization: str | None, data: st.DataObject) -> None:
    names = st.sampled_from(["client_id", "client_secret", "client_assertion", "client_assertion_type"])
    values = st.text(max_size=30) | st.sampled_from([ASSERTION_TYPE, ASSERTION, "cli_shop", "e30.e30.", "a.bnVsbA.c"])
    form: dict[str, Any] = data.draw(st.dictionaries(names, values))
    try:
        presented = present(authorization, form)
    except AuthenticationProblem as problem:
        assert (problem.error, problem.status) in {("invalid_client", 401), ("invalid_request", 400)}  # noqa: PT017  either is right
    else:
        assert presented.method in METHODS
        refused(client_of("client_secret_basic", client_id="cli_else"), presented)
