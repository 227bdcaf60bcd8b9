r"""Password hashes that other systems made. People keep their passwords; the first sign-in makes argon2id of them.

What is read, and what it looks like (B64 is base64 with `+` or `.`, with or without `=`):

- bcrypt: `$2a$`, `$2b$` or `$2y$`, Django's `bcrypt$$2b$...` and `bcrypt_sha256$$2b$...`. Bytes after the 72nd of a
  password were ignored where the hash was made, and are ignored here until it is replaced;
- PBKDF2 with SHA-1, SHA-256 or SHA-512: Django's `pbkdf2_sha256$ITERATIONS$SALT$B64`, passlib's
  `$pbkdf2-sha256$ITERATIONS$B64SALT$B64` (`$pbkdf2$` is SHA-1) and `$pbkdf2-sha256$i=ITERATIONS[,l=BYTES]$B64SALT$B64`.
  For Keycloak write the last one: `credentialData` has the algorithm and `hashIterations`, `secretData` has `salt` and
  `value` in B64, as they are;
- scrypt: Django's `scrypt$N$SALT$R$P$B64`, and `$scrypt$ln=LOG2N,r=R,p=P$B64SALT$B64`;
- SHA-256 without salt: 64 hex digits, stored as `sha256$HEX`. It protects nothing if it leaks;
- argon2: `$argon2id$`, `$argon2i$`, `$argon2d$`, and Django's `argon2$argon2id$...`.

Each is bounded, so that no imported row can hold a thread for more than a few seconds. Sign-in to an account with such
a hash takes the time of that hash: until its person has signed in once, it can be told from other accounts.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

import argon2
import bcrypt
from argon2.exceptions import InvalidHashError

MAX_LENGTH = 512
UNSALTED_PREFIX = "sha256$"
BCRYPT_BYTES = 72
BCRYPT_DIGEST_CHARACTERS = 31
MIN_BCRYPT_COST, MAX_BCRYPT_COST = 4, 15
MAX_PBKDF2_ROUNDS = 6_000_000
"""Iterations times blocks of output."""
MAX_SCRYPT_MEMORY = 256 * 1024 * 1024
MAX_SCRYPT_WORK = 2**21
"""N times r times p."""
MAX_ARGON2_MEMORY_KIB = 1_048_576
MAX_ARGON2_WORK = 4 * MAX_ARGON2_MEMORY_KIB
"""KiB times passes."""
MAX_ARGON2_LANES = 64
MIN_DIGEST_BYTES, MAX_DIGEST_BYTES = 16, 128
"""Fewer would let wrong passwords pass."""
_DIGEST_SIZES = {"sha1": 20, "sha256": 32, "sha512": 64}

_BCRYPT = re.compile(r"(bcrypt\$|bcrypt_sha256\$)?(\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53})")
_PBKDF2_DJANGO = re.compile(r"pbkdf2_(sha1|sha256|sha512)\$([0-9]{1,9})\$([^$]{1,128})\$([A-Za-z0-9+/]+=*)")
_PBKDF2 = re.compile(
    r"\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?([0-9]{1,9})(?:,l=([0-9]{1,3}))?"
    r"\$([A-Za-z0-9+/.]+=*)\$([A-Za-z0-9+/.]+=*)"
)
_SCRYPT_DJANGO = re.compile(r"scrypt\$([0-9]{1,9})\$([^$]{1,128})\$([0-9]{1,4})\$([0-9]{1,4})\$([A-Za-z0-9+/]+=*)")
_SCRYPT = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,4}),p=([0-9]{1,4})\$([A-Za-z0-9+/.]+=*)\$([A-Za-z0-9+/.]+=*)"
)
_SHA256 = re.compile(r"(?:sha256\$)?([0-9A-Fa-f]{64})")
_ARGON2 = re.compile(r"(?:argon2)?(\$argon2(?:id|i|d)\$.+)")


class UnreadableHashError(ValueError):
    """The text is no hash that can be verified here; the message says why and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class ForeignHash:
    """A parsed hash: what a password must come to, and how to get there."""

    text: str
    """The form in which it is stored."""
    digest: bytes
    compute: Callable[[bytes], bytes]
    is_fast: bool = False
    """Whether computing it takes next to no time."""

    def matches(self, password: bytes) -> bool:
        """Whether the password is the one; in constant time for the digest."""
        return hmac.compare_digest(self.compute(password), self.digest)


def checked(text: str) -> str:
    """Return a hash of another system in the form in which it is stored. Raises UnreadableHashError."""
    argon2_hash = _ARGON2.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if argon2_hash is not None:
        return _checked_argon2(argon2_hash[1])
    found = parse(text)
    if found is None:
        raise UnreadableHashError(
            "this is none of the hashes that can be verified: bcrypt, PBKDF2, scrypt, argon2, SHA-256 in hex"
        )
    return found.text


def parse(text: str) -> ForeignHash | None:
    """Read a hash other than argon2; None where it is none of the known forms. Raises UnreadableHashError."""
    if len(text) > MAX_LENGTH:
        return None
    for pattern, read in _READERS:
        match = pattern.fullmatch(text)
        if match is not None:
            return read(match)
    return None


