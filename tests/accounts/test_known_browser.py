import pytest

from keys.sealing import Sealer
from server.accounts import known_browser
from tests.accounts.rows import NOW


def test_a_cookie_names_its_person_and_a_browser(sealer: Sealer) -> None:
    first, second = (known_browser.issue(sealer, "usr_a", NOW) for _ in range(2))
    read = known_browser.read(sealer, first, NOW)
    assert read is not None
    assert (read.user_id, read.issued_at) == ("usr_a", NOW)
    assert known_browser.browser_of(sealer, first, "usr_a", NOW) == read.browser_id
    assert known_browser.browser_of(sealer, second, "usr_a", NOW) != read.browser_id


def test_a_cookie_says_nothing_about_anybody_else(sealer: Sealer) -> None:
    cookie = known_browser.issue(sealer, "usr_a", NOW)
    assert known_browser.browser_of(sealer, cookie, "usr_b", NOW) is None
    assert known_browser.browser_of(sealer, cookie, None, NOW) is None


def test_a_cookie_is_good_for_a_year(sealer: Sealer) -> None:
    cookie = known_browser.issue(sealer, "usr_a", NOW)
    assert known_browser.read(sealer, cookie, NOW + 31_535_999)
    assert known_browser.read(sealer, cookie, NOW + 31_536_000) is None
    assert known_browser.read(sealer, cookie, NOW - 1) is None


def test_a_forged_or_broken_cookie_is_none(sealer: Sealer) -> None:
    cookie = known_browser.issue(sealer, "usr_a", NOW)
    other_server = Sealer([bytes(32)])
    forged = [
        None,
        "",
        ".",
        "...",
        cookie[:-1],
        cookie.replace("usr_a", "usr_b"),
        cookie + ".x",
        "é" + cookie,
        "\ud800",
        "x" * 100_000,
        known_browser.issue(other_server, "usr_a", NOW),
    ]
    assert [known_browser.read(sealer, value, NOW) for value in forged] == [None] * len(forged)


@pytest.mark.parametrize("length", [512, 513])
def test_the_length_is_bounded(sealer: Sealer, length: int) -> None:
    assert known_browser.read(sealer, "a." * (length // 2), NOW) is None
