"""What joserfc does when it is left to choose. A change here is news: read it, then update what is expected.

`keys.jose` must be safe whichever way these go.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import errors, jws, jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from tests.keys.material import segment

RSA: Any = RSAKey.generate_key(2048, auto_kid=True)
EC: Any = ECKey.generate_key("P-256", auto_kid=True)


def raw(header: str, payload: str = "{}") -> str:
    return f"{segment(header)}.{segment(payload)}.{segment('x')}"


def signed(payload: bytes) -> str:
    return jws.serialize_compact({"alg": "RS256"}, payload, RSA)


def kid_of(token: str) -> str:
    return str(json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))["kid"])


def test_an_empty_list_of_algorithms_means_the_default_list() -> None:
    assert jwt.decode(signed(b"{}"), RSA, algorithms=[]).claims == {}


def test_a_key_set_with_a_symmetric_key_allows_none() -> None:
    octet: Any = OctKey.generate_key(256, auto_kid=True)
    assert "none" in [model.name for model in JWSRegistry.filter_algorithms(KeySet([RSA, octet]))]


def test_a_key_set_signs_with_a_random_key() -> None:
    two = KeySet([EC, ECKey.generate_key("P-256", auto_kid=True)])
    assert len({kid_of(jwt.encode({"alg": "ES256"}, {}, two)) for _ in range(64)}) == 2


def test_a_list_is_no_longer_passed_for_claims() -> None:
    with pytest.raises(errors.InvalidPayloadError):  # 1.7.4 accepted it
        jwt.decode(signed(b"[1]"), RSA, ["RS256"])


def test_the_type_of_a_token_is_not_looked_at() -> None:
    token = jwt.encode({"alg": "RS256", "typ": "logout+jwt"}, {}, RSA)
    assert jwt.decode(token, RSA, ["RS256"]).header["typ"] == "logout+jwt"


def test_a_member_that_stands_twice_is_accepted() -> None:
    assert jwt.decode(signed(b'{"sub":"a","sub":"b"}'), RSA, ["RS256"]).claims == {"sub": "b"}


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        (lambda: jwt.decode(raw('{"alg":"none"}'), RSA), errors.UnsupportedAlgorithmError),
        (lambda: jwt.decode(raw('{"alg":"RS256","crit":5}'), RSA), TypeError),
        (lambda: jwt.decode(raw('["alg"]'), RSA), TypeError),
        (lambda: jwt.decode(signed(b"[" * 1100 + b"]" * 1100), RSA, ["RS256"]), RecursionError),
        (lambda: jwt.decode(signed(b"{}"), KeySet([RSA, EC])), errors.InvalidKeyIdError),
        (lambda: KeySet.import_key_set({}), KeyError),  # type: ignore[typeddict-item]
    ],
)
def test_malformed_input_raises_all_kinds_of_errors(attempt: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        attempt()
