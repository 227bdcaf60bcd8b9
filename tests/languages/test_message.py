"""Texts that know their template and values, so that any language can say them."""

from gettext import GNUTranslations, NullTranslations
from pathlib import Path

import pytest

from server.languages import Language, Languages, Message
from server.languages import Message as _
from server.languages.given_names import in_words
from server.languages.language import UnknownLanguageError
from server.pages.waiting import too_many_attempts, wait

HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'


def _write(folder: Path, tag: str, body: str, plural_forms: str = "") -> None:
    head = HEAD + (f'"Plural-Forms: {plural_forms}\\n"\n' if plural_forms else "")
    (folder / f"{tag}.po").write_text(head + "\n" + body, "utf-8")


def _german() -> Language:
    return Language.load("de")


def test_a_message_is_its_english_text() -> None:
    message = _("Hello %(name)s,", name="Ada")
    assert message == "Hello Ada,"
    assert isinstance(message, str)


def test_a_message_without_values_may_have_percent_signs() -> None:
    assert _("100% sure") == "100% sure"
    assert Language("en", NullTranslations()).say(_("100% sure")) == "100% sure"


@pytest.mark.parametrize(("seconds", "english"), [(0, "Wait 0 s"), (1, "Wait 1 x"), (2, "Wait 2 s"), (11, "Wait 11 s")])
def test_one_is_singular_and_everything_else_is_plural_in_english(seconds: int, english: str) -> None:
    assert Message.plural("Wait %(n)s x", "Wait %(n)s s", n=seconds) == english


def test_a_wait_counts_in_both_languages() -> None:
    assert wait(1) == "Wait 1 second and try again."
    assert wait(2) == "Wait 2 seconds and try again."
    assert wait(91) == "Wait 2 minutes and try again."
    assert wait(3600) == "Wait 60 minutes and try again."
    assert _german().say(wait(1)) == "Warten Sie 1 Sekunde und versuchen Sie es erneut."
    assert _german().say(wait(30)) == "Warten Sie 30 Sekunden und versuchen Sie es erneut."


def test_a_message_inside_a_message_is_translated_too() -> None:
    assert too_many_attempts(3) == "Too many attempts. Wait 3 seconds and try again."
    assert (
        _german().say(too_many_attempts(3)) == "Zu viele Versuche. Warten Sie 3 Sekunden und versuchen Sie es erneut."
    )


def test_languages_with_more_than_two_plural_forms_use_all_of_them(tmp_path: Path) -> None:
    forms = "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);"
    body = 'msgid "%(n)s day"\nmsgid_plural "%(n)s days"\nmsgstr[0] "%(n)s den"\nmsgstr[1] "%(n)s dnya"\n'
    _write(tmp_path, "ru", body + 'msgstr[2] "%(n)s dney"\n', forms)
    russian = Language.load("ru", [tmp_path])
    said = [russian.say(Message.plural("%(n)s day", "%(n)s days", n=n)) for n in (1, 3, 5, 11, 21)]
    assert said == ["1 den", "3 dnya", "5 dney", "11 dney", "21 den"]


def test_what_has_no_translation_stays_english(tmp_path: Path) -> None:
    _write(tmp_path, "fr", 'msgid "Hello,"\nmsgstr "Bonjour,"\n')
    french = Language.load("fr", [tmp_path])
    assert french.say(_("Hello,")) == "Bonjour,"
    assert french.say(_("Allow access")) == "Allow access"
    assert french.say("Hello,") == "Hello,", "a plain text is not translated"


@pytest.mark.parametrize("wrong", ["Bonjour %(nom)s", "Bonjour %(name)d", "100 % %(name)s", "%(name", "Bonjour %s %s"])
def test_a_translation_that_cannot_be_filled_in_is_left_out(tmp_path: Path, wrong: str) -> None:
    _write(tmp_path, "fr", f'msgid "Hello %(name)s,"\nmsgstr "{wrong}"\n\nmsgid "Hello,"\nmsgstr "Bonjour,"\n')
    french = Language.load("fr", [tmp_path])
    assert french.say(_("Hello %(name)s,", name="Ada")) == "Hello Ada,"
    assert french.say(_("Hello,")) == "Bonjour,"


def test_the_first_folder_that_has_a_catalogue_wins(tmp_path: Path) -> None:
    _write(tmp_path, "de", 'msgid "Hello,"\nmsgstr "Servus,"\n')
    assert Language.load("de", [tmp_path]).say(_("Hello,")) == "Servus,"
    assert isinstance(_german().translations, GNUTranslations)


def test_english_needs_no_catalogue_and_every_other_language_does(tmp_path: Path) -> None:
    assert [language.tag for language in Languages(["en", "en-GB"], [tmp_path])] == ["en", "en-GB"]
    with pytest.raises(UnknownLanguageError, match=r"no translation into fr: it would be .*fr\.po"):
        Languages(["en", "fr"], [tmp_path])


@pytest.mark.parametrize("tag", ["klingon", "../../etc/passwd", "de_DE", "", "x", "de--DE", "a" * 1000])
def test_what_is_no_language_is_refused(tag: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownLanguageError):
        Language.load(tag, [tmp_path])


def test_languages_know_their_name_and_direction(tmp_path: Path) -> None:
    for tag in ("ar", "he", "fa"):
        _write(tmp_path, tag, "")
    assert [Language.load(tag, [tmp_path]).direction for tag in ("ar", "he", "fa")] == ["rtl"] * 3
    assert (_german().direction, _german().name) == ("ltr", "Deutsch")


def test_moments_read_as_they_are_written_in_the_language() -> None:
    assert Language.load("en").moment(1_790_000_000) == "21 September 2026, 14:13 UTC"
    assert _german().moment(1_790_000_000) == "21. September 2026, 14:13 UTC"


def test_names_that_the_server_gave_are_said_in_the_language_of_the_reader() -> None:
    said = [_german().say(in_words(name)) for name in ("Authenticator app", "Passkey 2", "Security key")]
    assert said == ["Authenticator-App", "Passkey 2", "Sicherheitsschlüssel"]
    assert in_words("Passkey 2") == "Passkey 2"
    assert _german().say(in_words("My Passkey 2")) == "My Passkey 2"
    assert not isinstance(in_words("Authenticator app of Ada"), Message)
