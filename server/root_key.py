"""The root key: from the settings, or made once beside the embedded database."""

import fcntl
import os
from pathlib import Path

from keys.sealing import Sealer, generate_root_key, parse_root_keys
from server.settings import AS_THE_SERVER, Settings, SettingsError

FILE_NAME = "secret-key"


def path_of(settings: Settings) -> Path:
    """Return where the generated root key is kept."""
    return settings.data_dir / FILE_NAME


def make_if_new(settings: Settings) -> None:
    """Make the root key of an embedded database that is about to be made. Raises SettingsError.

    Never for one that exists: another key than the one that sealed it would hide that this one is lost.
    """
    path = path_of(settings)
    if settings.secret_key or not settings.is_sqlite:
        return
    try:
        if not _is_filled(settings.sqlite_path):
            _make(path)
    except OSError as error:
        raise _refused(path, error) from None


def sealer_of(settings: Settings) -> Sealer:
    """Return the sealer. Raises SettingsError, also where the root key's file is missing."""
    text = settings.secret_key or _read(settings)
    try:
        return Sealer(parse_root_keys(text))
    except ValueError as error:
        name = "OSTIARY_SECRET_KEY" if settings.secret_key else str(path_of(settings))
        raise SettingsError(f"{name}: {error}") from None


def _is_filled(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _make(path: Path) -> None:
    if _is_filled(path):
        return  # given by the operator, perhaps for reading only
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        # of two processes that start together one makes the key, the other waits and leaves it
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # or an empty file is there already: a process was killed before the next line
        if os.fstat(descriptor).st_size == 0:
            os.write(descriptor, f"{generate_root_key()}\n".encode("ascii"))  # at once: never half of it
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(settings: Settings) -> str:
    path = path_of(settings)
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        raise SettingsError(
            f"the root key is missing, which should be in {path} or OSTIARY_SECRET_KEY: bring it back from the backup, "
            "or set OSTIARY_DATA_DIR or OSTIARY_CONFIG as the server has it"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} holds no root key: bring it back from the backup") from None
    except OSError as error:
        raise _refused(path, error) from None


def _refused(path: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{path} with the root key cannot be used ({error.strerror}): {AS_THE_SERVER}")
