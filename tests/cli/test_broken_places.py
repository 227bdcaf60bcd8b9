"""Files and settings that cannot be used: each command says which in one line, and the doctor in a line that fails."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import pytest

from keys.sealing import generate_root_key, parse_root_keys
from server.configured_database import database_of
from server.root_key import make_if_new, path_of
from server.settings import PREFIX, SettingsError, load
from server.storage.database import DatabaseRefusedError
from tests.cli.conftest import CommandLine
from tests.conftest import SettingsFor

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

NOBODY = 65534
THREADS = 8


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A command line where nothing was made yet, with its root key in the data directory."""
    monkeypatch.chdir(tmp_path)
    environment = {"OSTIARY_DATA_DIR": str(tmp_path / "data"), "OSTIARY_ENCRYPTION_ALGORITHMS": ""}
    return CommandLine(environment)


def _data(command_line: CommandLine) -> Path:
    return Path(command_line.environment["OSTIARY_DATA_DIR"])


def _failure(command_line: CommandLine, **environment: str) -> str:
    """Return the first line of the doctor that fails."""
    result = command_line.run("doctor", **environment)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    return next(line for line in result.stdout.splitlines() if line.startswith("FAIL"))


@pytest.mark.usefixtures("backend")
def test_the_root_key_is_made_with_the_database_and_by_nothing_else(fresh: CommandLine) -> None:
    for command in (["user", "list"], ["key", "rotate"], ["mail", "list"]):
        assert "there is no database at" in fresh.refusal(*command)
    assert "there is no database at" in _failure(fresh)
    assert not _data(fresh).exists()
    fresh.json("db", "upgrade")
    assert (_data(fresh) / "secret-key").stat().st_mode & 0o777 == 0o600
    fresh.json("key", "rotate")
    assert {"check": "root key", "ok": True, "warning": False, "detail": "readable"} in fresh.json("doctor")


@pytest.mark.usefixtures("backend")
def test_a_root_key_is_made_again_where_a_kill_left_an_empty_file(fresh: CommandLine) -> None:
    path = _data(fresh) / "secret-key"
    path.parent.mkdir()
    path.touch(0o600)
    fresh.json("db", "upgrade")
    fresh.json("key", "rotate")
    assert "FAIL  root key" not in fresh.run("doctor").stdout


@pytest.mark.usefixtures("backend")
def test_a_root_key_that_was_there_before_the_database_is_used(fresh: CommandLine) -> None:
    path = _data(fresh) / "secret-key"
    path.parent.mkdir()
    kept = generate_root_key() + "\n"
    path.write_text(kept, "ascii")
    path.chmod(0o400)
    fresh.json("db", "upgrade")
    fresh.json("key", "rotate")
    assert path.read_text("ascii") == kept


@pytest.mark.usefixtures("backend")
def test_of_many_processes_that_start_together_one_makes_the_root_key(tmp_path: Path) -> None:
    settings = load({"OSTIARY_DATA_DIR": str(tmp_path / "data")}).settings
    start = Barrier(THREADS)

    def make() -> str:
        start.wait()
        make_if_new(settings)
        return path_of(settings).read_text("ascii")

    with ThreadPoolExecutor(THREADS) as pool:
        made = {future.result() for future in [pool.submit(make) for _ in range(THREADS)]}
    assert len(made) == 1
    assert parse_root_keys(made.pop())


@pytest.mark.usefixtures("backend")
def test_a_lost_root_key_is_named_and_no_other_takes_its_place(fresh: CommandLine) -> None:
    fresh.json("db", "upgrade")
    fresh.json("key", "rotate")
    path = _data(fresh) / "secret-key"
    kept = path.read_text("ascii")
    path.unlink()
    for command in (["serve", "--port", "0"], ["db", "upgrade"], ["key", "rotate"], ["mail", "list"]):
        line = fresh.refusal(*command)
        assert str(path) in line
        assert "bring it back from the backup" in line
    assert str(path) in _failure(fresh)
    assert not path.exists()
    path.write_text(kept, "ascii")
    assert "FAIL  root key" not in fresh.run("doctor").stdout


