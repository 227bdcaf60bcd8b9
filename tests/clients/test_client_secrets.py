"""Client secrets: random, kept as digests, compared without telling how much was right, rotated with an overlap."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import secrets
from clients.client import ClientSecret
from tests.clients.registered import SECRET, seconds_taken, stored_secret
from tests.keys.material import NOW


def test_a_new_secret_is_256_random_bits_behind_a_prefix_that_scanners_find() -> None:
    """RFC 6819 section 5.1.4.2.2: at least 128 bits."""
    made = [secrets.new_secret() for _ in range(1000)]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"ocs_[A-Za-z0-9_-]{43}", secret) for secret in made)
    assert {len(set(column)) > 1 for column in list(zip(*made, strict=True))[4:]} == {True}


def test_a_new_secret_is_the_same_with_and_without_form_encoding() -> None:
    """RFC 6749 section 2.3.1: clients that forget to encode it must not fail now and then."""
    assert all(secrets.new_secret().replace("-", "").replace("_", "").isalnum() for _ in range(100))


def test_only_a_digest_of_fixed_length_is_kept() -> None:
    """RFC 9700 section 4.14 of tokens; for secrets the same."""
    for secret in ("", SECRET, "x" * 100_000, "ä", "\ud800", "\0"):
        kept = secrets.digest(secret)
        assert re.fullmatch(r"[0-9a-f]{64}", kept)
        assert not secret or secret not in kept


def test_the_digest_is_that_of_every_stored_secret_so_far() -> None:
    """A change of it would lock out every client."""
    assert secrets.digest("ocs_x") == hashlib.sha256(b"client_secret\0ocs_x").hexdigest()
    assert secrets.digest("ocs_x") == "dc3397986c5a8892c9cba4366caae29464f029ef332855b38fb713aeae1b0fa3"


@given(st.text(), st.text())
def test_different_secrets_have_different_digests(one: str, other: str) -> None:
    assert (secrets.digest(one) == secrets.digest(other)) is (one == other)


def test_a_digest_is_no_secret() -> None:
    """Who reads the database cannot sign in with what is there."""
    stored = stored_secret()
    assert not secrets.matches(stored.digest, [stored], NOW)


@pytest.mark.parametrize(
    "wrong", ["", " ", SECRET[:-1], SECRET + "x", SECRET.upper(), f" {SECRET}", f"{SECRET}\n", "ä\ud800"]
)
def test_only_the_secret_itself_matches(wrong: str) -> None:
    assert secrets.matches(SECRET, [stored_secret()], NOW)
    assert not secrets.matches(wrong, [stored_secret()], NOW)


def test_nothing_matches_where_nothing_is_stored() -> None:
    for secret in ("", SECRET, secrets.digest("")):
        assert not secrets.matches(secret, [], NOW)


def test_a_damaged_digest_matches_nothing() -> None:
    for digest in ("", "x", secrets.digest(SECRET)[:-1], secrets.digest(SECRET).upper()):
        assert not secrets.matches(SECRET, [ClientSecret("sec_1", digest, NOW)], NOW)
        assert not secrets.matches("", [ClientSecret("sec_1", digest, NOW)], NOW)


def test_a_secret_ends_at_its_end() -> None:
    ending = [stored_secret(expires_at=NOW + 60)]
    assert secrets.matches(SECRET, ending, NOW)
    assert secrets.matches(SECRET, ending, NOW + 59)
    assert not secrets.matches(SECRET, ending, NOW + 60)
    assert not secrets.matches(SECRET, ending, NOW + 10**9)
    assert secrets.matches(SECRET, [stored_secret()], NOW + 10**9)


@pytest.mark.parametrize("is_newest_first", [True, False])
def test_during_the_overlap_of_a_rotation_both_secrets_match(*, is_newest_first: bool) -> None:
    stored = [stored_secret("old", expires_at=NOW + 60), stored_secret("new")]
    if is_newest_first:
        stored.reverse()
    for secret, now, is_valid in (
        *(("old", NOW, True), ("old", NOW + 59, True), ("old", NOW + 60, False)),
        *(("new", NOW, True), ("new", NOW + 60, True), ("other", NOW, False)),
    ):
        assert secrets.matches(secret, stored, now) is is_valid


def test_a_secret_that_was_given_twice_is_valid_as_long_as_one_of_them() -> None:
    both = [stored_secret(expires_at=NOW), stored_secret(expires_at=NOW + 60), stored_secret(expires_at=NOW - 1)]
    assert secrets.matches(SECRET, both, NOW + 59)
    assert not secrets.matches(SECRET, both, NOW + 60)


def test_a_right_secret_costs_as_much_as_a_wrong_one() -> None:
    """The comparison goes through all of them, whichever is right."""
    stored = [stored_secret(f"secret {number}") for number in range(2000)]
    first, last, none = (
        seconds_taken(lambda secret=secret: secrets.matches(secret, stored, NOW))  # type: ignore[misc]
        for secret in ("secret 0", "secret 1999", "no secret")
    )
    # A comparison that stops at the first hit would take a thousandth of the time.
    assert min(first, last, none) > max(first, last, none) / 10
