"""The keys in a client's metadata: RFC 7591 section 2, RFC 7517."""

from contextlib import suppress
from typing import Any

import pytest

from clients.metadata import InvalidClientMetadata, validate
from keys.jose import import_client_jwks
from tests.clients.registered import JWKS, REDIRECT_URI, client_of
from tests.keys.material import ALGORITHMS, key_pair

PUBLIC = key_pair("ES256").public_jwk
WITH_KEYS = {"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "private_key_jwt"}


def kept(*entries: object) -> Any:
    """Return the key set that is kept of one that is registered."""
    return validate({**WITH_KEYS, "jwks": {"keys": [*entries]}})["jwks"]


def test_the_keys_of_a_client_are_those_that_it_registered() -> None:
    client = client_of("private_key_jwt", jwks={"keys": [key_pair(algorithm).public_jwk for algorithm in ALGORITHMS]})
    assert [key.algorithms for key in client.keys] == [(algorithm,) for algorithm in ALGORITHMS]
    assert client_of("client_secret_basic").keys == ()


def test_nothing_but_the_public_key_is_kept() -> None:
    noise = {"x5c": ["x" * 9000], "x5u": "https://client.example/", "key_ops": ["verify"], "note": "\ud800", "": [[]]}
    assert kept(PUBLIC | noise) == JWKS
    assert validate({**WITH_KEYS, "jwks": JWKS | noise})["jwks"] == JWKS


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
@pytest.mark.parametrize("value", ["AQ", "", None])
def test_a_private_key_is_refused_and_not_just_cut_off(member: str, value: object) -> None:
    """RFC 7517 section 9.2: it is compromised, and its owner should hear of it."""
    with pytest.raises(InvalidClientMetadata, match="public keys only"):
        kept({**PUBLIC, member: value})


@pytest.mark.parametrize("name", ["kid", "alg", "use", "kty", "crv", "x", "y"])
@pytest.mark.parametrize("value", [5, True, [], {}, ["sig"], "", "a\nb", "\ud800", "x" * 2001])
def test_a_damaged_key_is_refused_or_passed_over(name: str, value: object) -> None:
    with pytest.raises(InvalidClientMetadata, match="jwks"):
        kept({**PUBLIC, name: value})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"use": "enc"},
        {"use": None},
        {"alg": None},
        {"kid": None},
        {"crv": "P-521"},
        {"kty": "AKP"},
        {"alg": "ES512"},
    ],
)
def test_what_is_kept_is_read_as_what_was_registered(changes: dict[str, Any]) -> None:
    """RFC 7517 section 5: a key that is passed over at first must not count later."""
    registered = [PUBLIC, {**key_pair("ES256", 2).public_jwk, **changes}]
    first = import_client_jwks({"keys": registered})
    assert [key.kid for key in import_client_jwks(kept(*registered))] == [key.kid for key in first]


def test_keys_that_were_accepted_can_always_be_read() -> None:
    """Otherwise whatever the client signs is refused, and nobody knows why."""
    for use in (None, "enc", "tls"):
        with suppress(InvalidClientMetadata):
            keys = import_client_jwks(kept(PUBLIC, {**PUBLIC, "use": use}))
            assert [key.kid for key in keys] == [PUBLIC["kid"]]
    with pytest.raises(InvalidClientMetadata, match="same kid"):
        kept(PUBLIC, PUBLIC)
