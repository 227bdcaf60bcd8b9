"""Templates in one language: how those of pages and of mails are read alike."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from server.languages.language import Language
from server.languages.message import Message

DIRECTORY = Path(__file__).resolve().parents[2] / "templates"


def environment_of(language: Language, directory: Path, **names: Any) -> Environment:
    """Return the environment of the templates in a directory; `names` are what each of them may use.

    Everything is escaped but the texts of mails, which must not show `&amp;`. A name that is not there is an error.
    """
    environment = Environment(
        loader=FileSystemLoader(directory),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True, default_for_string=True),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        finalize=lambda value: language.say(value) if isinstance(value, Message) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    environment.globals.update(language=language, **names)
    return environment
