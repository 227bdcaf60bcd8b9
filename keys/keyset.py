"""A snapshot of the signing keys: the active signer of each algorithm, and the JWK Set that is published."""

from collections.abc import Sequence
from typing import Any, Self, cast

from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc.jwk import JWKRegistry

from keys.jose import Key, PrivateKey, Signer, VerificationKey, signer_of
from keys.sealing import Sealer
from keys.signing_key import KeyState, SigningKey

PUBLISHED = frozenset({KeyState.NEXT, KeyState.ACTIVE, KeyState.RETIRING})
_PUBLIC_MEMBERS = ("kty", "n", "e", "crv", "x", "y", "kid", "use", "alg")


class NoSigningKeyError(Exception):
    """No key of the algorithm is active."""


class KeySet:
    """Immutable. A change of the keys makes a new one."""

    def __init__(
        self, signers: dict[str, Signer], published: dict[str, dict[str, Any]], verifiers: dict[str, VerificationKey]
    ) -> None:
        self._signers = signers
        self._published = published
        self._verifiers = verifiers
        self.algorithms = tuple(sorted({key.algorithms[0] for key in verifiers.values()}))

    @classmethod
    def load(cls, keys: Sequence[SigningKey], sealer: Sealer) -> Self:
        """Open the active keys and publish the others. Raises SealError where an active one cannot be opened."""
        signers: dict[str, Signer] = {}
        published: dict[str, dict[str, Any]] = {}
        verifiers: dict[str, VerificationKey] = {}
        for key in keys:
            if key.state not in PUBLISHED:
                continue
            jwk = {name: key.public_jwk[name] for name in _PUBLIC_MEMBERS if name in key.public_jwk}
            published[key.kid] = jwk
            public = cast(
                "Key", JWKRegistry.import_key({k: v for k, v in jwk.items() if k not in ("use", "alg", "kid")})
            )
            verifiers[key.kid] = VerificationKey(key.kid, (key.algorithm,), public)
            if key.state is KeyState.ACTIVE:
                der = sealer.unseal(key.sealed_private, context=f"signing_key:{key.kid}")
                # We sealed it ourselves, so that its primes need not be proven again: 35 ms saved.
                private = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
                signers[key.algorithm] = signer_of(key.kid, key.algorithm, cast("PrivateKey", private))
        return cls(signers, published, verifiers)

    def signer(self, algorithm: str) -> Signer:
        """Return the active signer of an algorithm. Raises NoSigningKeyError."""
        try:
            return self._signers[algorithm]
        except KeyError:
            raise NoSigningKeyError(f"no active signing key for {algorithm}") from None

    def verification_key(self, kid: str) -> VerificationKey | None:
        """Return a published key by its exact id."""
        return self._verifiers.get(kid)

    def jwks(self) -> dict[str, Any]:
        """Return the JWK Set: public members only, distinct ids, never a revoked key."""
        return {"keys": list(self._published.values())}
