"""Which passwords people may choose: NIST SP 800-63B-4 section 3.1.1.2.

Long enough, not among those that are tried first, not made of what anybody knows about the person or the product, not
easy to guess in other ways (zxcvbn), and, where operators wish it, not one that the person had before. Kinds of
characters are asked for only where operators insist; nothing expires.

`check_with` applies all rules of the settings but the last; `check_all` applies that as well and keeps the event loop
free. Pages, commands and the API ask these, and nobody has rules of their own.

`common_passwords.txt` is the offline list; `common_passwords.py` says how it is made.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from server.accounts.identifiers import fold
from server.accounts.passwords import MAX_BYTES, PasswordHasher, prepare
from server.languages import Message
from server.languages import Message as _
from server.settings import Settings

LIST_FILE = Path(__file__).with_name("common_passwords.txt")
MIN_CONTAINED_LENGTH = 4
"""Shorter words are only refused as the whole password: they are parts of too many others."""
MAX_APPENDIX = 4
MAX_WORD_LENGTH = 320
"""More of a name or an address is not looked for."""
MAX_PERIOD = 4
MAX_RATED_LENGTH = 32
"""So much of a password is rated: the cost of zxcvbn rises with the length, with substituted letters to half a second
at this one and to two at 72. A password is at least as hard to guess as its beginning."""
MAX_RATED_WORDS = 40
MAX_RATED_WORD_LENGTH = 64


async def check_all(
    hasher: PasswordHasher,
    settings: Settings,
    password: str,
    words: Iterable[str] = (),
    *,
    former_hashes: Iterable[str] = (),
) -> list[Message]:
    """Return what is wrong with a new password by all rules, worked out in the hasher's pool.

    `former_hashes` are what `credentials.former_hashes` gives; they are only tried where nothing else is wrong, as each
    costs a hash. Raises PasswordHasherBusyError. Call it before the transaction that stores the password.
    """
    words = list(words)
    problems = await hasher.run(lambda: check_with(settings, password, words))
    if not problems and await hasher.matches_any(former_hashes, password):
        return [_("You have used this password before. Choose one that is new here.")]
    return problems


def check_with(settings: Settings, password: str, words: Iterable[str] = ()) -> list[Message]:
    """Return what is wrong with a new password by the rules of the settings; its history is not looked at.

    Takes a few milliseconds, with hostile passwords up to half a second.
    """
    return check(
        password,
        minimum_length=settings.minimum_password_length,
        maximum_length=settings.password_max_length,
        character_classes=settings.password_character_classes,
        strength=settings.password_strength,
        words=words,
    )


def check(
    password: str,
    *,
    minimum_length: int,
    maximum_length: int = MAX_BYTES,
    character_classes: int = 0,
    strength: int = 0,
    words: Iterable[str] = (),
) -> list[Message]:
    """Return what is wrong with a new password, in sentences for people; nothing where it may be used.

    Lengths are in characters; `character_classes` is how many of lower case, upper case, digits and others must occur;
    `strength` is the least zxcvbn score, 0 to 4. `words` are what others know: product name, e-mail address, username,
    names of the person.
    """
    words = list(words)
    prepared = prepare(password)
    if prepared is None:
        if not password:
            return [_("Choose a password.")]
        return [
            _.plural(
                "This password is too long: it may have at most %(n)s byte.",
                "This password is too long: it may have at most %(n)s bytes.",
                n=MAX_BYTES,
            )
        ]
    text = prepared.decode("utf-8", "surrogatepass")
    folded = fold(text)
    problems = _problems_of_form(text, minimum_length, maximum_length, character_classes)
    if _is_common(folded):
        problems.append(_("This password is one of those that are tried first because many people use them."))
    elif _is_repetitive(folded):
        problems.append(_("This password repeats the same few characters."))
    elif strength and score(text, words) < strength:
        problems.append(_("This password is too easy to guess. Make it longer, or less like what others choose."))
    problems.extend(
        _("This password contains “%(word)s”, which others can guess.", word=word) for word in _contained(folded, words)
    )
    return problems


def words_of(product: str, email: str, *names: str | None) -> list[str]:
    """Return the words that a person's password must not contain."""
    return [word for word in (product, email, email.rpartition("@")[0], *names) if word]


def score(password: str, words: Iterable[str]) -> int:
    """Return how hard the password is to guess, 0 to 4, for somebody who knows the words (zxcvbn)."""
    if not password:
        return 0
    # Its word lists take a tenth of a worker's memory, which a node that only gives tokens never needs.
    from zxcvbn import matching, scoring, time_estimates  # type: ignore[import-untyped]  # noqa: PLC0415

    # Not `zxcvbn.zxcvbn`: that writes the person's words into a table which all threads share.
    known = dict.fromkeys(
        part[:MAX_RATED_WORD_LENGTH].lower() for word in words for part in (word, *word.split()) if part
    )
    dictionaries = {
        **matching.RANKED_DICTIONARIES,
        "user_inputs": matching.build_ranked_dict(list(known)[:MAX_RATED_WORDS]),
    }
    rated = password[:MAX_RATED_LENGTH]
    guesses = scoring.most_guessable_match_sequence(rated, matching.omnimatch(rated, dictionaries))["guesses"]
    return int(time_estimates.guesses_to_score(guesses))


@cache
def common_passwords() -> frozenset[str]:
    """Return the offline list, in the form in which passwords are compared."""
    return frozenset(LIST_FILE.read_text("utf-8").splitlines())


def _problems_of_form(text: str, minimum_length: int, maximum_length: int, character_classes: int) -> list[Message]:
    problems = []
    if len(text) < minimum_length:
        problems.append(
            _.plural(
                "This password is too short: it must have at least %(n)s character.",
                "This password is too short: it must have at least %(n)s characters.",
                n=minimum_length,
            )
        )
    if len(text) > maximum_length:
        problems.append(
            _.plural(
                "This password is too long: it may have at most %(n)s character.",
                "This password is too long: it may have at most %(n)s characters.",
                n=maximum_length,
            )
        )
    if len({_class_of(character) for character in text}) < character_classes:
        problems.append(
            _.plural(
                "This password must have %(n)s kind of characters out of: lower case letters, upper case letters,"
                " digits, others.",
                "This password must have %(n)s kinds of characters out of: lower case letters, upper case letters,"
                " digits, others.",
                n=character_classes,
            )
        )
    return problems


def _class_of(character: str) -> str:
    # Letters of scripts without case are others, as marks and spaces are.
    category = unicodedata.category(character)
    return category if category in ("Ll", "Lu", "Nd") else "other"


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
