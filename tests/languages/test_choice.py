"""Choosing among languages, as headers, tags and settings say it."""

import time
from pathlib import Path
from typing import Any

import pytest

from server.languages import Languages
from server.languages.language import wishes_of
from server.settings import Settings, SettingsError


def _settings(data_dir: Path, languages: tuple[str, ...]) -> Settings:
    values: dict[str, Any] = {"data_dir": data_dir, "languages": languages}
    return Settings(**values)


@pytest.mark.parametrize(
    ("header", "wishes"),
    [
        ("de", ["de"]),
        ("de-AT, en;q=0.5", ["de-AT", "en"]),
        ("en;q=0.5, de;q=0.9", ["de", "en"]),
        ("en;Q=0.1, de;q=0.25", ["de", "en"]),
        ("fr, de;q=0", ["fr"]),
        ("de;q=2, en;q=-1, fr;q=nan, it;q=inf, es;q=1e3", []),
        ("de;q=, en;q=abc", []),
        ("*", []),
        ("", []),
        (",,;;q=1,", []),
        ("<script>, de_DE, d\N{LATIN SMALL LETTER E WITH ACUTE}", []),
        ("en;q=0.8;q=0.1", []),
    ],
)
def test_the_header_is_read_as_weights_say(header: str, wishes: list[str]) -> None:
    """RFC 9110 sections 12.4.2 and 12.5.4."""
    assert wishes_of(header) == wishes


def test_an_absurd_header_costs_nothing() -> None:
    header = ",".join(f"x{number}-{'y' * 200};q=0.{number % 1000:03}" for number in range(20_000))
    started = time.thread_time()
    assert len(wishes_of(header)) <= 20
    assert time.thread_time() - started < 0.5


@pytest.mark.parametrize(
    ("wishes", "spoken"),
    [
        (["de"], "de"),
        (["DE"], "de"),
        (["de-AT"], "de"),
        (["de-Latn-AT-1996"], "de"),
        (["fr", "de"], "de"),
        (["fr", "it"], "en"),
        (["pt-BR"], "pt-BR"),
        (["PT-br"], "pt-BR"),
        (["pt"], "pt-BR"),
        (["pt-PT"], "pt-BR"),
        (["tlh-Piqd", "de"], "de"),
        ([], "en"),
        ([""], "en"),
        (["-", "--", "-de"], "en"),
    ],
)
def test_the_first_wish_that_can_be_met_is_met(wishes: list[str], spoken: str, tmp_path: Path) -> None:
    """RFC 4647 section 3.4."""
    for tag in ("de", "pt-BR"):
        (tmp_path / f"{tag}.po").write_text("", "utf-8")
    assert Languages(["en", "de", "pt-BR"], [tmp_path]).choose(wishes).tag == spoken


@pytest.mark.parametrize(("tag", "message"), [("fr", "no translation into fr"), ("deutsch", "not the tag")])
def test_a_language_without_a_catalogue_is_refused_at_the_start(tmp_path: Path, tag: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        _settings(tmp_path, ("en", tag))


def test_settings_may_name_a_catalogue_of_the_operator(tmp_path: Path) -> None:
    folder = tmp_path / "languages"
    folder.mkdir()
    (folder / "fr.po").write_text('msgid "Sign in"\nmsgstr "Connexion"\n', "utf-8")
    assert _settings(tmp_path, ("en", "fr")).languages == ("en", "fr")
