"""`private_key_jwt`: RFC 7523 section 3, OpenID Connect Core section 9, RFC 8725."""

from typing import Any

import pytest

from clients.authentication import AssertionUse, AuthenticationProblem, authenticate, present
from clients.authentication.presented import ASSERTION_TYPE, Presented
from clients.client import Client
from keys.jose import LEEWAY_SECONDS, MAX_TOKEN_CHARACTERS
from tests.clients.registered import JWKS, client_of, metadata_of
from tests.keys.material import ALGORITHMS, NOW, jws, key_pair, segment, signer

ISSUER = "https://login.example.com"
TOKEN_ENDPOINT = f"{ISSUER}/token"
CLAIMS: dict[str, Any] = {
    "iss": "cli_jwt",
    "sub": "cli_jwt",
    "aud": ISSUER,
    "jti": "first",
    "iat": NOW,
    "exp": NOW + 60,
}
TYP = "client-authentication+jwt"
TWO_SUBJECTS = '{"sub":"cli_jwt","sub":"cli_jwt"}'
CLIENT = client_of("private_key_jwt", client_id="cli_jwt")


def assertion(**changes: Any) -> str:
    return signer().sign({**CLAIMS, **changes}, typ=TYP)


def assertion_without(left_out: str) -> str:
    return signer().sign({name: value for name, value in CLAIMS.items() if name != left_out}, typ=TYP)


def is_accepted(token: str, client: Client | None = CLIENT, now: int = NOW) -> bool:
    presented = Presented("private_key_jwt", "cli_jwt", token)
    try:
        return authenticate(client, presented, now=now, audiences=(ISSUER, TOKEN_ENDPOINT)).client is client
    except AuthenticationProblem as problem:
        assert (problem.error, problem.status, problem.used_basic) == ("invalid_client", 401, False)  # noqa: PT017  it says no
        return False


def test_an_assertion_is_proven_and_its_jti_is_handed_over_until_it_is_over() -> None:
    """RFC 7523 section 3 rule 7."""
    presented = present(None, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion()})
    assert (presented.method, presented.unverified_client_id) == ("private_key_jwt", "cli_jwt")
    authenticated = authenticate(CLIENT, presented, now=NOW, audiences=(ISSUER,))
    assert authenticated.assertion == AssertionUse("first", NOW + 60 + LEEWAY_SECONDS)


def test_the_jti_is_kept_for_as_long_as_the_assertion_is_accepted() -> None:
    """Else it could be used again between the two."""
    presented = Presented("private_key_jwt", "cli_jwt", assertion())
    use = authenticate(CLIENT, presented, now=NOW, audiences=(ISSUER,)).assertion
    assert use is not None
    assert is_accepted(assertion(), now=use.expires_at - 1)
    assert not is_accepted(assertion(), now=use.expires_at)


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "jti", "exp"])
@pytest.mark.parametrize("value", [None, 5, True, "", " ", "cli_other", [], {}, ["cli_jwt"], [ISSUER], 1.5, -1, 10**30])
def test_a_claim_that_is_missing_or_wrong_is_refused(name: str, value: object) -> None:
    """RFC 7523 section 3 rules 1 to 4 and 7."""
    assert is_accepted(assertion())
    assert not is_accepted(assertion_without(name))
    # Any text that is not empty is a jti.
    assert is_accepted(assertion(**{name: value})) is (name == "jti" and isinstance(value, str) and value != "")


@pytest.mark.parametrize("audience", [ISSUER, TOKEN_ENDPOINT])
def test_the_audience_is_the_issuer_or_for_older_clients_the_token_endpoint(audience: str) -> None:
    """draft-ietf-oauth-rfc7523bis section 4, OpenID Connect Core section 9."""
    assert is_accepted(assertion(aud=audience))
    for other in (
        f"{audience}/",
        f"{audience} ",
        audience.upper(),
        "https://evil.example",
        [audience],
        [audience, "x"],
    ):
        assert not is_accepted(assertion(aud=other))


def test_issuer_and_subject_are_the_client_that_presents_it() -> None:
    """RFC 7523 section 3: the assertion of one client is not good for another that shares its key."""
    assert not is_accepted(assertion(), client_of("private_key_jwt", client_id="cli_other"))
    for changes in (
        {"iss": "cli_other"},
        {"sub": "cli_other"},
        {"iss": ISSUER},
        {"iss": "cli_other", "sub": "cli_other"},
    ):
        assert not is_accepted(assertion(**changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"exp": NOW}, True),
        ({"exp": NOW - 59}, True),
        ({"exp": NOW - 60}, False),
        ({"exp": NOW + 360}, True),
        ({"exp": NOW + 361}, False),
        ({"exp": NOW + 86_400}, False),
        ({"nbf": NOW + 60}, True),
        ({"nbf": NOW + 61}, False),
        ({"nbf": "now"}, False),
        ({"iat": NOW + 60}, True),
        ({"iat": NOW + 61}, False),
        ({"iat": None}, False),
    ],
)
def test_an_assertion_is_short_lived_and_of_now(changes: dict[str, Any], *, expected: bool) -> None:
    """RFC 7523 section 3 rules 4 to 6: one that were good for long could be stolen for long."""
    assert is_accepted(assertion(**changes)) is expected


