"""A snapshot of the signing keys: the active signer of each algorithm, and the JWK Set that is published."""

from collections.abc import Sequence
from typing import Any, Self, cast

from cryptography.hazmat.primitives.serialization import load_der_private_key

from keys.jose import JoseError, PrivateKey, Signer, VerificationKey, signer_of
from keys.sealing import Sealer, SealError
from keys.signing_key import KeyState, SigningKey

PUBLISHED = frozenset({KeyState.NEXT, KeyState.ACTIVE, KeyState.RETIRING})


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
        """Open the keys that are published, and let the active ones sign. Raises SealError where one cannot be opened.

        The public half is taken from the sealed private one: who can write rows, but lacks the root key, cannot make
        us trust a key of theirs.
        """
        signers: dict[str, Signer] = {}
        published: dict[str, dict[str, Any]] = {}
        verifiers: dict[str, VerificationKey] = {}
        for key in keys:
            if key.state not in PUBLISHED:
                continue
            signer = _open(key, sealer)
            public = signer.verification_key()
            published[key.kid] = {
                **public.key.as_dict(private=False),
                "kid": key.kid,
                "use": "sig",
                "alg": key.algorithm,
            }
            verifiers[key.kid] = public
            if key.state is KeyState.ACTIVE:
                signers[key.algorithm] = signer
        return cls(signers, published, verifiers)

    def signer(self, algorithm: str) -> Signer:
        """Return the active signer of an algorithm. Raises NoSigningKeyError."""
        try:
            return self._signers[algorithm]
        except KeyError:
            raise NoSigningKeyError(f"no active signing key for {algorithm}") from None

    def can_sign(self, algorithm: str) -> bool:
        """Whether a key of an algorithm is active."""
        return algorithm in self._signers

    def verification_key(self, kid: str) -> VerificationKey | None:
        """Return a published key by its exact id."""
        return self._verifiers.get(kid)

    def jwks(self) -> dict[str, Any]:
        """Return the JWK Set: public members only, distinct ids, never a revoked key."""
        return {"keys": [dict(jwk) for jwk in self._published.values()]}


def _open(key: SigningKey, sealer: Sealer) -> Signer:
    der = sealer.unseal(key.sealed_private, context=f"signing_key:{key.kid}")
    # We sealed it ourselves, so that its primes need not be proven again: 35 ms saved.
    private = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    try:
        return signer_of(key.kid, key.algorithm, cast("PrivateKey", private))
    except JoseError as error:
        raise SealError(f"the row of signing key {key.kid} was altered: {error.reason}") from None
