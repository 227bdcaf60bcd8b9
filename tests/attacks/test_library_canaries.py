"""What Authlib and joserfc do when they are left to themselves. A change here is news: read it, then update it.

Each of these would be a hole or a crash if the server relied on it. Ours must be safe whichever way they go; the other
tests in this folder show that it is. Seen with Authlib 1.9.8 and joserfc 1.8.0.
"""

import base64
import inspect
import json
import secrets
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from authlib.common.security import is_secure_transport
from authlib.common.urls import add_params_to_uri, is_valid_url
from authlib.oauth2.rfc6749 import AuthorizationServer
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.util import create_half_hash
from authlib.oidc.rpinitiated.end_session import EndSessionEndpoint
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from tests.keys.material import segment

BROKEN_PEM = "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"


@dataclass(frozen=True)
class Keys:
    """Keys that are made once for all canaries."""

    rsa: Any
    ec: Any
    octet: Any

    def signed(self, payload: bytes) -> str:
        return jws.serialize_compact({"alg": "RS256"}, payload, self.rsa)

    def read(self, payload: bytes) -> Any:
        return jwt.decode(self.signed(payload), self.rsa, ["RS256"]).claims

    def check_exp(self, value: bytes) -> None:
        registry = jwt.JWTClaimsRegistry(exp={"essential": True})
        registry.validate(self.read(b'{"exp":' + value + b"}"))

    def signing_kids(self) -> int:
        """Sign with a set of two keys; return how many of them were used."""
        two = KeySet([self.ec, ECKey.generate_key("P-256", auto_kid=True)])
        tokens = (jwt.encode({"alg": "ES256"}, {}, two) for _ in range(64))
        return len({base64.urlsafe_b64decode(token.partition(".")[0] + "==") for token in tokens})

    def proof_header(self) -> Any:
        """The header of a DPoP proof (RFC 9449 section 4.2) with an RSA key."""
        header = {"alg": "RS256", "typ": "dpop+jwt", "jwk": self.rsa.as_dict(private=False)}
        return jwt.decode(jwt.encode(header, {}, self.rsa), self.rsa).header

    def forged_hint(self) -> Any:
        """Ask Authlib's logout about an `id_token_hint` that nobody signed."""

        class Endpoint(EndSessionEndpoint):  # type: ignore[misc]  # Authlib has no types
            def __init__(self) -> None:
                pass

            def get_server_jwks(_self: object) -> KeySet:  # noqa: N805  `self` is the keys
                return KeySet([self.rsa, self.octet])

        return Endpoint()._validate_id_token_hint(raw('{"alg":"none"}', '{"sub":"victim"}', ""))


def raw(header: str, payload: str = "{}", signature: str = "x") -> str:
    return f"{segment(header)}.{segment(payload)}.{segment(signature)}"


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys(
        RSAKey.generate_key(2048, auto_kid=True),
        ECKey.generate_key("P-256", auto_kid=True),
        OctKey.generate_key(256, auto_kid=True),
    )


