"""`ostiary serve --profile conformance`: the server, its clients and their configurations, as the suite finds them."""

import json
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from sqlalchemy import text

from clients.metadata import validate
from server.accounts.claims import STANDARD_CLAIMS
from server.cli.conformance import EMAIL, WARNING, check_alone
from server.cli.conformance_plans import CLAIMS, SETTINGS, SUITE, clients_of, configuration
from server.cli.running import transact
from server.cli.serve import ADMIN_EMAIL
from server.settings import load
from tests.cli.conftest import CommandLine
from tests.conftest import Serve, SettingsFor

SUITE_URL = "https://suite.example/test/a/mine"
PLANS = clients_of(SUITE_URL)


def read(folder: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return document


@pytest.mark.slow
def test_the_suite_finds_what_it_needs(serve: Serve, tmp_path: Path) -> None:
    server = serve(options=("--profile", "conformance", "--suite", SUITE_URL))
    assert WARNING in server.log
    folder = tmp_path / "data" / "conformance"
    assert {path.stem for path in folder.iterdir()} == {*PLANS, "person"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    assert str(folder / "openid.json") in server.log
    with server.http() as http:
        found = http.get("/.well-known/openid-configuration").json()
        assert found["response_types_supported"] == [name.strip() for name in SETTINGS["RESPONSE_TYPES"].split(",")]
        assert {"registration_endpoint", "check_session_iframe", "end_session_endpoint"} <= found.keys()
        assert found["id_token_signing_alg_values_supported"] == SETTINGS["SIGNING_ALGORITHMS"].split()
        client = read(folder, "openid")["client"]
        form = {"grant_type": "refresh_token", "refresh_token": "x"}
        answer = http.post("/token", data=form, auth=httpx.BasicAuth(client["client_id"], client["client_secret"]))
        assert answer.json()["error"] == "invalid_grant"  # so the client itself is known
    person = read(folder, "person")
    assert person["email"] == EMAIL
    shown = server.cli("user", "show", EMAIL)
    assert shown["email_verified"] is True
    server.stop()
    before = (folder / "openid.json").read_text("utf-8")
    again = serve(options=("--profile", "conformance"), port=server.port)
    assert (folder / "openid.json").read_text("utf-8") == before
    assert WARNING in again.log


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the profile sets in the environment of its process must not stay in that of the tests."""
    for name, value in {**SETTINGS, "PORT": "0"}.items():
        monkeypatch.setenv(f"OSTIARY_{name}", value)


@pytest.fixture
def untouched(ostiary: CommandLine, tmp_path: Path) -> Iterator[CommandLine]:
    """A command line that must leave the database as it is."""
    yield ostiary
    assert [row["event"] for row in ostiary.json("audit", "list") if row["event"].startswith("key.")] == []
    assert not list(tmp_path.rglob("person.json"))


CONFORMANCE = ("serve", "--profile", "conformance")


def test_another_profile_or_a_wrong_suite_is_refused_before_anything_is_made(untouched: CommandLine) -> None:
    assert "conformance" in untouched.refusal("serve", "--profile", "production")
    for suite in ("http://suite.example/test/a/mine", "https://", "suite", f"{SUITE_URL}?x=1"):
        assert "--suite must be an https URL" in untouched.refusal(*CONFORMANCE, "--suite", suite)
    assert "--suite goes with --profile" in untouched.refusal("serve", "--suite", SUITE_URL)
    assert untouched.json("user", "list") == []


def test_another_suite_than_before_is_refused(ostiary: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "conformance"
    folder.mkdir()
    (folder / "person.json").write_text(json.dumps({"suite": SUITE_URL}))
    line = ostiary.refusal(*CONFORMANCE, "--suite", "https://other.example/test/a/mine", OSTIARY_DATA_DIR=str(tmp_path))
    assert line.startswith(f"{folder.resolve()} was made for the suite at {SUITE_URL}: remove it")


def test_a_database_with_other_clients_is_refused(untouched: CommandLine) -> None:
    untouched.json("client", "create", "--profile", "service", "--client-id", "shop")
    line = untouched.refusal(*CONFORMANCE)
    assert "must have a database of its own, but there is the client shop: set OSTIARY_DATA_DIR to an empty" in line


def test_a_database_with_other_people_is_refused(untouched: CommandLine) -> None:
    untouched.json("user", "create", "alice@example.com")
    assert "there is the person alice@example.com" in untouched.refusal(*CONFORMANCE)


def test_a_database_in_use_by_its_administrator_alone_is_refused(untouched: CommandLine) -> None:
    password = ("--password-stdin",)
    untouched.json("user", "create", "admin@localhost", *password, stdin="correct horse battery staple\n")
    assert "there is the person admin@localhost" in untouched.refusal(*CONFORMANCE)


def test_the_profiles_own_clients_and_people_are_no_others(ostiary: CommandLine, settings_for: SettingsFor) -> None:
    """Those that it made, those that the suite registered, and the administrator."""
    settings = settings_for()
    transact(lambda db: check_alone(db, ADMIN_EMAIL), settings)
    ostiary.json("user", "create", ADMIN_EMAIL)
    transact(lambda db: check_alone(db, ADMIN_EMAIL), settings)
    ostiary.json("user", "create", EMAIL)
    ostiary.json("user", "set-password", ADMIN_EMAIL, "--password-stdin", stdin="correct horse battery staple\n")
    metadata = {"redirect_uris": [f"{SUITE_URL}/callback"]}
    for client_id, members in (("conformance-1", {}), ("ostiary-account-api", {}), ("cli_reg", {"unverified": True})):
        create = ("client", "create", "--client-id", client_id, "--metadata", "-")
        ostiary.json(*create, stdin=json.dumps({**metadata, **members}))
    transact(lambda db: check_alone(db, ADMIN_EMAIL), settings)
    ostiary.json("client", "create", "--client-id", "cli_other", "--metadata", "-", stdin=json.dumps(metadata))
    with pytest.raises(typer.Exit):
        transact(lambda db: check_alone(db, ADMIN_EMAIL), settings)


def test_a_database_of_an_older_version_is_not_migrated(ostiary: CommandLine, settings_for: SettingsFor) -> None:
    transact(lambda db: db.execute(text("UPDATE alembic_version SET version_num = '0001'")), settings_for())
    assert "`ostiary db upgrade`" in ostiary.refusal(*CONFORMANCE)


def test_the_settings_are_valid_together() -> None:
    settings = load({f"OSTIARY_{name}": value for name, value in SETTINGS.items()}).settings
    assert len(settings.response_types) == 6


def test_the_person_has_all_twenty_standard_claims() -> None:
    """OpenID Connect Core section 5.1; oidcc-scope-all."""
    assert {*CLAIMS, "sub", "email", "email_verified", "updated_at"} == set(STANDARD_CLAIMS)
    assert len(STANDARD_CLAIMS) == 20


@pytest.mark.parametrize("name", PLANS)
def test_each_configuration_is_what_the_suite_reads(name: str) -> None:
    issuer = "https://login.example.com/"
    document = json.loads(configuration(name, PLANS[name], {"conformance-1": "s"}, issuer=issuer, suite=SUITE_URL))
    assert document["alias"] == "mine"
    assert document["server"] == {"discoveryUrl": "https://login.example.com/.well-known/openid-configuration"}
    for member, client in PLANS[name]:
        assert document[member]["client_id"] == client.client_id
        assert validate(dict(client.metadata))["redirect_uris"][0] == f"{SUITE_URL}/callback"


def test_fapi_clients_keep_their_private_keys_to_the_suite() -> None:
    """RFC 7517 section 9.2."""
    for name in ("fapi2", "fapi2-message-signing"):
        for _, client in PLANS[name]:
            assert client.private_jwks is not None
            (private,) = client.private_jwks["keys"]
            (public,) = client.metadata["jwks"]["keys"]
            assert private == {**public, "d": private["d"]}
            assert "d" not in public
            assert client.metadata["security_profile"] == "fapi2"


def test_the_suite_runs_on_this_machine_unless_told_otherwise() -> None:
    assert SUITE.endswith("/test/a/ostiary")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_doctor_says_that_commands_need_the_same_settings(ostiary: CommandLine, settings_for: SettingsFor) -> None:
    exported = {f"OSTIARY_{name}": value for name, value in SETTINGS.items()}
    without = {"OSTIARY_RESPONSE_TYPES": "code", "OSTIARY_SIGNING_ALGORITHMS": "RS256"}
    assert "  conformance: " not in ostiary.run("doctor", **without).stdout
    (settings_for().data_dir / "conformance").mkdir()
    for name, value in without.items():
        said = ostiary.run("doctor", **{**exported, name: value}).stdout
        assert "warn  conformance: `ostiary serve --profile conformance` has other settings" in said
    assert "  conformance: " not in ostiary.run("doctor", **exported).stdout


def test_the_settings_to_export_are_written_down() -> None:
    lines = {f"export OSTIARY_{name}={shlex.quote(value)}" for name, value in SETTINGS.items()}
    page = (Path(__file__).parents[2] / "docs" / "certification.md").read_text("utf-8")
    assert {line for line in page.splitlines() if line.startswith("export OSTIARY_")} == lines
