"""Hashing passwords with argon2id (RFC 9106), off the event loop, in a bounded pool with a bounded queue.

Hashes that came from elsewhere are verified as well, see `foreign_hashes.py`, and ask to be replaced.
"""

import asyncio
import base64
import os
import threading
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from server.accounts import foreign_hashes
from server.accounts.foreign_hashes import ForeignHash, UnreadableHashError

T = TypeVar("T")

MAX_BYTES = 1024
_MAX_DECOMPOSED_LENGTH = 2 * MAX_BYTES
"""No text of more characters is under MAX_BYTES after composition, and composing must not take long either."""
SALT_BYTES = 16
HASH_BYTES = 32


class PasswordHasherBusyError(Exception):
    """As many passwords as may wait are waiting: answer 503 and let the caller come back."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What came out of comparing a password with a hash."""

    is_valid: bool
    needs_rehash: bool = False
    """Whether the hash was made with weaker parameters than the present ones, or by another system."""


def prepare(password: str) -> bytes | None:
    """Return the bytes that are hashed, None where the password is empty or has more than 1024 of them.

    RFC 8265 section 4.2.2 (OpaqueString): any space becomes the ASCII space, then NFC. The same at set and at verify.
    """
    if len(password) > _MAX_DECOMPOSED_LENGTH:
        return None
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    # A lone surrogate cannot be typed, only be sent as a JSON escape: it must not be an error of ours.
    prepared = unicodedata.normalize("NFC", spaced).encode("utf-8", "surrogatepass")
    return prepared if 0 < len(prepared) <= MAX_BYTES else None


class PasswordHasher:
    """Computes `parallel` hashes at once (0: one per core) and lets `queue` more wait. Memory is in KiB per hash."""

    def __init__(self, time_cost: int, memory_kib: int, parallel: int, queue: int) -> None:
        workers = parallel or os.cpu_count() or 1
        self._argon2 = argon2.PasswordHasher(
            time_cost=time_cost,
            memory_cost=memory_kib,
            parallelism=1,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
            type=argon2.Type.ID,
        )
        self._dummy_hash = _dummy_hash(time_cost, memory_kib)
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="argon2")
        self._places = threading.BoundedSemaphore(workers + queue)

    async def hash(self, password: str) -> str:
        """Return the PHC string of a password. Raises PasswordHasherBusyError, and ValueError over 1024 bytes."""
        prepared = prepare(password)
        if prepared is None:
            raise ValueError("a password has 1 to 1024 bytes")
        return await self.run(lambda: self._argon2.hash(prepared))

    async def verify(self, password_hash: str | None, password: str) -> Verification:
        """Compare a password with a hash. Raises PasswordHasherBusyError.

        No hash (nobody has the account, or it has no password) takes as long as a wrong password.
        """
        return await self.run(lambda: self._verify(password_hash, password))

    async def matches_any(self, password_hashes: Iterable[str], password: str) -> bool:
        """Whether the password is that of one of the hashes. Raises PasswordHasherBusyError.

        Each is a job of its own: others get their turn in between.
        """
        for password_hash in password_hashes:
            if (await self.verify(password_hash, password)).is_valid:
                return True
        return False

    def _verify(self, password_hash: str | None, password: str) -> Verification:
        prepared = prepare(password)
        if password_hash is None or prepared is None:
            return self._refuse(prepared)
        try:
            foreign = foreign_hashes.parse(password_hash)
            if foreign is not None:
                return self._verify_foreign(foreign, password, prepared)
            if not self._is_match(password_hash, prepared):
                return Verification(is_valid=False)
            return Verification(is_valid=True, needs_rehash=self._argon2.check_needs_rehash(password_hash))
        except (InvalidHashError, UnreadableHashError):
            return self._refuse(prepared)

    def _refuse(self, prepared: bytes | None) -> Verification:
        self._is_match(self._dummy_hash, prepared or b" ")
        return Verification(is_valid=False)

    def _verify_foreign(self, foreign: ForeignHash, password: str, prepared: bytes) -> Verification:
        # The other system hashed what was typed, without preparing it; a new keyboard may compose differently.
        typed = password.encode("utf-8", "surrogatepass")
        if any(foreign.matches(candidate) for candidate in dict.fromkeys((typed, prepared))):
            return Verification(is_valid=True, needs_rehash=True)
        # An answer that comes at once would tell that the account exists.
        return self._refuse(prepared) if foreign.is_fast else Verification(is_valid=False)

    def _is_match(self, password_hash: str, prepared: bytes) -> bool:
        try:
            return self._argon2.verify(password_hash, prepared)
        except VerificationError:
            return False

    async def run(self, work: Callable[[], T]) -> T:
        """Do slow work that belongs to passwords in the pool. Raises PasswordHasherBusyError."""
        if not self._places.acquire(blocking=False):
            raise PasswordHasherBusyError("too many passwords are waiting to be checked")
        try:
            future = self._pool.submit(work)
        except BaseException:
            self._places.release()
            raise
        # The place is free when the thread is done, not when the caller has gone away.
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Stop the threads; what waits is dropped, what runs ends."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _dummy_hash(time_cost: int, memory_kib: int) -> str:
    # Verifying costs what the parameters say, whatever the digest: no password has this one.
    salt, digest = (base64.b64encode(bytes(size)).rstrip(b"=").decode() for size in (SALT_BYTES, HASH_BYTES))
    return f"$argon2id$v=19$m={memory_kib},t={time_cost},p=1${salt}${digest}"
