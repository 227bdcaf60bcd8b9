"""Collects the texts for people and brings every catalogue up to date; fails where a translation is missing or wrong.

Run `make catalogues` after changing a text. `--check` changes nothing and only says what is wrong, in the catalogues
that come with the server or in the files that are named; `tests/languages/test_catalogues.py` does the same.
"""

import io
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel.messages import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "server" / "languages" / "catalogues"
TEMPLATE = FOLDER / "messages.pot"
SOURCES = frozenset({"server", "templates"})
KEYWORDS: dict[str, Any] = {**DEFAULT_KEYWORDS, "Message": None, "plural": (1, 2)}
HEADER = (
    "# Texts of Ostiary's pages and mails.\n"
    "# Collected by `make catalogues`: translate the msgstr lines, leave the others."
)
# Dates, names and versions change with every run and tell nothing that the repository does not know.
_CHANGING = re.compile(
    r'^"(?:POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Generated-By|Report-Msgid-Bugs-To):.*\n',
    re.MULTILINE,
)
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%")
_TAG = re.compile(r"</?\w[^>]*>")


def _is_source(directory: str | Path) -> bool:
    parts = Path(directory).relative_to(ROOT).parts
    return not parts or (parts[0] in SOURCES and not parts[-1].startswith(("__", ".")))


def extract() -> Catalog:
    """Return every text for people, with the files in which it stands."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]  # Babel has no types there
    catalogue = Catalog(project="Ostiary", header_comment=HEADER, charset="utf-8", fuzzy=False)
    found = extract_from_dir(
        ROOT, methods, options, keywords=KEYWORDS, comment_tags=("i18n:",), directory_filter=_is_source
    )
    for path, line, text, comments, context in found:
        # without line numbers: they would change with every edit
        catalogue.add(text, None, [(Path(path).as_posix(), line)], auto_comments=comments, context=context)
    return catalogue


def read(path: Path) -> Catalog:
    """Read a catalogue; its name is its language."""
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.stem.replace("-", "_"))
    catalogue.header_comment = HEADER
    return catalogue


def written(catalogue: Catalog) -> str:
    """Return a catalogue as its file says it: the same on every machine, on every day."""
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=120, include_lineno=False, ignore_obsolete=True)
    return _CHANGING.sub("", buffer.getvalue().decode("utf-8"))


def updated(catalogue: Catalog, template: Catalog) -> Catalog:
    """Return a catalogue with the texts of today: new ones are empty, those that are gone are dropped."""
    catalogue.update(template, no_fuzzy_matching=True, update_header_comment=False)
    catalogue.obsolete.clear()
    return catalogue


def forms(text: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return a text's plural forms, the text itself where it has none."""
    return (text,) if isinstance(text, str) else tuple(text or ("",))


def _unlike(message: Message, pattern: re.Pattern[str]) -> bool:
    """Whether some form has other placeholders or other HTML than the English one."""
    expected = [Counter(pattern.findall(form)) for form in forms(message.id)]
    return any(Counter(pattern.findall(form)) not in expected for form in forms(message.string))


def _edges(text: str) -> tuple[bool, bool]:
    return text[:1].isspace(), text[-1:].isspace()


def _faults(message: Message, plurals: int) -> Iterator[str]:
    english, said = forms(message.id), forms(message.string)
    if not all(said):
        yield "is not translated"
        return
    if message.fuzzy:
        yield "is marked as fuzzy"
    if message.pluralizable and len(said) != plurals:
        yield f"needs {plurals} plural forms"
    if _unlike(message, _PLACEHOLDER):
        yield "has other placeholders than the English text"
    if _unlike(message, _TAG):
        yield "has other HTML than the English text"
    if {_edges(form) for form in said} != {_edges(form) for form in english}:
        yield "begins or ends with other white space than the English text"


def problems(catalogue: Catalog, template: Catalog) -> list[str]:
    """Return what is wrong with a catalogue, a sentence each."""
    found = [f"{text!r} is marked as obsolete" for text in catalogue.obsolete]
    found += [
        f"{forms(message.id)[0]!r} is missing"
        for message in template
        if message.id and catalogue.get(message.id, message.context) is None
    ]
    for message in catalogue:
        if not message.id:
            continue
        text = forms(message.id)[0]
        if template.get(message.id, message.context) is None:
            found.append(f"{text!r} stands in no page and no mail any more")
        found += [f"{text!r} {fault}" for fault in _faults(message, catalogue.num_plurals)]
    return found


def update(template: Catalog, paths: Iterable[Path]) -> None:
    """Write the template for translators, and bring catalogues up to date."""
    TEMPLATE.write_text(written(template), "utf-8")
    for path in paths:
        path.write_text(written(updated(read(path), template)), "utf-8")


def main(arguments: list[str]) -> int:
    """Update the catalogues, or only check them or the files that are named, and return the exit code."""
    template = extract()
    named = [Path(argument) for argument in arguments if argument != "--check"]
    paths = named or sorted(FOLDER.glob("*.po"))
    if "--check" not in arguments:
        update(template, paths)
    found = [f"{path.name}: {problem}" for path in paths for problem in problems(read(path), template)]
    sys.stderr.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
