"""`ostiary settings`: all settings with value, origin and meaning."""

import re
from typing import Annotated

import typer
from pydantic_core import PydanticUndefined

from keys.sealing import generate_root_key
from server.cli.running import Json, loaded, print_rows, warn_of_unknown
from server.settings import PREFIX, Settings

HIDDEN = "(hidden)"
# As far as the last @: a password may hold any character that somebody forgot to escape.
_PASSWORD = re.compile(r"(?<=://)([^:/]*):.*@", re.DOTALL)
_PASSWORD_PARAMETER = re.compile(r"(?<=[?&])(\w*password)=[^&]*", re.IGNORECASE)
Generate = Annotated[bool, typer.Option("--generate-secret-key", help="Print a new root key and nothing else.")]


def settings(*, as_json: Json = False, generate_secret_key: Generate = False) -> None:
    """Print every setting with its value, where the value comes from, and what it means."""
    if generate_secret_key:
        typer.echo(generate_root_key())
        return
    configuration = loaded()
    warn_of_unknown(configuration)
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(configuration.settings, name)
        default = None if field.default is PydanticUndefined else field.default
        row = {
            "name": PREFIX + name.upper(),
            "value": _plain(value) if field.repr or not value else _without_password(str(value)),
            "origin": configuration.origins.get(name, "default"),
            "meaning": field.description,
        }
        if as_json:
            row["default"] = _plain(default)
        rows.append(row)
    print_rows(rows, ("name", "value", "origin", "meaning"), as_json=as_json)


def _without_password(secret: str) -> str:
    """Return a URL with its passwords hidden, and nothing of any other secret."""
    if "://" not in secret:
        return HIDDEN
    return _PASSWORD_PARAMETER.sub(rf"\1={HIDDEN}", _PASSWORD.sub(rf"\1:{HIDDEN}@", secret))


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return " ".join(value)
    return value if isinstance(value, int | str | None) and not hasattr(value, "value") else str(value)