def _bcrypt(match: re.Match[str]) -> ForeignHash:
    outer, own, cost = match[1], match[2], int(match[3])
    if not MIN_BCRYPT_COST <= cost <= MAX_BCRYPT_COST:
        raise UnreadableHashError(f"the cost of bcrypt must be {MIN_BCRYPT_COST} to {MAX_BCRYPT_COST}")
    is_prehashed = outer == "bcrypt_sha256$"

    def compute(password: bytes) -> bytes:
        # Django hashes first, so that all bytes count.
        given = hashlib.sha256(password).hexdigest().encode() if is_prehashed else password[:BCRYPT_BYTES]
        return bcrypt.hashpw(given, own.encode("ascii"))[-BCRYPT_DIGEST_CHARACTERS:]

    digest = own[-BCRYPT_DIGEST_CHARACTERS:].encode("ascii")
    return ForeignHash(outer + own if is_prehashed else own, digest, compute)


def _pbkdf2_django(match: re.Match[str]) -> ForeignHash:
    return _pbkdf2(match[0], match[1], int(match[2]), match[3].encode(), _decoded(match[4]))


def _pbkdf2_phc(match: re.Match[str]) -> ForeignHash:
    digest = _decoded(match[5])
    if match[3] is not None and int(match[3]) != len(digest):
        raise UnreadableHashError("the length that the hash states is not the one that it has")
    return _pbkdf2(match[0], match[1] or "sha1", int(match[2]), _decoded(match[4]), digest)


def _pbkdf2(text: str, algorithm: str, iterations: int, salt: bytes, digest: bytes) -> ForeignHash:
    _check_digest(digest)
    blocks = -(-len(digest) // _DIGEST_SIZES[algorithm])
    if not 1 <= iterations * blocks <= MAX_PBKDF2_ROUNDS:
        raise UnreadableHashError(f"PBKDF2 may have 1 to {MAX_PBKDF2_ROUNDS // blocks} iterations")
    return ForeignHash(
        text, digest, lambda password: hashlib.pbkdf2_hmac(algorithm, password, salt, iterations, len(digest))
    )


def _scrypt_django(match: re.Match[str]) -> ForeignHash:
    return _scrypt(
        match[0], (int(match[1]), int(match[3]), int(match[4])), match[2].encode("utf-8"), _decoded(match[5])
    )


def _scrypt_phc(match: re.Match[str]) -> ForeignHash:
    return _scrypt(match[0], (2 ** int(match[1]), int(match[2]), int(match[3])), _decoded(match[4]), _decoded(match[5]))


def _scrypt(text: str, cost: tuple[int, int, int], salt: bytes, digest: bytes) -> ForeignHash:
    _check_digest(digest)
    n, r, p = cost
    # RFC 7914 section 2: N is a power of two above 1.
    is_possible = n > 1 and n & (n - 1) == 0 and r > 0 and p > 0
    if not is_possible or 128 * n * r > MAX_SCRYPT_MEMORY or n * r * p > MAX_SCRYPT_WORK:
        raise UnreadableHashError("the cost of scrypt is out of bounds: N=131072, r=8, p=2 is about the most")
    memory = 2 * MAX_SCRYPT_MEMORY
    return ForeignHash(
        text,
        digest,
        lambda password: hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=len(digest)),
    )


def _sha256(match: re.Match[str]) -> ForeignHash:
    digest = bytes.fromhex(match[1])
    return ForeignHash(
        UNSALTED_PREFIX + digest.hex(), digest, lambda password: hashlib.sha256(password).digest(), is_fast=True
    )


def _checked_argon2(text: str) -> str:
    try:
        parameters = argon2.extract_parameters(text)
    except (InvalidHashError, ValueError):
        raise UnreadableHashError("the argon2 hash is not complete") from None
    memory, passes, lanes = parameters.memory_cost, parameters.time_cost, parameters.parallelism
    is_bounded = 1 <= lanes <= MAX_ARGON2_LANES and 8 * lanes <= memory <= MAX_ARGON2_MEMORY_KIB
    if not is_bounded or not 1 <= memory * passes <= MAX_ARGON2_WORK:
        raise UnreadableHashError("the cost of argon2 is out of bounds: m=1048576,t=4,p=64 is the most")
    if parameters.hash_len < MIN_DIGEST_BYTES:
        raise UnreadableHashError(f"the hash itself must have at least {MIN_DIGEST_BYTES} bytes")
    return text


def _check_digest(digest: bytes) -> None:
    if not MIN_DIGEST_BYTES <= len(digest) <= MAX_DIGEST_BYTES:
        raise UnreadableHashError(f"the hash itself must have {MIN_DIGEST_BYTES} to {MAX_DIGEST_BYTES} bytes")


def _decoded(text: str) -> bytes:
    plain = text.rstrip("=").replace(".", "+")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        raise UnreadableHashError("a part of the hash is not base64") from None


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ForeignHash]], ...] = (
    (_BCRYPT, _bcrypt),
    (_PBKDF2_DJANGO, _pbkdf2_django),
    (_PBKDF2, _pbkdf2_phc),
    (_SCRYPT_DJANGO, _scrypt_django),
    (_SCRYPT, _scrypt_phc),
    (_SHA256, _sha256),
)
