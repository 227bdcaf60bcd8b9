from typing import Any

import pytest

from server.accounts.profile import InvalidProfileError, validate_profile
from tests.accounts.test_claims import PROFILE


def test_a_full_profile_is_kept_as_it_is() -> None:
    assert validate_profile(PROFILE) == PROFILE


def test_nulls_and_empty_values_are_left_out_and_texts_trimmed() -> None:
    given: dict[str, Any] = {
        "name": " Ada ",
        "nickname": None,
        "gender": "  ",
        "website": "",
        "birthdate": "",
        "address": {},
    }
    assert validate_profile(given) == {"name": "Ada"}
    assert validate_profile({"address": {"locality": None, "country": " "}}) == {}


def test_false_is_a_value() -> None:
    assert validate_profile({"phone_number_verified": False}) == {"phone_number_verified": False}


def test_a_postal_address_may_have_lines() -> None:
    address = {"formatted": "12 St James's Square\r\nLondon", "street_address": "12 St James's\nSquare"}
    assert validate_profile({"address": address}) == {"address": address}


@pytest.mark.parametrize("value", ["1815", "1815-12-10", "0000-12-10"])
def test_a_birthdate_may_leave_out_the_year_or_all_but_it(value: str) -> None:
    assert validate_profile({"birthdate": value}) == {"birthdate": value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sub", "usr_x"),
        ("email", "a@b"),
        ("email_verified", True),
        ("updated_at", 1),
        ("roles", ["admin"]),
        ("x" * 10_000, "y"),
        ("name", 7),
        ("name", True),
        ("name", ["Ada"]),
        ("name", "a" * 256),
        ("name", "a\0b"),
        ("name", "a\nb"),
        ("name", "a\ud800b"),
        ("picture", "javascript:alert(1)"),
        ("picture", "data:image/png;base64,AAAA"),
        ("website", "//example.com"),
        ("website", "https://"),
        ("website", "https://[::1"),
        ("website", "https://example.com/a b"),
        ("profile", "https://example.com/" + "a" * 2000),
        ("birthdate", "10.12.1815"),
        ("birthdate", "1815-13-10"),
        ("birthdate", "1815-12-100"),
        ("zoneinfo", "../../etc/passwd"),
        ("locale", "not a locale"),
        ("phone_number", "call me"),
        ("phone_number_verified", "true"),
        ("phone_number_verified", 1),
        ("address", "London"),
        ("address", {"planet": "Earth"}),
        ("address", {"locality": 7}),
        ("address", {"locality": "a\nb"}),
    ],
)
def test_what_a_claim_cannot_be_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidProfileError, match=name[:64]):
        validate_profile({name: value})
