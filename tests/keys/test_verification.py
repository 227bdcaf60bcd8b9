import base64
import hashlib
import hmac
import json
import traceback
from collections.abc import Collection
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from keys.jose import (
    MAX_TOKEN_CHARACTERS,
    JoseError,
    VerificationKey,
    VerifiedJwt,
    candidates,
    unverified_claims,
    verify,
)
from tests.keys.material import jws, key_pair, segment, signer, verifier

HEADER = {"alg": "ES256", "kid": key_pair().kid, "typ": "at+jwt"}
PAYLOAD = {"sub": "ada"}


def find_key(kid: str | None) -> VerificationKey | None:
    return verifier() if kid == key_pair().kid else None


def check(
    token: str, *, algorithms: Collection[str] = ("ES256",), types: Collection[str] = ("at+jwt",), **more: Any
) -> VerifiedJwt:
    return verify(token, find_key=find_key, algorithms=algorithms, types=types, **more)


def refused(token: str, because: str, **more: Any) -> None:
    with pytest.raises(JoseError, match=because) as caught:
        check(token, **more)
    assert caught.value.reason == str(caught.value)
    told = "".join(traceback.format_exception_only(caught.value))
    assert all(piece not in told for piece in token.split(".") if len(piece) > 20)


def test_a_good_token_gives_its_header_and_claims() -> None:
    verified = check(jws(HEADER, PAYLOAD))
    assert (verified.header, verified.claims) == (HEADER, PAYLOAD)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_alg_none_is_refused(algorithm: str, signature: str) -> None:
    """RFC 8725 section 3.2."""
    token = f"{segment({**HEADER, 'alg': algorithm})}.{segment(PAYLOAD)}.{signature}"
    refused(token, "an algorithm that is not accepted")
    refused(token, "an algorithm that is not accepted", algorithms=("ES256", "none", "None", "NONE", "nOnE", ""))


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_public_key_is_no_hmac_secret(encoding: Encoding) -> None:
    """RFC 8725 section 3.1."""
    public: Any = signer("RS256")._key.public_key
    secret = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    signing_input = f"{segment({**HEADER, 'alg': 'HS256', 'kid': key_pair('RS256').kid})}.{segment(PAYLOAD)}"
    token = f"{signing_input}.{segment(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"
    for algorithms in (("RS256",), ("RS256", "HS256")):
        with pytest.raises(JoseError, match="not accepted"):
            verify(token, find_key=lambda _kid: verifier("RS256"), algorithms=algorithms, types=("at+jwt",))


def test_an_empty_list_of_algorithms_accepts_nothing() -> None:
    refused(jws(HEADER, PAYLOAD), "not accepted", algorithms=())


@pytest.mark.parametrize(("used", "of_the_key"), [("PS256", "RS256"), ("RS256", "PS256")])
def test_a_key_verifies_with_its_own_algorithm_only(used: str, of_the_key: str) -> None:
    token = jws({"alg": used, "typ": "JWT"}, PAYLOAD, "RS256")
    with pytest.raises(JoseError, match="wrong signature"):
        verify(token, find_key=lambda _kid: verifier(of_the_key), algorithms=("RS256", "PS256"), types=("JWT",))


@pytest.mark.parametrize("crit", [["exp"], [], 5, None, "b64", ["b64"]])
def test_crit_is_refused(crit: object) -> None:
    refused(jws({**HEADER, "crit": crit}, PAYLOAD), "critical")


def test_an_unencoded_payload_is_refused() -> None:
    """RFC 7797 section 3."""
    refused(jws({**HEADER, "b64": False}, PAYLOAD), "critical")


@pytest.mark.parametrize("header", ['["alg"]', '"alg"', "null", "1", "", "{", b"\xff", '{"alg":"ES256","alg":"none"}'])
def test_a_header_that_is_no_object_is_refused(header: str | bytes) -> None:
    refused(jws(header, PAYLOAD), "malformed header")


@pytest.mark.parametrize("alg", [None, 5, ["ES256"], {"ES256": 1}, True])
def test_an_alg_of_another_type_is_refused(alg: object) -> None:
    refused(jws({**HEADER, "alg": alg}, PAYLOAD), "not accepted")


def test_a_missing_alg_is_refused() -> None:
    refused(jws({"kid": HEADER["kid"], "typ": "at+jwt"}, PAYLOAD), "not accepted")


@pytest.mark.parametrize("kid", [None, 5, ["a"], {}, "k" * 200, "k" * 129])
def test_a_kid_of_another_type_or_size_is_refused(kid: object) -> None:
    refused(jws({**HEADER, "kid": kid}, PAYLOAD), "malformed kid")


