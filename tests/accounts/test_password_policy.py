import asyncio
import threading
import time
from typing import Any

import pytest

from server.accounts import common_passwords, password_policy
from server.accounts.password_policy import check, check_all, check_with, score, words_of
from server.accounts.passwords import PasswordHasher, PasswordHasherBusyError
from server.settings import Settings

PHRASE = "violet harbour teapots"
KINDS = "This password must have 3 kinds of characters out of: lower case letters, upper case letters, digits, others."


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
    started = time.thread_time()
    check("ab" * 512, minimum_length=15, words=["Ada", "Lovelace"])
    assert time.thread_time() - started < 0.5


def test_the_list_is_what_its_maker_makes_and_long_enough() -> None:
    made = common_passwords.generate()
    assert password_policy.LIST_FILE.read_text("utf-8").splitlines() == made
    assert len(made) >= 3000
    assert all(entry == entry.casefold().strip() for entry in made)


@pytest.mark.parametrize(
    ("settings", "password", "problem"),
    [
        ({}, "seven lantern", "This password is too short: it must have at least 15 characters."),
        ({"mfa": "required"}, "zk!7qFw", "This password is too short: it must have at least 8 characters."),
        (
            {"password_max_length": 64},
            "violet harbour teapots " * 3,
            "This password is too long: it may have at most 64 characters.",
        ),
        (
            {"password_character_classes": 3},
            PHRASE,
            KINDS,
        ),
        (
            {"password_min_length": 8},
            "ncc1701x",
            "This password is too easy to guess. Make it longer, or less like what others choose.",
        ),
        (
            {"password_strength": 0},
            "Passwordpassword",
            "This password is one of those that are tried first because many people use them.",
        ),
        ({}, "xyxyxyxyxyxyxyxyxy", "This password repeats the same few characters."),
        ({}, "the ostiary 4 teapots", "This password contains “Ostiary”, which others can guess."),
    ],
)
def test_each_rule_of_the_settings_names_itself(settings: dict[str, Any], password: str, problem: str) -> None:
    assert check_with(Settings.model_validate(settings), password, ["Ostiary"]) == [problem]


def test_a_problem_can_be_said_in_another_language() -> None:
    problems = check_with(
        Settings.model_validate({"password_character_classes": 4, "password_max_length": 64}), "x" * 65
    )
    assert [problem.values for problem in problems] == [{"n": 64}, {"n": 4}, {}]


@pytest.mark.parametrize(
    ("password", "classes"), [("teapots", 1), ("teaPots", 2), ("teaP0ts", 3), ("tea P0t", 4), ("ÉèÇ9", 3), ("茶壶", 1)]
)
def test_kinds_of_characters_are_counted_in_every_script(password: str, classes: int) -> None:
    assert check(password, minimum_length=1, character_classes=classes) == []
    assert classes == 4 or len(check(password, minimum_length=1, character_classes=classes + 1)) == 1


def test_a_phrase_passes_the_rules_that_come_with_the_server() -> None:
    assert check_with(Settings.model_validate({}), PHRASE, ["Ostiary", "ada@example.com"]) == []


def test_what_others_know_makes_a_password_weaker() -> None:
    assert score("montgolfieraerostat", []) > score("montgolfieraerostat", ["Montgolfier Aerostat"])


def test_the_words_of_one_person_say_nothing_about_the_password_of_another() -> None:
    before = score("montgolfieraerostat", [])
    score("something else", ["Montgolfier", "Aerostat"])
    assert score("montgolfieraerostat", []) == before


def test_a_password_in_letters_of_the_world_is_rated() -> None:
    assert score("вечерний чай под липой", []) == 4
    assert score("\ud800\0" * 16, ["\ud800"]) <= 4
    assert score("", []) == 0


@pytest.mark.parametrize(
    "password",
    ["4@8({[<369&#!1/|0$5+7%2" * 44, "a" * 1024, "ab1" * 341, "19871987" * 128, "p4$sw0rd!" * 113],
)
def test_rating_a_hostile_password_takes_bounded_time(password: str) -> None:
    started = time.thread_time()
    check_with(
        Settings.model_validate({"password_max_length": 1024}),
        password,
        ["x" * 10_000, *(f"word{n}" for n in range(10_000))],
    )
    assert time.thread_time() - started < 3


async def test_the_pool_checks_without_holding_up_others_and_has_an_end() -> None:
    hasher = PasswordHasher(time_cost=1, memory_kib=32, parallel=1, queue=1)
    gate = threading.Event()
    waiting = [asyncio.ensure_future(hasher.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(PasswordHasherBusyError):
        await check_all(hasher, Settings.model_validate({}), PHRASE)
    gate.set()
    await asyncio.gather(*waiting)
    assert await check_all(hasher, Settings.model_validate({}), PHRASE) == []
    hasher.close()
