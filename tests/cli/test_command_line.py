"""What operators do: people, clients, keys, scopes, audit, doctor, settings."""

import asyncio
import json
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from keys.sealing import generate_root_key
from server.cli import app, commands
from server.configured_database import database_of
from tests.cli.conftest import CommandLine
from tests.conftest import SettingsFor

PASSWORD = "correct horse battery staple\n"


def _commands(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands((*words, name), below)


COMMANDS = {words: command for noun, top in commands().items() for words, command in _commands((noun,), top)}


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_everything_has_help(ostiary: CommandLine, words: tuple[str, ...]) -> None:
    result = ostiary.run(*words, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


@pytest.mark.parametrize("words", [words for words in COMMANDS if not hasattr(COMMANDS[words], "commands")])
def test_every_command_but_serve_prints_json_for_programs(words: tuple[str, ...]) -> None:
    names = {name for parameter in COMMANDS[words].params for name in parameter.opts}
    assert words == ("serve",) or "--json" in names


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert re.fullmatch(r"ostiary \d+\.\d+\.\d+\n", result.stdout)


def test_a_person_from_creation_to_deletion(ostiary: CommandLine) -> None:
    made = ostiary.json(
        "user", "create", "Alice@Example.com", "--name", "Alice", "--username", "alice", "--verified",
        "--role", "admin", "--role", "editor", "--organization", "ACME", "--password-stdin", stdin=PASSWORD,
    )  # fmt: skip
    assert made["id"].startswith("usr_")
    assert made["email"] == "Alice@Example.com"
    assert made["roles"] == ["admin", "editor"]
    for who in ("alice@example.com", "ALICE", made["id"]):
        assert ostiary.json("user", "show", who)["id"] == made["id"]
    assert [person["id"] for person in ostiary.json("user", "list")] == [made["id"]]
    assert ostiary.json("user", "disable", "alice")["status"] == "disabled"
    assert ostiary.json("user", "enable", "alice")["status"] == "active"
    link = ostiary.json("user", "set-password", "alice")["password_link"]
    assert link.startswith("https://login.example.com/account/set-password?token=opw_")
    ostiary.json("user", "set-password", "alice", "--password-stdin", stdin=PASSWORD)
    ostiary.json("user", "reset-mfa", "alice")
    assert ostiary.json("user", "delete", "alice")["status"] == "deleted"
    assert "nobody is called alice" in ostiary.refusal("user", "show", "alice")
    events = [row["event"] for row in ostiary.json("audit", "list", "--user", made["id"])]
    for event in ("user.created", "user.disabled", "user.enabled", "password.changed", "user.deleted"):
        assert event in events


def test_claims_come_from_a_file(ostiary: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "claims.json"
    file.write_text(json.dumps({"given_name": "Bo", "address": {"country": "Norway"}}))
    ostiary.json("user", "create", "bo@example.com", "--claims", str(file))
    shown = ostiary.json("user", "update", "bo@example.com", "--role", "reader", "--verified")
    assert shown["email_verified"] is True
    assert ostiary.json("user", "show", "bo@example.com")["claims"]["address"] == {"country": "Norway"}
    file.write_text('{"sub": "x"}')
    assert "--claims" in ostiary.refusal("user", "update", "bo@example.com", "--claims", str(file))


def test_mistakes_get_one_line_and_exit_code_1(ostiary: CommandLine) -> None:
    ostiary.json("user", "create", "a@example.com", "--username", "aaa")
    assert "belongs to a person already" in ostiary.refusal("user", "create", "A@EXAMPLE.com")
    assert "belongs to somebody already" in ostiary.refusal("user", "create", "b@example.com", "--username", "AAA")
    assert ostiary.refusal("user", "create", "no-address")
    assert "too short" in ostiary.refusal("user", "create", "c@example.com", "--password-stdin", stdin="short\n")
    assert "no client nobody" in ostiary.refusal("client", "show", "nobody")
    assert "no profile" in ostiary.refusal("client", "create", "--profile", "toaster")
    assert "no key x" in ostiary.refusal("key", "revoke", "x")
    assert "no time" in ostiary.refusal("audit", "list", "--since", "yesterday")
    assert ostiary.run("user", "frobnicate").exit_code == 2


def test_a_client_from_registration_to_deletion(ostiary: CommandLine, tmp_path: Path) -> None:
    made = ostiary.json(
        "client", "create", "--profile", "web", "--name", "Shop", "--redirect-uri", "https://a.example/cb"
    )
    client_id = made["client_id"]
    assert made["client_secret"].startswith("ocs_")
    assert made["client_secret_expires_at"] == 0
    assert made["grant_types"] == ["authorization_code", "refresh_token"]
    assert "client_secret" not in ostiary.json("client", "show", client_id)
    file = tmp_path / "metadata.json"
    file.write_text(json.dumps({"client_name": "Shop 2", "scope": "openid orders:read"}))
    assert ostiary.json("client", "update", client_id, "--metadata", str(file))["client_name"] == "Shop 2"
    assert "orders:read" in [scope["name"] for scope in ostiary.json("scope", "list")]
    assert "may still ask" in ostiary.refusal("scope", "delete", "orders:read")
    rotated = ostiary.json("client", "rotate-secret", client_id, "--overlap", "3600")
    assert rotated["client_secret"] != made["client_secret"]
    assert len(ostiary.json("client", "show", client_id)["secrets"]) == 2
    assert ostiary.json("client", "disable", client_id)["status"] == "disabled"
    assert ostiary.json("client", "enable", client_id)["status"] == "active"
    assert [client["client_id"] for client in ostiary.json("client", "list")] == [client_id]
    assert ostiary.json("client", "delete", client_id)["status"] == "deleted"
    assert ostiary.json("client", "list") == []


def test_what_a_client_needs_can_be_printed_for_its_environment(ostiary: CommandLine) -> None:
    service = ostiary.run("client", "create", "--profile", "service", "--scope", "read:things", "--env").stdout
    assert re.fullmatch(r"CLIENT_ID=cli_\w{26}\nCLIENT_SECRET=[\w-]{43,}\n", service), service
    options = ("--client-id", "it's me", "--redirect-uri", "https://app.example/callback", "--env")
    refused = ostiary.refusal("client", "create", "--profile", "spa", *options)
    assert "printable ASCII without spaces" in refused
    options = ("--client-id", "it's", "--redirect-uri", "https://app.example/callback", "--env")
    public = ostiary.run("client", "create", "--profile", "spa", *options).stdout
    assert shlex.split(public) == ["CLIENT_ID=it's"]


def test_client_metadata_comes_as_rfc_7591_json(ostiary: CommandLine) -> None:
    metadata = {
        "redirect_uris": ["https://a.example/cb"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
        "client_name#de": "Laden",
    }
    made = ostiary.json("client", "create", "--metadata", "-", stdin=json.dumps(metadata))
    assert "client_secret" not in made
    assert made["client_name#de"] == "Laden"
    for bad in ("[]", "{", '{"redirect_uris": ["javascript:alert(1)"]}', '{"redirect_uris": [5]}'):
        assert ostiary.refusal("client", "create", "--metadata", "-", stdin=bad)


def test_scopes_have_words(ostiary: CommandLine) -> None:
    ostiary.json("scope", "create", "read:posts", "--description", "Read your posts")
    scopes = {scope["name"]: scope["description"] for scope in ostiary.json("scope", "list")}
    assert scopes["read:posts"] == "Read your posts"
    assert "openid" in scopes
    assert ostiary.refusal("scope", "create", "two words")
    ostiary.json("scope", "delete", "read:posts")
    assert ostiary.refusal("scope", "delete", "read:posts")


def test_keys_rotate_and_are_revoked(ostiary: CommandLine) -> None:
    assert ostiary.json("key", "list") == []
    first = ostiary.json("key", "rotate")
    assert [key["state"] for key in first] == ["active"]
    second = ostiary.json("key", "rotate")
    assert [key["state"] for key in second] == ["active", "next"]
    assert second[1]["activate_at"] >= second[1]["created_at"] + 300
    assert len(ostiary.json("key", "rotate")) == 2
    now = {key["kid"]: key["state"] for key in ostiary.json("key", "rotate", "--now")}
    assert now[first[0]["kid"]] == "retiring"
    assert sorted(now.values()) == ["active", "retiring"]
    active = next(kid for kid, state in now.items() if state == "active")
    ostiary.json("key", "revoke", active)
    states = {key["kid"]: key["state"] for key in ostiary.json("key", "list")}
    assert states[active] == "revoked"
    assert "active" in states.values()


def test_the_doctor_finds_a_missing_root_key(ostiary: CommandLine) -> None:
    ostiary.json("key", "rotate")
    lines = ostiary.json("doctor")
    assert all(line["ok"] for line in lines)
    wrong = ostiary.run("doctor", OSTIARY_SECRET_KEY=generate_root_key())
    assert wrong.exit_code == 1
    assert "root key" in wrong.stdout
    assert "OSTIARY_SECRET_KEY" in wrong.stdout
    both = generate_root_key() + "," + ostiary.environment["OSTIARY_SECRET_KEY"]
    assert ostiary.run("doctor", OSTIARY_SECRET_KEY=both).exit_code == 0
    unknown = ostiary.run("doctor", OSTIARY_ISUER="x")
    assert unknown.exit_code == 1
    assert "OSTIARY_ISUER" in unknown.stdout


def test_the_root_key_rotates(ostiary: CommandLine) -> None:
    ostiary.json("key", "rotate")
    old, new = ostiary.environment["OSTIARY_SECRET_KEY"], generate_root_key()
    ostiary.environment["OSTIARY_SECRET_KEY"] = f"{new},{old}"
    assert ostiary.json("key", "reseal")["signing_keys"] == 1
    assert ostiary.json("key", "reseal")["signing_keys"] == 0
    ostiary.environment["OSTIARY_SECRET_KEY"] = new
    assert ostiary.run("doctor").exit_code == 0
    assert len(ostiary.json("key", "list")) == 1


def test_settings_show_value_origin_and_meaning(ostiary: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "ostiary.toml").write_text("port = 9000\n")
    secret = tmp_path / "brand"
    secret.write_text("ACME\n")
    result = ostiary.run("settings", "--json", OSTIARY_BRAND_NAME_FILE=str(secret))
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert rows["OSTIARY_PORT"]["value"] == 9000
    assert rows["OSTIARY_PORT"]["origin"].endswith("ostiary.toml")
    assert rows["OSTIARY_BRAND_NAME"]["value"] == "ACME"
    assert rows["OSTIARY_SECRET_KEY"]["value"] == "(hidden)"
    assert all(row["meaning"] for row in rows.values())
    assert ostiary.environment["OSTIARY_SECRET_KEY"] not in result.stdout


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ISSUER", "http://login.example.com"),
        ("ISSUER", "https://login.example.com/?x=1"),
        ("ISSUER", "nonsense"),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "postgresql://x"),
        ("WORKERS", "2"),
        ("SECRET_KEY", "short"),
        ("SIGNING_ALGORITHMS", "HS256"),
        ("TRUSTED_PROXIES", "*"),
        ("RATE_LIMITS", "off"),
        ("ACCESS_TOKEN_SECONDS", "soon"),
        ("BRAND_COLOR", "blue"),
        ("PORT_FILE", "/nonexistent"),
    ],
)
def test_a_bad_setting_is_named_with_its_mend(ostiary: CommandLine, name: str, value: str) -> None:
    environment = {**ostiary.environment, f"OSTIARY_{name}": value}
    if name == "DATABASE_URL":
        environment["OSTIARY_SECRET_KEY"] = ""
    line = CommandLine(environment).refusal("serve")
    assert "OSTIARY_" in line


def test_migrations_are_applied_and_checked(ostiary: CommandLine) -> None:
    upgraded = ostiary.json("db", "upgrade")
    assert upgraded["after"] is not None
    assert ostiary.json("db", "check")["applied"] == upgraded["after"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_database_without_migrations_is_told(ostiary: CommandLine, settings_for: SettingsFor) -> None:
    path = settings_for().sqlite_path
    for file in path.parent.glob("ostiary.db*"):
        file.unlink()
    assert "there is no database at" in ostiary.refusal("db", "check")
    assert "there is no database at" in ostiary.refusal("user", "list")
    assert "FAIL  database: there is no database at" in ostiary.run("doctor").stdout
    assert not path.exists()
    path.touch()
    result = ostiary.run("db", "check")
    assert result.exit_code == 1
    assert "ostiary db upgrade" in result.stderr


def test_an_algorithm_that_is_not_enabled_is_refused_and_found(ostiary: CommandLine, tmp_path: Path) -> None:
    metadata = tmp_path / "metadata.json"
    metadata.write_text('{"redirect_uris": ["https://a.example/cb"], "id_token_signed_response_alg": "ES256"}', "utf-8")
    create = ("client", "create", "--client-id", "app", "--metadata", str(metadata))
    assert "ES256 is not in OSTIARY_SIGNING_ALGORITHMS (RS256)" in ostiary.refusal(*create)
    both = CommandLine({**ostiary.environment, "OSTIARY_SIGNING_ALGORITHMS": "RS256 ES256"})
    both.json(*create)
    assert "app wants ID tokens signed with ES256: add it" in ostiary.run("doctor").stdout
    assert "clients: 1 registered" in both.run("doctor").stdout
    assert "ES256 is not in" in ostiary.refusal("client", "update", "app", "--metadata", str(metadata))


def test_without_the_root_key_the_server_says_what_it_misses_until_the_keys_are_given_up(ostiary: CommandLine) -> None:
    ostiary.json("key", "rotate", "--now")
    other = CommandLine({**ostiary.environment, "OSTIARY_SECRET_KEY": generate_root_key()})
    kid = ostiary.json("key", "list")[0]["kid"]
    for command in (["serve"], ["key", "reseal", "--json"]):
        line = other.refusal(*command)
        assert f"the row signing_key:{kid} cannot be unsealed" in line
        assert "is not in OSTIARY_SECRET_KEY" in line
    for key in ostiary.json("key", "list"):
        other.json("key", "revoke", key["kid"])
    assert other.json("key", "reseal")["signing_keys"] == 0
    assert "FAIL" not in other.run("doctor").stdout
    assert [key["state"] for key in other.json("key", "list")].count("active") == 1


def test_absurd_input_is_refused_in_one_line(ostiary: CommandLine, tmp_path: Path) -> None:
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000 + "]" * 100_000, "utf-8")
    assert "nested" in ostiary.refusal("client", "create", "--metadata", str(deep))
    assert "nested" in ostiary.refusal("user", "create", "a@example.com", "--claims", str(deep))
    assert "255" in ostiary.refusal("client", "create", "--profile", "service", "--client-id", "x" * 256)
    assert "is no time" in ostiary.refusal("audit", "list", "--since", "9" * 30)
    assert ostiary.run("client", "rotate-secret", "x", "--overlap", "9" * 30).exit_code == 2
    assert "nobody is called" in ostiary.refusal("user", "show", "a\0b")


NEWER = [["serve"], ["db", "upgrade"], ["db", "check"], ["user", "list"], ["key", "list"]]


def test_a_database_of_a_newer_version_is_left_alone(ostiary: CommandLine, settings_for: SettingsFor) -> None:
    ostiary.json("db", "upgrade")

    async def change() -> None:
        database = database_of(settings_for(), is_server=False)
        await database.run(lambda db: db.execute(text("UPDATE alembic_version SET version_num = '9999'")))
        await database.close()

    asyncio.run(change())
    for words in NEWER:
        result = ostiary.run(*words)
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit)
        assert "migration 9999, which this version of Ostiary does not know" in result.stderr
    assert "FAIL  migrations: made by a newer version" in ostiary.run("doctor").stdout


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_installed_command_starts_quickly(ostiary: CommandLine) -> None:
    command = Path(sys.executable).with_name("ostiary")
    result = subprocess.run([command, "--help"], capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 0
    assert "serve" in result.stdout
    assert ostiary.environment


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_embedded_database_is_copied_whole(ostiary: CommandLine, tmp_path: Path, settings_for: SettingsFor) -> None:
    ostiary.json("user", "create", "ada@example.com", "--password-stdin", stdin=PASSWORD)
    copy = tmp_path / "copy.db"
    assert ostiary.json("db", "backup", str(copy))["bytes"] > 0
    assert copy.stat().st_mode & 0o077 == 0
    assert "File exists" in ostiary.refusal("db", "backup", str(copy))
    assert "No such file" in ostiary.refusal("db", "backup", str(tmp_path / "nowhere" / "copy.db"))
    ostiary.json("user", "delete", "ada@example.com")
    path = settings_for().sqlite_path
    for file in path.parent.glob("ostiary.db*"):
        file.unlink()
    copy.rename(path)
    assert [person["email"] for person in ostiary.json("user", "list")] == ["ada@example.com"]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_postgresql_is_backed_up_by_its_own_means(ostiary: CommandLine, tmp_path: Path) -> None:
    assert "pg_dump" in ostiary.refusal("db", "backup", str(tmp_path / "copy.db"))


def test_a_port_that_is_taken_is_refused_before_anything_happens(ostiary: CommandLine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"cannot listen on 127.0.0.1 port {port}" in ostiary.refusal("serve", "--port", port)


def test_an_event_that_does_not_exist_is_no_empty_list(ostiary: CommandLine) -> None:
    assert "sign_in.failed" in ostiary.refusal("audit", "list", "--event", "nothing like it")
    line = ostiary.refusal("audit", "list", "--event", "Sign_in.fialed")
    assert line.startswith("there is no event Sign_in.fialed: did you mean sign_in.failed")
    assert len(line) < 150
