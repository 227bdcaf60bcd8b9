"""One language of the pages, and the choice among several."""

import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache, cached_property
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Self

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.messages import Message as Entry
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from server.languages.message import Message

CATALOGUES = Path(__file__).resolve().parent / "catalogues"
SOURCE = "en"
"""The language of the texts in the code: it needs no catalogue."""
MAX_WISHES = 20
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


class UnknownLanguageError(ValueError):
    """Nobody knows a language of this tag, or nobody has translated the texts into it."""


class Language:
    """Says texts in one language, and in English where the catalogue has no translation."""

    def __init__(self, tag: str, translations: NullTranslations) -> None:
        self._locale = _locale_of(tag)
        self.tag = tag
        """BCP 47 tag, as in the `lang` attribute."""
        self.translations = translations

    @classmethod
    def load(cls, tag: str, folders: Iterable[Path] = (CATALOGUES,)) -> Self:
        """Read the catalogue, the first that is found. Raises UnknownLanguageError."""
        path = find_catalogue(tag, folders)
        return cls(tag, NullTranslations() if path is None else _read(path, tag))

    @property
    def name(self) -> str:
        """What the language calls itself."""
        return self._locale.get_display_name() or self.tag

    @cached_property
    def direction(self) -> str:
        """`ltr` or `rtl`, as in the `dir` attribute."""
        return self._locale.text_direction

    def say(self, text: str) -> str:
        """Return a text in this language; what is no Message is returned as it is."""
        if not isinstance(text, Message):
            return text
        said = self._translate(text)
        values = {name: self.say(value) if isinstance(value, str) else value for name, value in text.values.items()}
        return said % values if values else said

    def _translate(self, text: Message) -> str:
        if text.plural_template is None:
            return self.translations.gettext(text.template)
        return self.translations.ngettext(text.template, text.plural_template, text.number)

    def moment(self, seconds: int) -> str:
        """Return a time for people, in UTC."""
        at = datetime.fromtimestamp(seconds, UTC)
        # plain English is not American: day, month, year
        locale = Locale.parse("en_001") if self.tag == SOURCE else self._locale
        return f"{format_date(at.date(), 'long', locale=locale)}, {at:%H:%M} UTC"


class Languages:
    """The languages that a server speaks; the first is spoken to whoever wishes for none of them."""

    def __init__(self, tags: Iterable[str], folders: Iterable[Path] = (CATALOGUES,)) -> None:
        places = tuple(folders)
        self._languages = {tag.lower(): Language.load(tag, places) for tag in tags}

    @property
    def default(self) -> Language:
        """The first language."""
        return next(iter(self._languages.values()))

    def __iter__(self) -> Iterator[Language]:
        """Give each language."""
        return iter(self._languages.values())

    def choose(self, wishes: Iterable[str]) -> Language:
        """Return the first wished language that is spoken."""
        for wish in list(wishes)[:MAX_WISHES]:
            found = self._spoken(wish.lower())
            if found is not None:
                return found
        return self.default

    def _spoken(self, wish: str) -> Language | None:
        """Return the language for a wish: `de-AT` is satisfied by `de` (RFC 4647 section 3.4), and `de` by `de-AT`."""
        subtags = wish.split("-")
        for length in range(len(subtags), 0, -1):
            found = self._languages.get("-".join(subtags[:length]))
            if found is not None:
                return found
        kin = (language for tag, language in self._languages.items() if tag.partition("-")[0] == subtags[0])
        return next(kin, None)


def find_catalogue(tag: str, folders: Iterable[Path]) -> Path | None:
    """Return the first catalogue of a language, None for English without one. Raises UnknownLanguageError."""
    locale = _locale_of(tag)
    places = tuple(folders)
    for folder in places:
        path = folder / f"{tag}.po"
        if path.is_file():
            return path
    if locale.language != SOURCE:
        where = " or ".join(str(folder / f"{tag}.po") for folder in places)
        raise UnknownLanguageError(f"there is no translation into {tag}: it would be {where}")
    return None


def _locale_of(tag: str) -> Locale:
    try:
        return Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        raise UnknownLanguageError(f"{tag!r} is not the tag of a language such as en, de or pt-BR") from None


@cache
def _read(path: Path, tag: str) -> NullTranslations:
    """Read a catalogue, once for the process."""
    with path.open("rb") as file:
        catalogue = read_po(file, locale=tag.replace("-", "_"))
    for entry in list(catalogue):
        if entry.id and not _is_sound(entry):
            catalogue.delete(entry.id, entry.context)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    return GNUTranslations(io.BytesIO(compiled.getvalue()))


def _is_sound(entry: Entry) -> bool:
    """Whether a translation can be filled in: English is better than an error because of a mistyped placeholder."""
    values = dict.fromkeys(_PLACEHOLDER.findall("".join(_forms(entry.id))), "")
    try:
        return all(form % values is not None for form in _forms(entry.string))
    except (KeyError, TypeError, ValueError):
        return False


def _forms(text: object) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text) if isinstance(text, list | tuple) else ()


def wishes_of(accept_language: str) -> list[str]:
    """Return the languages of an Accept-Language header, the most wanted first (RFC 9110 section 12.5.4)."""
    weighted: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:MAX_WISHES]:
        tag, _, parameter = part.strip().partition(";")
        name, _, value = parameter.strip().partition("=")
        weight = (value if _WEIGHT.fullmatch(value) else "0") if name.lower() == "q" else "1"
        if _TAG.fullmatch(tag.strip()) and float(weight) > 0:
            weighted.append((float(weight), tag.strip()))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]
