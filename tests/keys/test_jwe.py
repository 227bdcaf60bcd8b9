"""Encrypting and decrypting: RFC 7516, RFC 7518 sections 4 and 5, RFC 8725. joserfc is the other side."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc import jwe as foreign
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from keys.decoding import decode_base64url
from keys.jose import JoseError, import_client_jwks
from keys.jwe import CONTENT_ENCRYPTION, KEY_MANAGEMENT, Decrypter, Encryption, decrypt, encrypt, key_for
from tests.keys.material import key_pair, segment

REGISTRY = foreign.JWERegistry(algorithms=[*KEY_MANAGEMENT, *CONTENT_ENCRYPTION])
JWT = "a.b.c"


def decrypter(algorithm: str = "ECDH-ES", number: int = 1) -> Decrypter:
    pair = key_pair(algorithm, number)
    private: Any = load_der_private_key(pair.private_der, None, unsafe_skip_rsa_key_validation=True)
    return Decrypter.of(pair.kid, algorithm, private)


def sent(algorithm: str = "ECDH-ES", content: str = JWT, **header: Any) -> str:
    """Encrypt to our key as others do."""
    key = JWKRegistry.import_key(key_pair(algorithm).public_jwk)
    protected = {"alg": algorithm, "enc": "A128GCM", **header}
    return foreign.encrypt_compact(protected, content, key, registry=REGISTRY)


@pytest.mark.parametrize("alg", KEY_MANAGEMENT)
@pytest.mark.parametrize("enc", CONTENT_ENCRYPTION)
def test_what_others_encrypt_is_decrypted_and_the_other_way_round(alg: str, enc: str) -> None:
    """RFC 7518 sections 4 and 5."""
    ours = decrypter(alg)
    assert decrypt(sent(alg, enc=enc), [ours]) == JWT
    key = key_for({"keys": [ours.public_jwk()]}, alg)
    assert key is not None
    token = encrypt(JWT, key, Encryption(alg, enc), {"cty": "JWT"})
    header = json.loads(decode_base64url(token.partition(".")[0]))
    assert {name: header[name] for name in ("alg", "enc", "cty", "kid")} == {
        "alg": alg,
        "enc": enc,
        "cty": "JWT",
        "kid": ours.kid,
    }
    assert decrypt(token, [ours]) == JWT


def test_without_a_kid_every_key_is_tried() -> None:
    """RFC 7516 section 5.2."""
    keys = [decrypter(number=2), decrypter("RSA-OAEP-256"), decrypter()]
    assert decrypt(sent(), keys) == JWT
    assert decrypt(sent(kid=decrypter().kid), keys) == JWT
    with pytest.raises(JoseError):
        decrypt(sent(kid=decrypter(number=2).kid), keys)
    with pytest.raises(JoseError):
        decrypt(sent(), keys[:2])


def test_sizes_are_bounded() -> None:
    """RFC 8725 section 3.6: nothing is decrypted, or even parsed, beyond them."""
    for token in (sent(content="x" * 20_000), sent(typ="x" * 2000), "a" * 20_000, "....", "é....", ""):
        with pytest.raises(JoseError):
            decrypt(token, [decrypter()])


def test_only_a_jwt_comes_out() -> None:
    """RFC 7519 section 5.2."""
    with pytest.raises(JoseError, match="no JWT"):
        decrypt(sent(content="\xe9.b.c"), [decrypter()])


def test_a_key_of_ours_goes_with_its_algorithm_alone() -> None:
    """RFC 8725 section 3.1."""
    pair = key_pair("RSA-OAEP-256")
    private: Any = load_der_private_key(pair.private_der, None, unsafe_skip_rsa_key_validation=True)
    for algorithm in ("ECDH-ES", "RSA-OAEP", "RSA1_5", "RS256"):
        with pytest.raises(JoseError):
            Decrypter.of(pair.kid, algorithm, private)


def test_what_is_published_is_public_and_verifies_nothing() -> None:
    """RFC 7517 sections 4.2 and 9.2."""
    for algorithm in KEY_MANAGEMENT:
        jwk = decrypter(algorithm).public_jwk()
        assert jwk == key_pair(algorithm).public_jwk
        assert (jwk["use"], jwk["alg"]) == ("enc", algorithm)
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & jwk.keys()
        assert import_client_jwks({"keys": [jwk]}) == ()


EC = ECKey.generate_key("P-256").as_dict(private=False)


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        [],
        {},
        {"keys": "x"},
        {"keys": ["x", 5, None, {}]},
        {"keys": [{**EC, "use": "sig"}]},
        {"keys": [{**EC, "alg": "ES256"}]},
        {"keys": [{**EC, "alg": ["ECDH-ES"]}]},
        {"keys": [{**EC, "kid": 5}]},
        {"keys": [{**EC, "kid": "k" * 129}]},
        {"keys": [{**EC, "crv": ["P-256"]}]},
        {"keys": [{**EC, "crv": "secp256k1"}]},
        {"keys": [{**EC, "kty": ["EC"]}]},
        {"keys": [{**EC, "kty": "RSA"}]},
        {"keys": [{**EC, "x": EC["y"]}]},
        {"keys": [{"kty": "oct", "k": segment(bytes(32)), "use": "enc"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": segment(bytes(32))}]},
        {"keys": [*({"kty": "oct"} for _ in range(20)), EC]},
    ],
)
def test_what_is_no_key_for_encryption_is_passed_over(jwks: object) -> None:
    """RFC 7517 sections 4 and 5."""
    for alg in KEY_MANAGEMENT:
        assert key_for(jwks, alg) is None


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_an_rsa_key_that_is_too_short_is_passed_over() -> None:
    """RFC 7518 section 4.3."""
    short = RSAKey.generate_key(1024).as_dict(private=False)
    assert key_for({"keys": [short]}, "RSA-OAEP-256") is None
