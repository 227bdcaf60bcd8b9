"""Keys and hand-made tokens for the tests of `keys`."""

import base64
import functools
import json
from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_private_key

from keys.generation import GeneratedKey, generate
from keys.jose import Signer, VerificationKey, signer_of

NOW = 1_800_000_000
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


@functools.cache
def _pair(algorithm: str, _number: int) -> GeneratedKey:
    return generate(algorithm)


@functools.cache
def _signer(algorithm: str, number: int) -> Signer:
    pair = _pair(algorithm, number)
    private: Any = load_der_private_key(pair.private_der, None, unsafe_skip_rsa_key_validation=True)
    return signer_of(pair.kid, algorithm, private)


def key_pair(algorithm: str = "ES256", number: int = 1) -> GeneratedKey:
    """A key pair that is made once a run; another number is another pair."""
    return _pair(algorithm, number)


def signer(algorithm: str = "ES256", number: int = 1) -> Signer:
    return _signer(algorithm, number)


def verifier(algorithm: str = "ES256", number: int = 1) -> VerificationKey:
    return signer(algorithm, number).verification_key()


def segment(raw: bytes | str | dict[str, Any]) -> str:
    if isinstance(raw, dict):
        raw = json.dumps(raw)
    if isinstance(raw, str):
        raw = raw.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jws(header: bytes | str | dict[str, Any], payload: bytes | str | dict[str, Any], algorithm: str = "ES256") -> str:
    """A token with any header and payload whatever, truly signed with our key."""
    made = signer(algorithm)
    signing_input = f"{segment(header)}.{segment(payload)}"
    return f"{signing_input}.{segment(made._model.sign(signing_input.encode(), made._key))}"
