"""RSA keys that are made once for a test process: making them took a third of the time of a short test."""

import threading
from dataclasses import replace

from keys.generation import RSA_ALGORITHMS, GeneratedKey, generate

_made: dict[tuple[str, int], list[GeneratedKey]] = {}
_lock = threading.Lock()


class MadeKeys:
    """Gives one test its keys: each only once, as if it were new."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, int], int] = {}

    def generate(self, algorithm: str, *, rsa_bits: int = 2048) -> GeneratedKey:
        """Return a key that this test has not had yet."""
        if algorithm not in RSA_ALGORITHMS:
            return generate(algorithm)
        kind = (algorithm, rsa_bits)
        with _lock:
            number = self._given.get(kind, 0)
            self._given[kind] = number + 1
            known = _made.setdefault(kind, [])
            if len(known) == number:
                known.append(generate(algorithm, rsa_bits=rsa_bits))
            key = known[number]
        return replace(key, public_jwk=dict(key.public_jwk))
