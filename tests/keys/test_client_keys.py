import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey

from keys.jose import JoseError, candidates, import_client_jwks, verify
from tests.keys.material import ALGORITHMS, jws, key_pair, segment, signer

RSA_JWK = key_pair("RS256").public_jwk
EC_JWK = key_pair("ES256").public_jwk


def number(value: int) -> str:
    return segment(value.to_bytes((value.bit_length() + 7) // 8))


def without(jwk: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name not in names}


def refused(jwks: object, because: str) -> None:
    with pytest.raises(JoseError, match=because):
        import_client_jwks(jwks)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_clients_assertion_is_verified_with_its_registered_key(algorithm: str) -> None:
    keys = import_client_jwks({"keys": [key_pair(a).public_jwk for a in ALGORITHMS]})
    token = signer(algorithm).sign({"sub": "client"}, typ="JWT")
    verified = verify(token, find_key=lambda kid: candidates(keys, kid), algorithms=ALGORITHMS, types=("", "JWT"))
    assert verified.claims == {"sub": "client"}


def test_a_key_without_kid_and_alg_serves_every_algorithm_of_its_type() -> None:
    (key,) = import_client_jwks({"keys": [without(RSA_JWK, "kid", "alg", "use")]})
    assert (key.kid, key.algorithms) == (None, ("RS256", "PS256"))
    token = jws({"alg": "RS256", "kid": "whatever"}, {}, "RS256")
    assert verify(token, find_key=lambda kid: candidates([key], kid), algorithms=ALGORITHMS, types=("",)).claims == {}


def test_a_key_with_alg_serves_that_one_only() -> None:
    (key,) = import_client_jwks({"keys": [RSA_JWK]})
    assert key.algorithms == ("RS256",)


@pytest.mark.parametrize("of_the_key", ["EdDSA", "Ed25519", None])
@pytest.mark.parametrize("of_the_token", ["EdDSA", "Ed25519"])
def test_ed25519_may_be_called_by_its_full_name(of_the_key: str | None, of_the_token: str) -> None:
    """RFC 9864 section 2.2: openid-client and oauth4webapi sign nothing else."""
    (key,) = import_client_jwks({"keys": [{**key_pair("EdDSA").public_jwk, "alg": of_the_key}]})
    token = jws({"alg": of_the_token, "kid": key_pair("EdDSA").kid}, {}, "EdDSA")
    assert verify(token, find_key=lambda _kid: key, algorithms=("EdDSA",), types=("",)).claims == {}
    with pytest.raises(JoseError, match="an algorithm that is not accepted"):
        verify(token, find_key=lambda _kid: key, algorithms=("ES256",), types=("",))


@pytest.mark.parametrize("jwks", [None, [], "", 5, {}, {"keys": None}, {"keys": []}, {"keys": {}}, {"keys": "x"}])
def test_what_is_no_key_set_is_refused(jwks: object) -> None:
    refused(jwks, "JWK Set")


@pytest.mark.parametrize("entry", [None, 5, "x", [], {}, {"kty": None}, {"kty": ["RSA"]}, {"kid": "a"}])
def test_an_entry_that_is_no_key_is_refused(entry: object) -> None:
    refused({"keys": [entry]}, "no JWK")


def test_the_number_of_keys_has_a_limit() -> None:
    """RFC 8725 section 3.4: every key is work for us."""
    many = [without(EC_JWK, "kid") for _ in range(21)]
    assert len(import_client_jwks({"keys": many[:20]})) == 20
    refused({"keys": many}, "1 to 20 keys")
    with pytest.raises(JoseError, match="1 to 3 keys"):
        import_client_jwks({"keys": many[:4]}, max_keys=3)


@pytest.mark.parametrize("bits", [1024, 1536, 2047])
def test_a_short_rsa_key_is_refused(bits: int) -> None:
    """RFC 7518 section 3.3."""
    refused({"keys": [{**RSA_JWK, "n": number(2 ** (bits - 1) + 1)}]}, "2048")


def test_a_short_rsa_key_is_refused_without_a_warning() -> None:
    native = rsa.generate_private_key(65_537, 1024).public_key()  # noqa: S505  short on purpose
    refused({"keys": [RSAKey(native, native).as_dict(private=False)]}, "2048")


def test_a_leading_zero_makes_an_rsa_key_no_longer() -> None:
    short = (2**1023 + 1).to_bytes(128)
    refused({"keys": [{**RSA_JWK, "n": segment(bytes(256) + short)}]}, "2048")


def test_a_giant_rsa_key_is_refused() -> None:
    refused({"keys": [{**RSA_JWK, "n": number(2**16_000 + 1)}]}, "8192")


def test_an_even_modulus_is_refused() -> None:
    refused({"keys": [{**RSA_JWK, "n": number(2**2047 + 2)}]}, "product of primes")


@pytest.mark.parametrize("exponent", [0, 1, 2, 4, 65_536, 2**32 + 1, 2**2040 + 1])
def test_a_bad_rsa_exponent_is_refused(exponent: int) -> None:
    """RFC 8017 section 3.1."""
    refused({"keys": [{**RSA_JWK, "e": number(exponent)}]}, "exponent")


@pytest.mark.parametrize("exponent", [3, 17, 65_537])
def test_an_ordinary_rsa_exponent_is_accepted(exponent: int) -> None:
    assert import_client_jwks({"keys": [{**RSA_JWK, "e": number(exponent)}]})


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
def test_a_private_member_is_refused(name: str) -> None:
    refused({"keys": [{**RSA_JWK, name: "AQAB"}]}, "public keys only")


def test_a_whole_private_key_is_refused() -> None:
    native = ec.generate_private_key(ec.SECP256R1())
    refused({"keys": [EC_JWK, ECKey(native, native).as_dict(private=True)]}, "public keys only")


@pytest.mark.parametrize("entry", [{"kty": "oct", "k": segment(bytes(32))}, {"kty": "oct"}])
def test_a_symmetric_key_is_refused(entry: dict[str, Any]) -> None:
    refused({"keys": [RSA_JWK, entry]}, "symmetric")


def test_a_point_off_the_curve_is_refused() -> None:
    """RFC 8725 section 3.4."""
    y = bytearray(base64.urlsafe_b64decode(EC_JWK["y"] + "="))
    y[-1] ^= 1
    refused({"keys": [{**EC_JWK, "y": segment(bytes(y))}]}, "cannot be imported")
    refused({"keys": [{**EC_JWK, "x": segment(bytes(32)), "y": segment(bytes(32))}]}, "cannot be imported")


def test_two_keys_of_one_kid_are_refused() -> None:
    refused({"keys": [{**RSA_JWK, "kid": "a"}, {**EC_JWK, "kid": "a"}]}, "same kid")


@pytest.mark.parametrize("kid", [5, [], {}, "k" * 129, True])
def test_a_kid_of_another_type_or_size_is_refused(kid: object) -> None:
    refused({"keys": [{**RSA_JWK, "kid": kid}]}, "malformed kid")


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kty": "rsa", "n": "AAAA"},
        {**EC_JWK, "crv": "P-384", "kid": "other"},
        {"kty": "OKP", "crv": "X25519", "x": "AAAA"},
        {"kty": "OKP", "crv": ["Ed25519"], "x": "AAAA"},
        {**RSA_JWK, "alg": "RS512"},
        {**RSA_JWK, "alg": ["RS256"]},
    ],
)
def test_a_key_that_is_for_something_else_is_passed_over(entry: dict[str, Any]) -> None:
    """RFC 7517 section 5."""
    assert [key.kid for key in import_client_jwks({"keys": [entry, EC_JWK]})] == [EC_JWK["kid"]]
    refused({"keys": [entry]}, "no key is of a supported type")


