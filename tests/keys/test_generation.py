import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from keys.generation import generate
from tests.keys.material import ALGORITHMS, key_pair, segment

THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_kid_is_the_thumbprint(algorithm: str) -> None:
    """RFC 7638 section 3."""
    jwk = key_pair(algorithm).public_jwk
    members = {name: jwk[name] for name in THUMBPRINT_MEMBERS[jwk["kty"]]}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    assert key_pair(algorithm).kid == jwk["kid"] == segment(digest)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_public_jwk_says_what_it_is_for_and_nothing_private(algorithm: str) -> None:
    jwk = key_pair(algorithm).public_jwk
    assert (jwk["use"], jwk["alg"]) == ("sig", algorithm)
    assert not PRIVATE_MEMBERS & jwk.keys()


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("RS256", rsa.RSAPrivateKey),
        ("PS256", rsa.RSAPrivateKey),
        ("ES256", ec.EllipticCurvePrivateKey),
        ("EdDSA", ed25519.Ed25519PrivateKey),
    ],
)
def test_the_private_key_is_of_the_algorithms_kind(algorithm: str, kind: Any) -> None:
    assert isinstance(load_der_private_key(key_pair(algorithm).private_der, None), kind)


def test_an_rsa_key_has_2048_bits_or_as_many_as_asked_for() -> None:
    for pair, bits in ((key_pair("RS256"), 2048), (generate("RS256", rsa_bits=3072), 3072)):
        private = load_der_private_key(pair.private_der, None)
        assert isinstance(private, rsa.RSAPrivateKey)
        assert private.key_size == bits
        assert private.public_key().public_numbers().e == 65_537


def test_a_short_rsa_key_is_not_made() -> None:
    """RFC 7518 section 3.3."""
    with pytest.raises(ValueError, match="2048"):
        generate("RS256", rsa_bits=1024)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384", "ES384", "Ed448", "", "rs256"])
def test_no_keys_are_made_for_other_algorithms(algorithm: str) -> None:
    with pytest.raises(ValueError, match="no keys are made"):
        generate(algorithm)


def test_two_keys_are_never_the_same_and_the_private_part_is_not_printed() -> None:
    one, other = generate("EdDSA"), generate("EdDSA")
    assert one.kid != other.kid
    assert "private_der" not in repr(one)
