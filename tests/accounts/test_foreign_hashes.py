"""Hashes of other systems: known ones from their documentation, and fresh ones from the libraries that they use."""

import base64
import hashlib
import time
from collections.abc import AsyncIterator

import argon2
import bcrypt
import pytest

from server.accounts import foreign_hashes
from server.accounts.foreign_hashes import UnreadableHashError, checked, parse
from server.accounts.passwords import PasswordHasher, Verification

DJANGO_SCRYPT = "Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="
KNOWN = {
    "Django PBKDF2": ("lètmein", "pbkdf2_sha256$260000$seasalt$YlZ2Vggtqdc61YjArZuoApoBh9JNGYoDRBUGu6tcJQo="),
    "Django scrypt": (
        "lètmein",
        "scrypt$16384$seasalt$8$1$" + DJANGO_SCRYPT,
    ),
    "passlib PBKDF2": (
        "password",
        "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44",
    ),
    "passlib scrypt": (
        "password",
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
    ),
    "passlib bcrypt": ("password", "$2b$12$GhvMmNVjRW29ulnudl.LbuAnUtN/LRfe1JsBm1Xu6LE3059z5Tr8m"),
    "SHA-256": ("password", "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"),
}
PASSWORD = "pässword of old times"
RAW = PASSWORD.encode()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def bare(raw: bytes) -> str:
    return b64(raw).rstrip("=")


def pbkdf2(algorithm: str, size: int, iterations: int = 1000) -> bytes:
    return hashlib.pbkdf2_hmac(algorithm, RAW, b"0123456789abcdef", iterations, size)


def scrypt(n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(RAW, salt=b"0123456789abcdef", n=n, r=r, p=p, dklen=64)


SALT = bare(b"0123456789abcdef")
BCRYPT = bcrypt.hashpw(RAW, bcrypt.gensalt(4)).decode()
PREHASHED = bcrypt.hashpw(hashlib.sha256(RAW).hexdigest().encode(), bcrypt.gensalt(4)).decode()
FRESH = [
    BCRYPT,
    "$2a$" + BCRYPT[4:],
    "$2y$" + BCRYPT[4:],
    "bcrypt$" + BCRYPT,
    "bcrypt_sha256$" + PREHASHED,
    f"pbkdf2_sha1$1000$0123456789abcdef${b64(pbkdf2('sha1', 20))}",
    f"pbkdf2_sha256$1000$0123456789abcdef${b64(pbkdf2('sha256', 32))}",
    f"$pbkdf2${1000}${SALT}${bare(pbkdf2('sha1', 20)).replace('+', '.')}",
    f"$pbkdf2-sha512$1000${SALT}${bare(pbkdf2('sha512', 64)).replace('+', '.')}",
    f"$pbkdf2-sha256$i=1000${SALT}${b64(pbkdf2('sha256', 64))}",  # Keycloak's length
    f"$pbkdf2-sha256$i=1000,l=32${SALT}${bare(pbkdf2('sha256', 32))}",
    f"scrypt$16$0123456789abcdef$4$2${b64(scrypt(16, 4, 2))}",
    f"$scrypt$ln=4,r=4,p=2${SALT}${bare(scrypt(16, 4, 2))}",
    hashlib.sha256(RAW).hexdigest(),
    hashlib.sha256(RAW).hexdigest().upper(),
    "sha256$" + hashlib.sha256(RAW).hexdigest(),
    argon2.PasswordHasher(1, 64, 2, type=argon2.Type.I).hash(RAW),
    "argon2" + argon2.PasswordHasher(1, 64, 1).hash(RAW),
]


@pytest.fixture
async def hasher() -> AsyncIterator[PasswordHasher]:
    made = PasswordHasher(time_cost=1, memory_kib=32, parallel=2, queue=4)
    yield made
    made.close()


@pytest.mark.parametrize("name", KNOWN)
async def test_documented_hashes_are_verified(hasher: PasswordHasher, name: str) -> None:
    password, stored = KNOWN[name]
    assert await hasher.verify(checked(stored), password) == Verification(is_valid=True, needs_rehash=True)
    assert await hasher.verify(checked(stored), password + "x") == Verification(is_valid=False)


@pytest.mark.parametrize("stored", FRESH, ids=[str(number) for number in range(len(FRESH))])
async def test_every_form_is_verified_and_asks_to_be_replaced(hasher: PasswordHasher, stored: str) -> None:
    assert await hasher.verify(checked(stored), PASSWORD) == Verification(is_valid=True, needs_rehash=True)
    assert await hasher.verify(checked(stored), "pässword of new times") == Verification(is_valid=False)
    assert checked(checked(stored)) == checked(stored)


async def test_bcrypt_counts_the_first_72_bytes_as_it_did_where_the_hash_was_made(hasher: PasswordHasher) -> None:
    stored = bcrypt.hashpw(b"a" * 72, bcrypt.gensalt(4)).decode()
    assert (await hasher.verify(stored, "a" * 72 + "anything")).is_valid
    assert not (await hasher.verify(stored, "a" * 71)).is_valid
    cut_inside_a_letter = bcrypt.hashpw(("a" * 71 + "é").encode()[:72], bcrypt.gensalt(4)).decode()
    assert (await hasher.verify(cut_inside_a_letter, "a" * 71 + "é and more")).is_valid


async def test_what_was_hashed_as_typed_or_composed_is_found_either_way(hasher: PasswordHasher) -> None:
    decomposed, composed = "cafe\u0301 au lait", "caf\u00e9 au lait"
    for typed in (decomposed, composed):
        stored = "sha256$" + hashlib.sha256(composed.encode()).hexdigest()
        assert (await hasher.verify(stored, typed)).is_valid
    as_it_was = "sha256$" + hashlib.sha256(decomposed.encode()).hexdigest()
    assert (await hasher.verify(as_it_was, decomposed)).is_valid


@pytest.mark.parametrize("password", ["", "x" * 1025, "lone \ud800 surrogate", "nul\0inside"])
@pytest.mark.parametrize("stored", [BCRYPT, FRESH[6], FRESH[11], FRESH[15]], ids=["bcrypt", "6", "11", "15"])
async def test_no_password_is_an_error(hasher: PasswordHasher, stored: str, password: str) -> None:
    assert await hasher.verify(stored, password) == Verification(is_valid=False)


DIGEST = bare(bytes(32))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "password",
        "!",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$6$salt$" + "x" * 86,
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "sha256$salt$" + "0" * 64,
        "$2b$03$" + "a" * 53,
        "$2b$16$" + "a" * 53,
        "$2x$12$" + "a" * 53,
        "$2b$12$" + "a" * 52,
        "$2b$12$" + "a" * 53 + "\n",
        f"$pbkdf2-sha256$0${SALT}${DIGEST}",
        f"$pbkdf2-sha256$6000001${SALT}${DIGEST}",
        f"$pbkdf2-sha256$3000001${SALT}${bare(bytes(64))}",
        f"$pbkdf2-sha256$999999999999${SALT}${DIGEST}",
        f"$pbkdf2-sha256$1000${SALT}${bare(bytes(15))}",
        f"$pbkdf2-sha256$1000${SALT}${bare(bytes(129))}",
        f"$pbkdf2-sha256$i=1000,l=16${SALT}${DIGEST}",
        f"$pbkdf2-sha256$1000$A${DIGEST}",
        f"$pbkdf2-md5$1000${SALT}${DIGEST}",
        f"pbkdf2_sha256$1000$${DIGEST}=",
        f"pbkdf2_sha256$1000$salt${DIGEST}$",
        f"scrypt$15$salt$8$1${DIGEST}",
        f"scrypt$1$salt$8$1${DIGEST}",
        f"scrypt$1048576$salt$8$1${DIGEST}",
        f"scrypt$131072$salt$8$3${DIGEST}",
        f"scrypt$16$salt$0$1${DIGEST}",
        f"$scrypt$ln=99,r=8,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=1048577,t=1,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=1048576,t=5,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=64,t=1,p=65${SALT}${DIGEST}",
        f"$argon2id$v=19$m=64,t=0,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=64,t=1,p=1${SALT}$AAAA",
        "$argon2id$v=19$m=64,t=1,p=1",
        "$argon2id$v=19$m=64,t=1,p=1$" + "A" * 600,
    ],
)
def test_what_cannot_be_verified_or_costs_too_much_is_refused_at_import(text: str) -> None:
    with pytest.raises(UnreadableHashError) as refusal:
        checked(text)
    assert len(text) < 5 or text not in str(refusal.value)