@pytest.mark.parametrize("value", [None, 5, "", "=", "ä", [], {}, True, "AQAB", "not base64!"])
@pytest.mark.parametrize(("jwk", "name"), [(RSA_JWK, "n"), (RSA_JWK, "e"), (EC_JWK, "x"), (EC_JWK, "y")])
def test_a_broken_member_is_one_kind_of_error(jwk: dict[str, Any], name: str, value: object) -> None:
    if (name, value) == ("e", "AQAB"):
        value = "AQ"
    refused({"keys": [{**jwk, name: value}]}, "RSA key|cannot be imported")
    refused({"keys": [without(jwk, name)]}, "cannot be imported")


def test_members_that_are_not_the_key_do_not_reach_the_library() -> None:
    odd = {"x5c": 5, "x5u": [], "key_ops": "sign", "x5t": None, "ext": "?", "kty2": {}}
    assert import_client_jwks({"keys": [{**EC_JWK, **odd}]})


ANYTHING = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.lists(st.text(max_size=2), max_size=2)
MEMBERS = st.sampled_from(["kty", "n", "e", "crv", "x", "y", "kid", "alg", "use"])


@given(st.sampled_from([RSA_JWK, EC_JWK, key_pair("EdDSA").public_jwk]), st.dictionaries(MEMBERS, ANYTHING))
def test_no_key_raises_anything_but_a_jose_error(jwk: dict[str, Any], changes: dict[str, Any]) -> None:
    try:
        assert import_client_jwks({"keys": [{**jwk, **changes}]})
    except JoseError:
        assert changes