@pytest.mark.usefixtures("backend")
def test_a_root_key_that_cannot_be_read_is_named(fresh: CommandLine) -> None:
    fresh.json("db", "upgrade")
    path = _data(fresh) / "secret-key"
    path.write_bytes(b"\xff\xfe")
    assert f"{path} holds no root key" in fresh.refusal("key", "rotate")
    assert f"{path} holds no root key" in _failure(fresh)
    path.unlink()
    path.mkdir()
    assert f"{path} with the root key cannot be used (Is a directory)" in fresh.refusal("serve", "--port", "0")
    assert str(path) in _failure(fresh)


def test_a_file_that_is_no_database_is_named(ostiary: CommandLine, settings_for: SettingsFor, tmp_path: Path) -> None:
    path = settings_for().sqlite_path
    for file in path.parent.glob("ostiary.db-*"):
        file.unlink()
    content = path.read_bytes()
    for broken in (b"hello, this is no database" * 50, content[:100] + b"\0" * 4096 + content[4196:]):
        path.write_bytes(broken)
        for command in (["serve", "--port", "0"], ["user", "list"], ["db", "upgrade", "--json"]):
            line = ostiary.refusal(*command)
            assert f"{path} is no SQLite database, or a damaged one" in line
            assert "bring it back from the backup" in line
        assert _failure(ostiary).startswith(f"FAIL  database: {path} is no SQLite database")
    path.write_bytes(b"hello, this is no database" * 50)
    copy = tmp_path / "copy.db"
    assert "is no SQLite database" in ostiary.refusal("db", "backup", str(copy))
    assert not copy.exists()


def test_a_lock_that_cannot_be_opened_is_named(ostiary: CommandLine, settings_for: SettingsFor) -> None:
    lock = Path(f"{settings_for().sqlite_path}.checkpoint-lock")
    lock.unlink()
    lock.mkdir()
    for command in (["serve", "--port", "0"], ["user", "list"]):
        line = ostiary.refusal(*command)
        assert f"the database's file {lock} cannot be opened (Is a directory)" in line
        assert "as the user that the server runs as" in line
    assert str(lock) in _failure(ostiary)


@contextmanager
def _as_another_user(kept: Path) -> Iterator[None]:
    """Take the place of a user who may not read what is kept: permissions do not bind root."""
    is_root = os.geteuid() == 0
    kept.chmod(0)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        kept.chmod(0o700)


def test_what_belongs_to_another_user_is_named(
    ostiary: CommandLine, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ostiary.run("doctor")  # whose modules that user may not be able to read
    ostiary.json("user", "list")
    monkeypatch.chdir("/")
    data = settings_for().data_dir
    with _as_another_user(data):
        line = ostiary.refusal("user", "list")
        failure = _failure(ostiary)
    for said in (line, failure):
        assert str(data) in said
        assert "as the user that the server runs as" in said


def test_a_data_directory_that_is_a_file_is_named(ostiary: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    for command in (["serve"], ["user", "list"], ["settings"]):
        assert ostiary.refusal(*command, OSTIARY_DATA_DIR=str(path)).startswith(f"OSTIARY_DATA_DIR names {path}")
    assert _failure(ostiary, OSTIARY_DATA_DIR=str(path)).startswith("FAIL  configuration: OSTIARY_DATA_DIR names")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@localhost:port/db",
        "postgresql://u@localhost/db?port=x",
        "postgresql://u@localhost/db?foo=bar",
        "sqlite:///",
        "sqlite:///.",
    ],
)
def test_a_database_url_that_cannot_work_is_named(ostiary: CommandLine, tmp_path: Path, url: str) -> None:
    before = sorted(tmp_path.iterdir())
    for command in (["serve", "--port", "0"], ["user", "list"]):
        assert ostiary.refusal(*command, OSTIARY_DATABASE_URL=url).startswith("OSTIARY_DATABASE_URL")
    assert "OSTIARY_DATABASE_URL" in _failure(ostiary, OSTIARY_DATABASE_URL=url)
    assert sorted(tmp_path.iterdir()) == before


