"""Hashing passwords with argon2id (RFC 9106), off the event loop, in a bounded pool with a bounded queue."""

import asyncio
import base64
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

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
    """Whether the hash was made with weaker parameters than the present ones."""


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
        return await self._run(lambda: self._argon2.hash(prepared))

    async def verify(self, password_hash: str | None, password: str) -> Verification:
        """Compare a password with a hash. Raises PasswordHasherBusyError.

        No hash (nobody has the account, or it has no password) takes as long as a wrong password.
        """
        return await self._run(lambda: self._verify(password_hash, prepare(password)))

    def _verify(self, password_hash: str | None, prepared: bytes | None) -> Verification:
        if password_hash is None or prepared is None:
            self._is_match(self._dummy_hash, prepared or b" ")
            return Verification(is_valid=False)
        try:
            if not self._is_match(password_hash, prepared):
                return Verification(is_valid=False)
            return Verification(is_valid=True, needs_rehash=self._argon2.check_needs_rehash(password_hash))
        except InvalidHashError:
            self._is_match(self._dummy_hash, prepared)
            return Verification(is_valid=False)

    def _is_match(self, password_hash: str, prepared: bytes) -> bool:
        try:
            return self._argon2.verify(password_hash, prepared)
        except VerificationError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
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
