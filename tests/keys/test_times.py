from typing import Any

import pytest

from keys.jose import JoseError, check_times
from tests.keys.material import NOW


def refused(claims: dict[str, Any], because: str, **more: Any) -> None:
    with pytest.raises(JoseError, match=because):
        check_times(claims, now=NOW, **more)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 1.5, float(NOW), True, False, None, str(NOW), [NOW], {}, -1, 2**53, 10**400]
)
def test_a_time_that_was_read_is_a_whole_number(name: str, value: object) -> None:
    """RFC 7519 section 2, NumericDate, as far as it is sane: verifying a token has dropped fractions by then."""
    refused({"exp": NOW + 60, name: value}, f"{name} is not a time")


@pytest.mark.parametrize("leeway", [0, 10, 60])
def test_a_token_is_over_at_exp(leeway: int) -> None:
    """RFC 7519 section 4.1.4: on or after."""
    refused({"exp": NOW - leeway}, "expired", leeway=leeway)
    check_times({"exp": NOW - leeway + 1}, now=NOW, leeway=leeway)


@pytest.mark.parametrize("leeway", [0, 10, 60])
def test_a_token_begins_at_nbf(leeway: int) -> None:
    """RFC 7519 section 4.1.5."""
    refused({"exp": NOW + 600, "nbf": NOW + leeway + 1}, "not valid yet", leeway=leeway)
    check_times({"exp": NOW + 600, "nbf": NOW + leeway}, now=NOW, leeway=leeway)


def test_a_token_is_not_of_the_future_but_clocks_differ() -> None:
    check_times({"exp": NOW + 600, "iat": NOW + 60}, now=NOW, leeway=0)
    refused({"exp": NOW + 600, "iat": NOW + 61}, "future", leeway=0)


def test_exp_is_needed_unless_the_caller_says_otherwise() -> None:
    refused({}, "exp is missing")
    check_times({}, now=NOW, require_exp=False)
    refused({"exp": NOW - 600}, "expired", require_exp=False)
