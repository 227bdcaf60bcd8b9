"""A snapshot of the keys: the active signer of each algorithm, what decrypts, and the JWK Set that is published."""

from collections.abc import Sequence
from typing import Any, Self, cast

from cryptography.hazmat.primitives.serialization import load_der_private_key

from keys import jwe
from keys.jose import JoseError, PrivateKey, Signer, VerificationKey, signer_of
from keys.jwe import Decrypter
from keys.sealing import Sealer, SealError
from keys.signing_key import KeyState, KeyUse, SigningKey

PUBLISHED = frozenset({KeyState.NEXT, KeyState.ACTIVE, KeyState.RETIRING})


class NoSigningKeyError(Exception):
    """No key of the algorithm is active."""


class KeySet:
    """Immutable. A change of the keys makes a new one."""

    def __init__(
        self,
        signers: dict[str, Signer],
        published: dict[str, dict[str, Any]],
        verifiers: dict[str, VerificationKey],
        decrypters: Sequence[Decrypter] = (),
    ) -> None:
        self._signers = signers
        self._published = published
        self._verifiers = verifiers
        self._decrypters = tuple(decrypters)
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
        decrypters: list[Decrypter] = []
        for key in sorted(keys, key=lambda key: key.use is KeyUse.ENCRYPTION):
            if key.state not in PUBLISHED:
                continue
            if key.use is KeyUse.ENCRYPTION:
                decrypter = _open_decrypter(key, sealer)
                decrypters.append(decrypter)
                if key.state is KeyState.ACTIVE:  # nobody shall begin to use one that comes or goes
                    published[key.kid] = decrypter.public_jwk()
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
        return cls(signers, published, verifiers, decrypters)

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

    def decrypt(self, token: str) -> str:
        """Return the JWT inside a JWE that was encrypted to one of our keys. Raises JoseError."""
        return jwe.decrypt(token, self._decrypters)

    def jwks(self) -> dict[str, Any]:
        """Return the JWK Set: public members only, distinct ids, never a revoked key."""
        return {"keys": [dict(jwk) for jwk in self._published.values()]}


def _load(key: SigningKey, sealer: Sealer) -> Any:
    der = sealer.unseal(key.sealed_private, context=f"signing_key:{key.kid}")
    # We sealed it ourselves, so that its primes need not be proven again: 35 ms saved.
    return load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)


def _open_decrypter(key: SigningKey, sealer: Sealer) -> Decrypter:
    try:
        return Decrypter.of(key.kid, key.algorithm, _load(key, sealer))
    except JoseError as error:
        raise SealError(f"the row of encryption key {key.kid} was altered: {error.reason}") from None


def _open(key: SigningKey, sealer: Sealer) -> Signer:
    try:
        return signer_of(key.kid, key.algorithm, cast("PrivateKey", _load(key, sealer)))
    except JoseError as error:
        raise SealError(f"the row of signing key {key.kid} was altered: {error.reason}") from None
