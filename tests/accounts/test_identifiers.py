import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.accounts.identifiers import (
    InvalidIdentifierError,
    clean_email,
    fold,
    is_storable,
    normalize_email,
    normalize_login,
    normalize_username,
)


@pytest.mark.parametrize(
    ("typed", "normalized"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  Ada@EXAMPLE.com\n", "ada@example.com"),
        ("ada+tag@example.com", "ada+tag@example.com"),
        ("o'hara@localhost", "o'hara@localhost"),
        (unicodedata.normalize("NFD", "rené@example.com"), unicodedata.normalize("NFC", "rené@example.com")),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
        ("\N{KELVIN SIGN}ate@example.com", "kate@example.com"),
    ],
)
def test_spellings_of_one_address_are_one(typed: str, normalized: str) -> None:
    assert normalize_email(typed) == normalized


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "ada",
        "ada@",
        "@example.com",
        "ada@@example.com",
        "ada@exam ple.com",
        "ada@example..com",
        "ada@example.com.",
        "ada@-example.com",
        "ada@[127.0.0.1]",
        "ada lovelace@example.com",
        '"ada"@example.com',
        "ada\0@example.com",
        "ada\r\nBcc: eve@example.com",
        "ada\u202e@example.com",
        "ada\ud800@example.com",
        "ada@exam\ud800ple.com",
        ".ada@example.com",
        "a..da@example.com",
        "a" * 65 + "@example.com",
        "ada@" + "a" * 64 + ".com",
        "ada@" + "a." * 200 + "com",
        "a" * 1_000_000,
        "ada@" + "\N{COMBINING ACUTE ACCENT}" * 900,
    ],
)
def test_what_cannot_be_an_address_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(InvalidIdentifierError, match=r"\.$"):
        normalize_email(typed)


def test_an_address_is_kept_for_mail_as_it_was_typed() -> None:
    assert clean_email(" Ada@Bücher.example ") == "Ada@Bücher.example"


@pytest.mark.parametrize(("typed", "normalized"), [("Ada.L-1_x", "ada.l-1_x"), (" ЖЮЛЬ ", "жюль"), ("ada", "ada")])
def test_usernames_are_letters_digits_and_three_marks(typed: str, normalized: str) -> None:
    assert normalize_username(typed) == normalized


@pytest.mark.parametrize(
    "typed", ["", "ab", "a" * 65, "a@b", "ada lovelace", "ada\0", "a/b/c", "USR_abc", "ada\ud800", "1²3", "a" * 5000]
)
def test_what_cannot_be_a_username_is_refused(typed: str) -> None:
    with pytest.raises(InvalidIdentifierError):
        normalize_username(typed)


def test_a_login_is_an_address_or_a_username_and_nothing_else() -> None:
    assert normalize_login("ADA@example.com") == "ada@example.com"
    assert normalize_login("Countess") == "countess"
    assert normalize_login("no such thing") is None


def test_text_that_no_database_takes_is_recognised() -> None:
    assert is_storable("usr_é")
    assert not is_storable("usr_\0")
    assert not is_storable("usr_\udfff")


@given(st.text(max_size=40))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_breaks_the_parser_and_the_result_is_its_own_spelling(local: str, domain: str) -> None:
    normalized = normalize_login(f"{local}@{domain}")
    if normalized is not None:
        assert normalize_login(normalized) == normalized
        assert is_storable(normalized)