def outcome(attempt: Callable[[Keys], object], keys: Keys) -> object:
    """Return what comes back, or the name of the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning refuses nothing
        try:
            return attempt(keys)
        except Exception as error:  # noqa: BLE001  which one it is, is what we want to know
            return type(error).__name__


JOSERFC: dict[str, tuple[Callable[[Keys], object], object]] = {
    "alg none is not among the defaults": (
        lambda keys: jwt.decode(raw('{"alg":"none"}', signature=""), keys.rsa),
        "UnsupportedAlgorithmError",
    ),
    "no algorithms means the default ones": (
        lambda keys: jwt.decode(keys.signed(b"{}"), keys.rsa, algorithms=[]).claims,
        {},
    ),
    "a symmetric key in a set allows none": (
        lambda keys: "none" in [model.name for model in JWSRegistry.filter_algorithms(KeySet([keys.rsa, keys.octet]))],
        True,
    ),
    "a set signs with any of its keys": (lambda keys: keys.signing_kids(), 2),
    # joserfc 1.7.4 took it for an HMAC key
    "a public key as HMAC key": (lambda keys: OctKey.import_key(keys.rsa.as_pem(private=False)), "ValueError"),
    "a broken PEM becomes an HMAC key": (lambda _keys: import_key(BROKEN_PEM).key_type, "oct"),
    "an empty HMAC key": (lambda _keys: OctKey.import_key(""), "ValueError"),
    "JSON without signatures": (
        lambda keys: jws.deserialize_json({"payload": "e30", "signatures": []}, keys.rsa),
        "BadSignatureError",
    ),
    "crit is a number": (lambda keys: jwt.decode(raw('{"alg":"RS256","crit":5}'), keys.rsa), "TypeError"),
    "the header is a list": (lambda keys: jwt.decode(raw('["alg"]'), keys.rsa), "TypeError"),
    # joserfc 1.7.4 returned the list
    "the payload is a list": (lambda keys: keys.read(b"[1]"), "InvalidPayloadError"),
    "the payload is nested": (lambda keys: keys.read(b"[" * 1100 + b"]" * 1100), "RecursionError"),
    # joserfc 1.7.4 let both pass for unexpired
    "exp is NaN": (lambda keys: keys.check_exp(b"NaN"), "InvalidClaimError"),
    "exp is Infinity": (lambda keys: keys.check_exp(b"Infinity"), "InvalidClaimError"),
    "iss is a list with ours in it": (
        lambda _keys: jwt.JWTClaimsRegistry(iss={"value": "a"}).validate({"iss": ["a", "b"]}),
        "InvalidClaimError",
    ),
    "half a surrogate pair in a claim": (
        lambda keys: jwt.encode({"alg": "RS256"}, {"n": "\ud800"}, keys.rsa),
        "UnicodeEncodeError",
    ),
    "an RSA key in a DPoP header": (lambda keys: keys.proof_header(), "ExceededSizeError"),
    "no kid and two keys": (
        lambda keys: jwt.decode(keys.signed(b"{}"), KeySet([keys.rsa, keys.ec])),
        "InvalidKeyIdError",
    ),
    # joserfc 1.7.4 refused the whole set
    "an unknown kty in a JWK Set": (
        lambda keys: len(KeySet.import_key_set({"keys": [{"kty": "AKP"}, keys.rsa.as_dict(private=False)]}).keys),
        1,
    ),
    "a JWK Set without keys": (
        lambda _keys: KeySet.import_key_set({}),  # type: ignore[typeddict-item]
        "KeyError",
    ),
}

AUTHLIB: dict[str, tuple[Callable[[Keys], object], object]] = {
    "Basic that is not UTF-8": (
        lambda _keys: extract_basic_authorization(
            {"Authorization": "Basic " + base64.b64encode(b"\xff:x").decode("ascii")}
        ),
        "UnicodeDecodeError",
    ),
    "Basic that is not ASCII": (
        lambda _keys: extract_basic_authorization({"Authorization": "Basic \xe9"}),
        "ValueError",
    ),
    "comparing a secret that is not ASCII": (lambda _keys: secrets.compare_digest("a", "\xe9"), "TypeError"),
    "an id_token_hint that nobody signed": (lambda keys: keys.forged_hint(), {"sub": "victim"}),
    "at_hash for Ed25519": (lambda _keys: create_half_hash("t", "Ed25519"), None),
    "a javascript URL is valid": (lambda _keys: is_valid_url("javascript://x/%0aalert(1)", False), True),
    "a private-use scheme is valid": (lambda _keys: is_valid_url("com.example.app:/cb", False), False),
    "loopback as user name is secure": (lambda _keys: is_secure_transport("http://localhost:80@evil/"), False),
    "a parameter is added, not replaced": (
        lambda _keys: add_params_to_uri("https://c/cb?code=evil", [("code", "good")]),
        "https://c/cb?code=evil&code=good",
    ),
    "refresh tokens rotate": (lambda _keys: RefreshTokenGrant.INCLUDE_NEW_REFRESH_TOKEN, False),
    "the default PKCE method": (lambda _keys: CodeChallenge.DEFAULT_CODE_CHALLENGE_METHOD, "plain"),
    "the life of access tokens": (
        lambda _keys: BearerTokenGenerator.GRANT_TYPES_EXPIRES_IN["authorization_code"],
        864_000,
    ),
    "the server is asynchronous": (
        lambda _keys: any(inspect.iscoroutinefunction(member) for _, member in inspect.getmembers(AuthorizationServer)),
        False,
    ),
}


@pytest.mark.parametrize(("attempt", "expected"), JOSERFC.values(), ids=JOSERFC)
def test_joserfc_still_does_what_it_did(attempt: Callable[[Keys], object], expected: object, keys: Keys) -> None:
    assert outcome(attempt, keys) == expected


@pytest.mark.parametrize(("attempt", "expected"), AUTHLIB.values(), ids=AUTHLIB)
def test_authlib_still_does_what_it_did(attempt: Callable[[Keys], object], expected: object, keys: Keys) -> None:
    assert outcome(attempt, keys) == expected


def test_joserfc_leaves_the_name_of_a_single_key_out_of_the_header(keys: Keys) -> None:
    """RFC 7515 section 4.1.4: whoever signs must put it there."""
    header = jwt.encode({"alg": "RS256"}, {}, keys.rsa).partition(".")[0]
    assert "kid" not in json.loads(base64.urlsafe_b64decode(header + "=="))
