import asyncio
import threading
from collections.abc import AsyncIterator

import argon2
import pytest

from server.accounts.passwords import PasswordHasher, PasswordHasherBusyError, Verification, prepare

COMPOSED, DECOMPOSED = "caf\u00e9 au lait", "cafe\u0301 au lait"


@pytest.fixture
async def hasher() -> AsyncIterator[PasswordHasher]:
    made = PasswordHasher(time_cost=1, memory_kib=64, parallel=2, queue=4)
    yield made
    made.close()


async def test_a_password_verifies_against_its_own_hash_only(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("correct horse")
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert await hasher.verify(stored, "correct horse") == Verification(is_valid=True, needs_rehash=False)
    assert await hasher.verify(stored, "wrong horse") == Verification(is_valid=False)


async def test_two_hashes_of_one_password_differ(hasher: PasswordHasher) -> None:
    assert await hasher.hash("correct horse") != await hasher.hash("correct horse")


@pytest.mark.parametrize(("one", "other"), [(COMPOSED, DECOMPOSED), ("a\u00a0b\u3000c", "a b c")])
async def test_composition_and_kind_of_space_make_no_difference(hasher: PasswordHasher, one: str, other: str) -> None:
    """RFC 8265 section 4.2.2."""
    assert (await hasher.verify(await hasher.hash(one), other)).is_valid
    assert (await hasher.verify(await hasher.hash(other), one)).is_valid


async def test_case_and_outer_spaces_make_a_difference(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("Correct horse")
    assert not (await hasher.verify(stored, "correct horse")).is_valid
    assert not (await hasher.verify(stored, "Correct horse ")).is_valid


@pytest.mark.parametrize("password", ["nul\0inside", "lone \ud800 surrogate", "🦉" * 256])
async def test_any_text_can_be_a_password(hasher: PasswordHasher, password: str) -> None:
    assert (await hasher.verify(await hasher.hash(password), password)).is_valid


@pytest.mark.parametrize("password", ["", "a" * 1025, "é" * 513, "🦉" * 257, "a" * 1_000_000])
async def test_nothing_empty_or_longer_than_1024_bytes_is_hashed(hasher: PasswordHasher, password: str) -> None:
    with pytest.raises(ValueError, match="1024"):
        await hasher.hash(password)
    assert not (await hasher.verify(await hasher.hash("something"), password)).is_valid


def test_the_limit_is_in_bytes_after_composition() -> None:
    decomposed = "e\u0301" * 512
    assert prepare(decomposed) == ("\u00e9" * 512).encode()
    assert prepare("\u0390" * 512) is not None  # decomposes to three characters each
    assert prepare("\u03b9\u0308\u0301" * 512) == ("\u0390" * 512).encode()


@pytest.mark.parametrize("stored", [None, "", "no hash", "$argon2id$v=19$m=64,t=1,p=1$c2hvcnQ$broken"])
async def test_no_hash_and_a_broken_one_are_a_wrong_password(hasher: PasswordHasher, stored: str | None) -> None:
    assert await hasher.verify(stored, "anything") == Verification(is_valid=False)


async def test_an_unknown_account_costs_a_whole_hash(hasher: PasswordHasher, verified: list[str]) -> None:
    await hasher.verify(None, "anything")
    await hasher.verify(await hasher.hash("something"), "x" * 2000)
    assert len(verified) == 2
    assert all(argon2.extract_parameters(stored).memory_cost == 64 for stored in verified)


async def test_weaker_parameters_ask_for_a_new_hash() -> None:
    weak = PasswordHasher(time_cost=1, memory_kib=64, parallel=1, queue=1)
    strong = PasswordHasher(time_cost=2, memory_kib=128, parallel=1, queue=1)
    stored = await weak.hash("correct horse")
    assert await strong.verify(stored, "correct horse") == Verification(is_valid=True, needs_rehash=True)
    assert await strong.verify(stored, "wrong horse") == Verification(is_valid=False, needs_rehash=False)
    weak.close()
    strong.close()


async def test_a_full_queue_refuses_at_once_and_recovers() -> None:
    hasher = PasswordHasher(time_cost=1, memory_kib=64, parallel=1, queue=1)
    gate = threading.Event()
    waiting = [asyncio.ensure_future(hasher.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(PasswordHasherBusyError):
        await hasher.verify(None, "anything")
    gate.set()
    await asyncio.gather(*waiting)
    assert not (await hasher.verify(None, "anything")).is_valid
    hasher.close()


async def test_a_caller_who_leaves_does_not_keep_the_place() -> None:
    hasher = PasswordHasher(time_cost=1, memory_kib=64, parallel=1, queue=1)
    gate = threading.Event()
    running, queued = (asyncio.ensure_future(hasher.run(gate.wait)) for _ in range(2))
    await asyncio.sleep(0)
    queued.cancel()
    await asyncio.wait([queued])
    running.cancel()
    await asyncio.wait([running])
    after = asyncio.ensure_future(hasher.hash("after"))  # the queued place is free, the running one is not
    await asyncio.sleep(0)
    with pytest.raises(PasswordHasherBusyError):
        await hasher.hash("too many")
    gate.set()
    assert await after
    hasher.close()


async def test_the_event_loop_stays_free_while_hashing(hasher: PasswordHasher) -> None:
    threads: list[str] = []
    await hasher.run(lambda: threads.append(threading.current_thread().name))
    assert threads[0].startswith("argon2")
