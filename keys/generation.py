"""Making key pairs."""

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, OKPKey, RSAKey

from keys.jwe import KEY_MANAGEMENT

RSA_ALGORITHMS = frozenset({"RS256", "PS256", "RSA-OAEP-256"})
P256_ALGORITHMS = frozenset({"ES256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"})
PUBLIC_EXPONENT = 65_537
MIN_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A new pair: the `kid` is the thumbprint of RFC 7638, the private key is PKCS #8."""

    kid: str
    algorithm: str
    public_jwk: dict[str, Any]
    private_der: bytes = field(repr=False)


def generate(algorithm: str, *, rsa_bits: int = 2048) -> GeneratedKey:
    """Make a key pair for RS256, PS256, ES256 or EdDSA (Ed25519), or for an algorithm of `keys.jwe`; slow for RSA.

    Raises ValueError for another algorithm, and for an RSA key of less than 2048 bits (RFC 7518 section 3.3).
    """
    if rsa_bits < MIN_RSA_BITS:
        raise ValueError(f"an RSA key needs at least {MIN_RSA_BITS} bits")
    native: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    key: RSAKey | ECKey | OKPKey
    if algorithm in RSA_ALGORITHMS:
        native = rsa.generate_private_key(PUBLIC_EXPONENT, rsa_bits)
        key = RSAKey(native.public_key(), native.public_key())
    elif algorithm in P256_ALGORITHMS:
        native = ec.generate_private_key(ec.SECP256R1())
        key = ECKey(native.public_key(), native.public_key())
    elif algorithm == "EdDSA":
        native = ed25519.Ed25519PrivateKey.generate()
        key = OKPKey(native.public_key(), native.public_key())
    else:
        raise ValueError(f"no keys are made for {algorithm}")
    kid = key.thumbprint()
    use = "enc" if algorithm in KEY_MANAGEMENT else "sig"
    public = {**key.as_dict(private=False), "kid": kid, "use": use, "alg": algorithm}
    der = native.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return GeneratedKey(kid, algorithm, public, der)