@pytest.mark.parametrize(
    "kid",
    ["", "unknown", key_pair().kid.upper(), f"{key_pair().kid} ", "../etc", "' OR 1=1 --", "k" * 128],
    ids=["empty", "unknown", "upper case", "with a space", "path", "SQL", "long"],
)
def test_an_unknown_kid_finds_no_key(kid: str) -> None:
    refused(jws({**HEADER, "kid": kid}, PAYLOAD), "no key")


def test_our_own_tokens_need_a_kid() -> None:
    refused(jws({"alg": "ES256", "typ": "at+jwt"}, PAYLOAD), "no key")


@pytest.mark.parametrize(
    "typ", ["JWT", "dpop+jwt", "logout+jwt", "", "jwt", "text/at+jwt", "at+jwt ", None, 5, ["at+jwt"]]
)
def test_another_type_of_token_is_refused(typ: object) -> None:
    """RFC 8725 section 3.11."""
    refused(jws({**HEADER, "typ": typ}, PAYLOAD), "another type")


def test_a_missing_typ_is_refused_unless_the_caller_accepts_it() -> None:
    token = jws({"alg": "ES256", "kid": key_pair().kid}, PAYLOAD)
    refused(token, "another type")
    assert check(token, types=("", "JWT")).claims == PAYLOAD
    refused(jws({**HEADER, "typ": None}, PAYLOAD), "another type", types=("", "JWT"))


@pytest.mark.parametrize("typ", ["AT+JWT", "application/at+jwt", "Application/AT+jwt"])
def test_a_type_is_compared_as_a_media_type(typ: str) -> None:
    """RFC 7515 section 4.1.9."""
    assert check(jws({**HEADER, "typ": typ}, PAYLOAD)).claims == PAYLOAD
    assert check(jws(HEADER, PAYLOAD), types=(typ,)).claims == PAYLOAD


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_in_the_header_is_not_used(name: str) -> None:
    """RFC 8725 section 3.10."""
    theirs = key_pair("ES256", 2)
    values = {
        "jwk": theirs.public_jwk,
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example",
        "x5c": ["AA"],
    }
    header = {**HEADER, name: values[name]}
    assert check(jws(header, PAYLOAD)).claims == PAYLOAD
    signing_input = f"{segment(header)}.{segment(PAYLOAD)}"
    forger = signer("ES256", 2)
    forged = forger._model.sign(signing_input.encode(), forger._key)
    refused(f"{signing_input}.{segment(forged)}", "wrong signature")


@pytest.mark.parametrize(
    "payload", ["[1]", '"ada"', "null", "", "{", '{"sub":"a","sub":"b"}', '{"exp":NaN}', '{"exp":1e400}']
)
def test_signed_claims_that_are_no_strict_json_object_are_refused(payload: str) -> None:
    refused(jws(HEADER, payload), "malformed payload")


def test_fractions_of_times_are_dropped_and_nothing_else_is_changed() -> None:
    """RFC 7519 section 2, NumericDate."""
    sent = {"exp": 7.9, "nbf": -0.5, "iat": 1e3, "auth_time": 7.9, "claims": {"exp": 7.9}}
    expected = {**sent, "exp": 7, "nbf": -1, "iat": 1000}
    read = check(jws(HEADER, sent)).claims
    assert read == expected
    assert all(isinstance(read[name], int) for name in ("exp", "nbf", "iat"))


def test_half_a_surrogate_pair_is_refused() -> None:
    refused(jws(HEADER, '{"sub":"\\ud800"}'), "malformed payload")
    refused(jws('{"alg":"ES256","kid":"\\ud800","typ":"at+jwt"}', PAYLOAD), "malformed header")


def test_utf_16_is_refused() -> None:
    refused(jws(HEADER, json.dumps(PAYLOAD).encode("utf-16")), "malformed payload")


