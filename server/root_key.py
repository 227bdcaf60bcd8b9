"""The root key: from the settings, or made once beside the embedded database."""

import os
from pathlib import Path

from keys.sealing import Sealer, generate_root_key, parse_root_keys
from server.settings import Settings, SettingsError

FILE_NAME = "secret-key"


def path_of(settings: Settings) -> Path:
    """Return where the generated root key is kept."""
    return settings.data_dir / FILE_NAME


def sealer_of(settings: Settings) -> Sealer:
    """Return the sealer; for the embedded database the root key is made if there is none yet."""
    text = settings.secret_key or _read_or_make(path_of(settings))
    try:
        return Sealer(parse_root_keys(text))
    except ValueError as error:
        name = "OSTIARY_SECRET_KEY" if settings.secret_key else str(path_of(settings))
        raise SettingsError(f"{name}: {error}") from None


def _read_or_make(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        # O_EXCL: of two processes that start together one makes the key, the other reads it
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text("ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        key = generate_root_key()
        file.write(key + "\n")
    return key
