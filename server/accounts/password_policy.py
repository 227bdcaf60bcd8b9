"""Which passwords people may choose: NIST SP 800-63B-4 section 3.1.1.2.

Long enough, not among those that are tried first, not made of what anybody knows about the person or the product. No
rules about kinds of characters, no expiry.

`common_passwords.txt` is the offline list; `common_passwords.py` says how it is made.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from server.accounts.identifiers import fold
from server.accounts.passwords import MAX_BYTES, prepare

LIST_FILE = Path(__file__).with_name("common_passwords.txt")
MIN_CONTAINED_LENGTH = 4
"""Shorter words are only refused as the whole password: they are parts of too many others."""
MAX_APPENDIX = 4
MAX_WORD_LENGTH = 320
"""More of a name or an address is not looked for."""
MAX_PERIOD = 4


def check(password: str, *, minimum_length: int, words: Iterable[str] = ()) -> list[str]:
    """Return what is wrong with a new password, in sentences for people; nothing where it may be used.

    `words` are what others know: product name, e-mail address, username, names of the person.
    """
    prepared = prepare(password)
    if prepared is None:
        if not password:
            return ["Choose a password."]
        return [f"This password is too long: it may have at most {MAX_BYTES} bytes."]
    text = prepared.decode("utf-8", "surrogatepass")
    folded = fold(text)
    problems = []
    if len(text) < minimum_length:
        problems.append(f"This password is too short: it must have at least {minimum_length} characters.")
    if _is_common(folded):
        problems.append("This password is one of those that are tried first because many people use them.")
    elif _is_repetitive(folded):
        problems.append("This password repeats the same few characters.")
    problems.extend(f"This password contains “{word}”, which others can guess." for word in _contained(folded, words))
    return problems


def words_of(product: str, email: str, *names: str | None) -> list[str]:
    """Return the words that a person's password must not contain."""
    return [word for word in (product, email, email.rpartition("@")[0], *names) if word]


@cache
def common_passwords() -> frozenset[str]:
    """Return the offline list, in the form in which passwords are compared."""
    return frozenset(LIST_FILE.read_text("utf-8").splitlines())


def _is_common(folded: str) -> bool:
    common = common_passwords()
    plain = "".join(folded.split())
    cores = {plain} | {plain[:-cut] for cut in range(1, MAX_APPENDIX + 1) if not plain[-cut:].isalpha()}
    return any(_is_listed(core, common) for core in cores if core)


def _is_listed(text: str, common: frozenset[str]) -> bool:
    # two listed ones in a row are tried as well
    return text in common or any(text[:cut] in common and text[cut:] in common for cut in range(1, len(text)))


def _is_repetitive(folded: str) -> bool:
    return any(
        folded == (folded[:period] * len(folded))[: len(folded)]
        for period in range(1, MAX_PERIOD + 1)
        if len(folded) > 2 * period
    )


def _contained(folded: str, words: Iterable[str]) -> list[str]:
    found: dict[str, str] = {}
    for word in (word[:MAX_WORD_LENGTH] for word in words):
        for part in (word, *word.split()):
            key = fold(part.strip())
            is_contained = key in folded if len(key) >= MIN_CONTAINED_LENGTH else key == folded
            if key and is_contained:
                found.setdefault(key, _shown(part.strip()))
    longest = [key for key in found if not any(key != other and key in other for other in found)]
    return [found[key] for key in longest]


def _shown(word: str) -> str:
    return "".join(character for character in word if unicodedata.category(character)[0] != "C")
