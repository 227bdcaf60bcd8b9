import hashlib
import json
from typing import Any

import pytest
from joserfc import jws as joserfc_jws
from joserfc.jwk import JWKRegistry
from joserfc.jws import JWSRegistry

from keys.decoding import decode_base64url
from keys.jose import JoseError, left_half_hash, signer_of, verify
from tests.keys.material import ALGORITHMS, key_pair, segment, signer, verifier


def part(token: str, number: int) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(decode_base64url(token.split(".")[number]))
    return value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_header_names_algorithm_key_and_type(algorithm: str) -> None:
    token = signer(algorithm).sign({"sub": "ada"}, typ="at+jwt")
    assert part(token, 0) == {"alg": algorithm, "kid": key_pair(algorithm).kid, "typ": "at+jwt"}
    assert part(token, 1) == {"sub": "ada"}


def test_each_type_has_its_own_header() -> None:
    made = signer()
    tokens = [made.sign({}, typ=typ) for typ in ("at+jwt", "JWT", "logout+jwt", "at+jwt")]
    assert [part(token, 0)["typ"] for token in tokens] == ["at+jwt", "JWT", "logout+jwt", "at+jwt"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_another_implementation_accepts_the_signature(algorithm: str) -> None:
    token = signer(algorithm).sign({"name": "Zoë", "n": [1, {"a": None}]}, typ="JWT")
    key: Any = JWKRegistry.import_key(key_pair(algorithm).public_jwk)
    read = joserfc_jws.deserialize_compact(token, key, registry=JWSRegistry(algorithms=[algorithm]))
    assert json.loads(read.payload) == {"name": "Zoë", "n": [1, {"a": None}]}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_signed_is_verified(algorithm: str) -> None:
    token = signer(algorithm).sign({"sub": "ada"}, typ="at+jwt")
    key = verifier(algorithm)
    verified = verify(token, find_key=lambda _kid: key, algorithms=(algorithm,), types=("at+jwt",))
    assert verified.claims == {"sub": "ada"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_not_signed(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        signer().sign({"exp": value}, typ="JWT")


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA", "HS256", "none"])
def test_a_key_signs_with_its_own_kind_of_algorithm_only(algorithm: str) -> None:
    private: Any = signer("ES256")._key.private_key
    with pytest.raises(JoseError, match="does not go with"):
        signer_of("kid", algorithm, private)


def test_a_signer_shows_nothing_of_its_key() -> None:
    assert "Key" not in repr(signer())


def test_the_half_hash_is_that_of_the_specification() -> None:
    """OpenID Connect Core appendix A.3 and section 3.1.3.6."""
    token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    for algorithm in ("RS256", "PS256", "ES256"):
        assert left_half_hash(token, algorithm) == "77QmUPtjPfzWtF2AnpK9RQ"
    for algorithm in ("EdDSA", "Ed25519"):
        assert left_half_hash(token, algorithm) == segment(hashlib.sha512(token.encode()).digest()[:32])