def test_places_that_are_none_are_named_before_anything_is_printed(ostiary: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "text.mmdb").write_text("no places", "utf-8")
    for name in ("text.mmdb", "missing.mmdb"):
        path = str(tmp_path / name)
        line = ostiary.refusal("serve", "--port", "0", OSTIARY_PLACE_DATABASE=path)
        assert line.startswith(f"OSTIARY_PLACE_DATABASE: {path}")
        assert _failure(ostiary, OSTIARY_PLACE_DATABASE=path).startswith("FAIL  places: OSTIARY_PLACE_DATABASE")


def test_a_mail_folder_that_cannot_be_written_is_mended_by_its_setting(
    ostiary: CommandLine, settings_for: SettingsFor
) -> None:
    ostiary.json("key", "rotate")
    (settings_for().data_dir / "mail").touch()
    assert ostiary.refusal("mail", "test", "ada@example.com").endswith("check OSTIARY_DATA_DIR")
    assert "check OSTIARY_DATA_DIR" in _failure(ostiary)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    "issuer",
    [
        "HTTPS://login.example.com",
        "Http://localhost:8000",
        " https://login.example.com",
        "https://login.example.com/a b",
        "https://login.example.com/\tx",
        "https://login.example.com/%zz",
        "https://login.example.com/%4",
        "https://login.example.com/\\x",
        "https://login.example.com?",
        "https://login.example.com#",
        "https://@login.example.com",
        "https://[::1",
        "https://",
        "https://login.example.com:port",
    ],
)
def test_an_issuer_that_is_no_url_character_for_character_is_refused(issuer: str) -> None:
    """RFC 8414 section 2, RFC 3986 section 2: one that passed as http would have cookies without `Secure`."""
    with pytest.raises(SettingsError, match=r"^OSTIARY_ISSUER \w+"):
        load({"OSTIARY_ISSUER": issuer})


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    "values",
    [
        {"PASSWORD_MIN_LENGTH": "100", "PASSWORD_MAX_LENGTH": "64"},
        {"HOST": ""},
        {"DEFAULT_ROLE": "two words"},
        {"DEFAULT_ROLE": "-x"},
        {"MFA_ROLES": "admin r\u00f4le"},
        {"MTLS_URL": "https://[::1"},
    ],
)
def test_what_cannot_work_is_refused_by_its_first_name(values: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=f"^{PREFIX}{next(iter(values))} "):
        load({PREFIX + name: value for name, value in values.items()})


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("SMTP_URL", "smtp://u:top%40secret@mail.example?tls=tls", "smtp://u:(hidden)@mail.example?tls=tls"),
        ("SMTP_URL", "smtp://mail.example", "smtp://mail.example"),
        ("DATABASE_URL", "postgresql://u:top/secret@db/x", "postgresql://u:(hidden)@db/x"),
        ("DATABASE_URL", "postgresql://u@db:5432/x?password=topsecret", "postgresql://u@db:5432/x?password=(hidden)"),
        ("SECRET_KEY", generate_root_key(), "(hidden)"),
    ],
    ids=["smtp", "no password", "slash", "parameter", "key"],
)
def test_settings_show_no_password(ostiary: CommandLine, name: str, value: str, shown: str) -> None:
    result = ostiary.run("settings", **{PREFIX + name: value})
    (line,) = [line for line in result.stdout.splitlines() if line.startswith(f"{PREFIX}{name} ")]
    assert line.split()[1] == shown
    assert "secret" not in line.split()[1]


def test_the_driver_is_opened_with_what_it_knows(settings_for: SettingsFor) -> None:
    known = settings_for(database_url="postgresql://u@localhost:5432/db?sslmode=require&target_session_attrs=any")
    database_of(known, is_server=False)
    with pytest.raises(DatabaseRefusedError, match="OSTIARY_DATABASE_URL"):
        database_of(settings_for(database_url="postgresql://u@localhost/db?pool=3"), is_server=False)