@pytest.mark.parametrize("levels", [33, 1100, 5000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_in_payload_and_header(levels: int, opening: str, closing: str) -> None:
    nested = ('{"a":' + opening * levels + "1" + closing * levels + "}").encode()
    refused(jws(HEADER, nested), "malformed payload|too long", max_length=60_000)
    refused(jws(nested, PAYLOAD), "malformed header|too long", max_length=60_000)


def test_a_huge_token_is_refused_before_it_is_read() -> None:
    refused(jws(HEADER, {"a": "x" * 20_000}), "too long")
    refused("." * 10_000_000, "too long")
    assert len(jws(HEADER, PAYLOAD)) < MAX_TOKEN_CHARACTERS
    refused(jws(HEADER, PAYLOAD), "too long", max_length=100)


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b", "a.b.c.d", "a.b.c.d.e", "\x00", "ä.ö.ü", "\ud800.a.b", " . . "]
)
def test_what_is_no_compact_jws_is_refused(token: str) -> None:
    with pytest.raises(JoseError):
        check(token)


def test_a_json_serialization_is_refused() -> None:
    """RFC 7515 section 7.2, which nobody here needs."""
    refused(json.dumps({"payload": segment(PAYLOAD), "signatures": []}), "three segments")


@pytest.mark.parametrize("add", ["=", "==", " ", "\n", "+", "/", "A"])
def test_a_token_has_one_spelling(add: str) -> None:
    parts = jws(HEADER, PAYLOAD).split(".")
    for number in range(3):
        changed = [part + add if at == number else part for at, part in enumerate(parts)]
        with pytest.raises(JoseError):
            check(".".join(changed))


def test_unused_bits_of_the_signature_cannot_be_set() -> None:
    head, _, signature = jws(HEADER, PAYLOAD).rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = signature[:-1] + alphabet[alphabet.index(signature[-1]) + 1]
    assert base64.urlsafe_b64decode(other + "==") == raw
    refused(f"{head}.{other}", "malformed header or signature")


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
@pytest.mark.parametrize(
    "signature", [b"", b"\x00", bytes(32), bytes(63), bytes(64), bytes(65), bytes(256), b"\xff" * 64]
)
def test_a_signature_of_any_size_is_only_wrong(algorithm: str, signature: bytes) -> None:
    token = f"{segment({'alg': algorithm, 'typ': 'JWT'})}.{segment(PAYLOAD)}.{segment(signature)}"
    with pytest.raises(JoseError, match="wrong signature"):
        verify(token, find_key=lambda _kid: verifier(algorithm), algorithms=(algorithm,), types=("JWT",))


def test_header_and_payload_are_both_under_the_signature() -> None:
    header, payload, signature = jws(HEADER, PAYLOAD).split(".")
    refused(f"{header}.{segment({'sub': 'eve'})}.{signature}", "wrong signature")
    refused(f"{segment({**HEADER, 'x': 1})}.{payload}.{signature}", "wrong signature")


@given(st.text(max_size=80) | st.lists(st.binary(max_size=60).map(segment), min_size=3, max_size=3).map(".".join))
def test_no_text_raises_anything_but_a_jose_error(token: str) -> None:
    with pytest.raises(JoseError):
        check(token, types=("", "at+jwt"))


JSON_VALUES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)
)


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "zip", "enc"]), JSON_VALUES))
def test_no_header_raises_anything_but_a_jose_error(changes: dict[str, Any]) -> None:
    try:
        assert check(jws({**HEADER, **changes}, PAYLOAD)).claims == PAYLOAD
    except JoseError:
        assert changes


def test_what_finding_a_key_raises_is_not_the_tokens_fault() -> None:
    def unavailable(_kid: str | None) -> None:
        raise ConnectionError("the database does not answer")

    with pytest.raises(ConnectionError):
        verify(jws(HEADER, PAYLOAD), find_key=unavailable, algorithms=("ES256",), types=("at+jwt",))


def test_no_key_is_looked_for_when_the_header_is_wrong() -> None:
    asked: list[str | None] = []
    with pytest.raises(JoseError):
        verify(jws({**HEADER, "alg": "none"}, PAYLOAD), find_key=asked.append, algorithms=("ES256",), types=("at+jwt",))
    assert asked == []


def test_a_token_without_kid_is_tried_with_every_key_of_its_algorithm() -> None:
    keys = [verifier("RS256"), verifier("EdDSA"), verifier("ES256", 2), verifier("ES256")]
    token = jws({"alg": "ES256"}, PAYLOAD)
    find = lambda kid: candidates(keys, kid)  # noqa: E731  as a caller writes it
    assert verify(token, find_key=find, algorithms=("ES256",), types=("",)).claims == PAYLOAD
    with pytest.raises(JoseError, match="a wrong signature, or a key for another algorithm"):
        verify(token, find_key=lambda kid: candidates(keys[:3], kid), algorithms=("ES256",), types=("",))


def test_a_named_key_is_tried_alone_beside_those_without_a_name() -> None:
    named, other = verifier(), verifier("ES256", 2)
    nameless = VerificationKey(None, ("ES256",), other.key)
    assert candidates([named, other], named.kid) == [named]
    assert candidates([named, other], "unknown") == []
    assert candidates([named, nameless], "unknown") == [nameless]
    assert candidates([named, other, nameless], None) == [named, other, nameless]


def test_unverified_claims_are_read_as_strictly() -> None:
    assert unverified_claims(f"x.{segment(PAYLOAD)}.y") == PAYLOAD
    for token in ("", "a.b", f"x.{segment('[1]')}.y", f"x.{segment('[' * 2000)}.y", "x.=.y", "." * 20_000, "ä.ö.ü"):
        with pytest.raises(JoseError):
            unverified_claims(token)