@pytest.mark.parametrize(
    "stored", [f"$pbkdf2-sha256$6000001${SALT}${DIGEST}", f"scrypt$1048576$salt$8$1${DIGEST}", "$2b$31$" + "a" * 53]
)
async def test_a_row_that_costs_too_much_is_a_wrong_password_at_once(hasher: PasswordHasher, stored: str) -> None:
    started = time.perf_counter()
    assert await hasher.verify(stored, "anything") == Verification(is_valid=False)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("text", ["sha256$" + "0" * 64 + "0" * 10_000, "$pbkdf2-sha256$" + "$" * 10_000, "$2b$" * 9999])
def test_hostile_text_is_refused_at_once(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(UnreadableHashError):
        checked(text)
    assert time.perf_counter() - started < 0.1


def test_only_the_digest_is_compared_and_all_of_it() -> None:
    found = parse(BCRYPT)
    assert found is not None
    assert len(found.digest) == foreign_hashes.BCRYPT_DIGEST_CHARACTERS
    assert found.matches(RAW)
    assert not found.matches(RAW[:-1])


async def test_a_wrong_password_for_a_fast_hash_costs_a_whole_argon2_hash(
    hasher: PasswordHasher, verified: list[str]
) -> None:
    await hasher.verify(FRESH[15], "wrong")
    assert len(verified) == 1


async def test_the_hash_that_replaces_a_foreign_one_is_ours(hasher: PasswordHasher) -> None:
    assert (await hasher.verify(checked(KNOWN["SHA-256"][1]), "password")).needs_rehash
    fresh = await hasher.hash("password")
    assert await hasher.verify(fresh, "password") == Verification(is_valid=True, needs_rehash=False)