def test_a_time_of_issue_is_not_needed() -> None:
    """RFC 7523 section 3 rule 6."""
    assert is_accepted(assertion_without("iat"))


def test_the_length_of_a_jti_has_a_limit() -> None:
    assert is_accepted(assertion(jti="x" * 255))
    assert not is_accepted(assertion(jti="x" * 256))


@pytest.mark.parametrize("typ", ["JWT", "jwt", TYP, f"application/{TYP}"])
def test_the_type_is_that_of_client_assertions_or_of_any_jwt(typ: str) -> None:
    """RFC 8725 section 3.11."""
    assert is_accepted(signer().sign(CLAIMS, typ=typ))
    for other in ("at+jwt", "dpop+jwt", "oauth-authz-req+jwt", "logout+jwt", "secevent+jwt"):
        assert not is_accepted(signer().sign(CLAIMS, typ=other))


def test_a_type_may_be_left_out() -> None:
    assert is_accepted(jws({"alg": "ES256"}, CLAIMS))


def test_only_a_registered_key_signs() -> None:
    assert not is_accepted(signer(number=2).sign(CLAIMS, typ=TYP))
    token = assertion()
    header, payload, signature = token.split(".")
    assert not is_accepted(f"{header}.{segment({**CLAIMS, 'jti': 'second'})}.{signature}")
    assert not is_accepted(f"{header}.{payload}.")
    assert not is_accepted(f"{segment({'alg': 'none'})}.{payload}.")
    assert not is_accepted(f"{segment({'alg': 'HS256'})}.{payload}.{signature}")


def test_a_key_that_the_assertion_brings_along_is_not_used() -> None:
    """RFC 8725 section 3.10."""
    foreign = key_pair("ES256").public_jwk
    client = client_of("private_key_jwt", client_id="cli_jwt", jwks={"keys": [key_pair("ES256", 2).public_jwk]})
    for header in (
        {"jwk": foreign},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/"},
        {"kid": "../x"},
    ):
        assert not is_accepted(jws({"alg": "ES256", **header}, CLAIMS), client)


@pytest.mark.parametrize("registered", ALGORITHMS)
@pytest.mark.parametrize("used", ALGORITHMS)
def test_a_registered_algorithm_is_the_only_one(registered: str, used: str) -> None:
    """RFC 7591 section 2 with OpenID Connect Dynamic Client Registration section 2."""
    jwks = {"keys": [key_pair(algorithm).public_jwk for algorithm in ALGORITHMS]}
    members: dict[str, Any] = {"client_id": "cli_jwt", "jwks": jwks}
    token = signer(used).sign(CLAIMS, typ=TYP)
    assert is_accepted(token, client_of("private_key_jwt", **members))
    bound = client_of("private_key_jwt", token_endpoint_auth_signing_alg=registered, **members)
    assert is_accepted(token, bound) is (used == registered)


def test_an_unknown_or_disabled_client_or_one_without_keys_is_refused() -> None:
    without_keys = {name: value for name, value in metadata_of("private_key_jwt").items() if name != "jwks"}
    for client in (
        None,
        client_of("private_key_jwt", client_id="cli_jwt", disabled=True),
        *(
            Client("cli_jwt", {**without_keys, **more}, (), disabled=False, created_at=NOW)
            for more in ({}, {"jwks": None})
        ),
    ):
        assert not is_accepted(assertion(), client)


@pytest.mark.parametrize("jwks", [{"keys": []}, {"keys": [{}]}, {"keys": JWKS["keys"] * 2}, [], "x", 5])
def test_a_damaged_key_set_in_the_database_refuses_the_client_and_breaks_nothing(jwks: object) -> None:
    metadata = {**metadata_of("private_key_jwt"), "jwks": jwks}
    assert not is_accepted(assertion(), Client("cli_jwt", metadata, (), disabled=False, created_at=NOW))


@pytest.mark.parametrize(
    "form",
    [
        {"client_assertion": assertion()},
        {"client_assertion_type": ASSERTION_TYPE},
        {
            "client_assertion": assertion(),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        },
        {"client_assertion": assertion(), "client_assertion_type": ASSERTION_TYPE.upper()},
        *(
            {"client_assertion": token, "client_assertion_type": ASSERTION_TYPE}
            for token in (
                *(
                    "",
                    ".",
                    "..",
                    "...",
                    "a.b",
                    "a.b.c",
                    "e30.e30.",
                    "é.e30.e30",
                    assertion() + ".x",
                    "x" * (MAX_TOKEN_CHARACTERS + 1),
                ),
                *(
                    f"e30.{segment(payload)}.AA"
                    for payload in ("null", "[]", '"x"', '{"sub":5}', '{"sub":null}', b"\xff", "[" * 999)
                ),
                f"e30.{segment(TWO_SUBJECTS)}.AA",
            )
        ),
    ],
)
def test_what_is_no_assertion_is_refused_before_anyone_is_looked_up(form: dict[str, str]) -> None:
    """RFC 7521 section 4.2."""
    with pytest.raises(AuthenticationProblem) as caught:
        present(None, {"client_id": "cli_jwt", **form})
    assert (caught.value.error, caught.value.status) == ("invalid_client", 401)
