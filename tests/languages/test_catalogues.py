"""The catalogues: nothing missing, nothing left over, nothing that breaks a page."""

from pathlib import Path

import pytest
from babel.messages import Catalog

from scripts.catalogues import FOLDER, ROOT, TEMPLATE, extract, forms, problems, read, updated, written
from server.languages.language import CATALOGUES
from server.settings import Settings

NAMES = sorted(path.name for path in FOLDER.glob("*.po"))
MEND = "run: make catalogues, and translate what it lists"


def _identities(catalogue: Catalog) -> set[tuple[object, str | None]]:
    return {(message.id, message.context) for message in catalogue if message.id}


def _entry(english: str, other: str, *, plural: tuple[str, str] | None = None, flags: str = "") -> str:
    if plural is None:
        return f'{flags}msgid "{english}"\nmsgstr "{other}"\n\n'
    return f'{flags}msgid "{english}"\nmsgid_plural "{plural[0]}"\nmsgstr[0] "{other}"\nmsgstr[1] "{plural[1]}"\n\n'


def _catalogue(tmp_path: Path, body: str) -> Catalog:
    path = tmp_path / "de.po"
    head = '"Content-Type: text/plain; charset=utf-8\\n"\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    path.write_text('msgid ""\nmsgstr ""\n' + head + body, "utf-8")
    return read(path)


def _template() -> Catalog:
    template = Catalog(charset="utf-8", fuzzy=False)
    template.add("Hello %(name)s,")
    template.add(("%(n)s day", "%(n)s days"))
    template.add("You are <strong>%(name)s</strong>.")
    return template


RIGHT = (
    _entry("Hello %(name)s,", "Hallo %(name)s,")
    + _entry("%(n)s day", "%(n)s Tag", plural=("%(n)s days", "%(n)s Tage"))
    + _entry("You are <strong>%(name)s</strong>.", "Sie sind <strong>%(name)s</strong>.")
)


@pytest.mark.parametrize("name", NAMES)
def test_every_text_is_translated_and_nothing_is_left_over(name: str) -> None:
    assert problems(read(FOLDER / name), extract()) == [], MEND


def test_every_language_of_the_default_settings_has_a_catalogue() -> None:
    tags = [tag for tag in Settings.model_fields["languages"].default if tag != "en"]
    assert [f"{tag}.po" for tag in tags] == NAMES


def test_the_template_for_translators_has_every_text() -> None:
    assert _identities(read(TEMPLATE.with_suffix(".pot"))) == _identities(extract()), MEND
    assert TEMPLATE.parent == CATALOGUES


def test_extraction_is_the_same_on_every_machine_and_day() -> None:
    once, twice = written(extract()), written(extract())
    assert once == twice
    assert str(ROOT) not in once
    assert "Date" not in once.partition("#:")[0]
    assert "#: server/pages/sign_in.py\n" in once, "files without line numbers"


@pytest.mark.parametrize("name", [*NAMES, TEMPLATE.name])
def test_catalogues_are_written_as_make_catalogues_writes_them(name: str) -> None:
    path = FOLDER / name
    template = extract()
    expected = template if path == TEMPLATE else updated(read(path), template)
    assert path.read_text("utf-8") == written(expected), MEND


def test_texts_of_templates_and_code_and_mails_are_all_found() -> None:
    found = {place for message in extract() for place, _ in message.locations}
    for place in (
        "server/accounts/password_policy.py",
        "server/pages/account/navigation.py",
        "server/extensions/openid_connect.py",
        "templates/macros.html",
        "templates/account/overview.html",
        "templates/mail/base.html",
        "templates/mail/verify_email.txt",
    ):
        assert place in found


def test_a_complete_catalogue_has_no_problems(tmp_path: Path) -> None:
    assert problems(_catalogue(tmp_path, RIGHT), _template()) == []


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ('"Hallo %(name)s,"', '""', "is not translated"),
        ('"Hallo %(name)s,"', '"Hallo,"', "other placeholders"),
        ('"Hallo %(name)s,"', '"Hallo %(nmae)s,"', "other placeholders"),
        ('"Hallo %(name)s,"', '"Hallo %(name)s, "', "white space"),
        ('"%(n)s Tage"', '""', "is not translated"),
        ("<strong>%(name)s</strong>.", "<b>%(name)s</b>.", "other HTML"),
        ('msgid "Hello', '#, fuzzy\nmsgid "Hello', "is marked as fuzzy"),
        ('msgid "Hello %(name)s,"', 'msgid "Hi %(name)s,"', "is missing"),
        ('msgid "Hello %(name)s,"', 'msgid "Hi %(name)s,"', "stands in no page"),
        ('msgid "Hello', '#~ msgid "Gone"\n#~ msgstr "Weg"\n\nmsgid "Hello', "is marked as obsolete"),
    ],
)
def test_each_kind_of_fault_is_named(tmp_path: Path, right: str, wrong: str, problem: str) -> None:
    body = RIGHT[: RIGHT.rindex(right)] + RIGHT[RIGHT.rindex(right) :].replace(right, wrong)
    assert any(problem in found for found in problems(_catalogue(tmp_path, body), _template()))


def test_updating_keeps_translations_adds_new_texts_empty_and_drops_old_ones(tmp_path: Path) -> None:
    template = _template()
    template.add("New")
    catalogue = updated(_catalogue(tmp_path, RIGHT + _entry("Gone", "Weg")), template)
    assert problems(catalogue, template) == ["'New' is not translated"]
    assert 'msgstr "Hallo %(name)s,"' in written(catalogue)
    assert "Weg" not in written(catalogue)


def test_german_speaks_formally_and_with_german_quotation_marks() -> None:
    for message in read(FOLDER / "de.po"):
        for form in forms(message.string):
            words = set(form.replace(".", " ").replace(",", " ").split())
            assert not words & {"du", "Du", "dein", "Dein", "deine", "Deine", "dir", "dich"}, form
            assert not set("“”").issubset(form), form
            assert "..." not in form, form
