import time

import pytest

from server.accounts import common_passwords, password_policy
from server.accounts.password_policy import check, words_of


def test_a_long_phrase_needs_no_kinds_of_characters() -> None:
    assert check("violet harbour teapots", minimum_length=15) == []
    assert check("вечерний чай под липой", minimum_length=15) == []
    assert check("x" + "\N{OWL}é" * 20 + "why", minimum_length=15) == []


def test_the_length_counts_characters_after_composition() -> None:
    assert check("e\u0301" * 3 + "abcdx", minimum_length=9) == [
        "This password is too short: it must have at least 9 characters."
    ]
    assert check("e\u0301" * 3 + "abcdx", minimum_length=8) == []


@pytest.mark.parametrize("password", ["a b" * 400, "é" * 513, "x" * 1_000_000])
def test_more_than_1024_bytes_are_refused(password: str) -> None:
    assert check(password, minimum_length=8) == ["This password is too long: it may have at most 1024 bytes."]


def test_an_empty_password_is_asked_for() -> None:
    assert check("", minimum_length=8) == ["Choose a password."]


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "Password1!",
        "PASSWORD123456",
        "passwordpassword",
        "password password",
        "Summer2026!",
        "qwertyuiopasdfgh",
        "1qaz2wsx3edc4rfv",
        "123456789012345",
        "987654321098765",
        "letmeinpassword2026",
        "aaaaaaaaaaaaaaaa",
        "monkeydragon1234",
    ],
)
def test_what_is_tried_first_is_refused(password: str) -> None:
    problems = check(password, minimum_length=8)
    assert problems == ["This password is one of those that are tried first because many people use them."]


@pytest.mark.parametrize("password", ["xyxyxyxyxyxyxyxy", "jk!jk!jk!jk!jk!j", "é9é9é9é9é9é9é9é9"])
def test_a_short_pattern_repeated_is_refused(password: str) -> None:
    assert check(password, minimum_length=15) == ["This password repeats the same few characters."]


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("my OSTIARY key is long", "Ostiary"),
        ("ada.lovelace-and-tea", "ada.lovelace"),
        ("the lovelace engine 7", "Lovelace"),
        ("zoë", "Zoë"),
    ],
)
def test_product_address_and_name_are_refused(password: str, word: str) -> None:
    words = words_of("Ostiary", "ada.lovelace@example.com", "Ada Lovelace", "Zoë", None)
    assert check(password, minimum_length=3, words=words) == [
        f"This password contains “{word}”, which others can guess."
    ]


def test_a_short_name_inside_other_words_is_no_problem() -> None:
    assert check("canadian waterfalls", minimum_length=15, words=["Ada", "Al"]) == []


def test_all_problems_are_told_at_once() -> None:
    assert len(check("ostiary", minimum_length=15, words=["Ostiary"])) == 2


def test_hostile_text_is_no_error() -> None:
    assert check("lone \ud800 surrogate and \0", minimum_length=15, words=["\ud800xxx", ""]) == []


def test_a_check_takes_no_time() -> None:
    started = time.perf_counter()
    check("ab" * 512, minimum_length=15, words=["Ada", "Lovelace"])
    assert time.perf_counter() - started < 0.5


def test_the_list_is_what_its_maker_makes_and_long_enough() -> None:
    made = common_passwords.generate()
    assert password_policy.LIST_FILE.read_text("utf-8").splitlines() == made
    assert len(made) >= 3000
    assert all(entry == entry.casefold().strip() for entry in made)
