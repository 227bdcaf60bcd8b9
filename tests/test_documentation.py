"""The documentation says what is there, all of it, and nothing else."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.metadata import MEMBERS, InvalidClientMetadata, validate
from clients.self_registration import is_own
from scripts.command_line_reference import reference
from server.cli import commands
from server.events.names import Event
from server.extensions import EXTENSIONS
from server.settings import Settings
from tests.conftest import Serve

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = {".venv", "node_modules", "var", ".git"}
DOCUMENTS = sorted(path for path in ROOT.rglob("*.md") if not LEFT_OUT & set(path.relative_to(ROOT).parts))
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _prose(path: Path) -> str:
    """Return a document without its code blocks."""
    return re.sub(r"```.*?```", "", _text(path), flags=re.DOTALL)


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", _prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for found in LINK.finditer(_prose(document)):
        target, _, anchor = (found[1] or found[2]).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), target
        assert not anchor or anchor in _anchors(path), f"{target}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_file_that_is_named_exists(document: Path) -> None:
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    for name in re.findall(rf"`((?:{folders})/[\w./-]+\.(?:py|md|html|css|js|sh|conf|toml|service))`", _text(document)):
        assert "NAME" in name or (ROOT / name).exists(), name


def _as_text(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return " ".join(default)
    return "" if default is None else str(default)


def test_every_setting_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(OSTIARY_\w+)` \|([^|]*)\|", _text(ROOT / "docs/configuration.md"), re.MULTILINE))
    assert set(rows) == {f"OSTIARY_{name.upper()}" for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        assert rows[f"OSTIARY_{name.upper()}"].strip().strip("`") == _as_text(field.default), name


def _client_members() -> dict[str, list[str]]:
    """Return the cells behind each member in the tables of docs/client-metadata.md."""
    rows = re.findall(r"^\| `(\w+)` \|(.+)\|$", _text(ROOT / "docs/client-metadata.md"), re.MULTILINE)
    assert len({name for name, _ in rows}) == len(rows)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_every_client_metadata_member_is_documented_with_who_may_set_it() -> None:
    members = _client_members()
    assert set(members) == set(MEMBERS)
    assert {name: cells[-1] for name, cells in members.items()} == {
        name: "client" if is_own(name) else "operator" for name in MEMBERS
    }


def _choices(name: str) -> set[str]:
    """Return the values that a member may have, where these are a few: the refusal of another one tells them."""
    for wrong in ("?", ["?"]):
        try:
            MEMBERS[name](name, wrong)
        except InvalidClientMetadata as refused:
            listed = re.fullmatch(rf"{name} (?:must be one of|may hold only) (.+)", refused.description)
            if listed is not None:
                return set(listed[1].split(", "))
    return set()


CHOICES = {name: choices for name in MEMBERS if (choices := _choices(name))}


@pytest.mark.parametrize("name", CHOICES)
def test_the_values_of_a_client_metadata_member_are_documented(name: str) -> None:
    values = _client_members()[name][0]
    same = re.findall(r"^\| (\*[\w ]+\*) \|(.+)\|$", _text(ROOT / "docs/client-metadata.md"), re.MULTILINE)
    for word, those in same:
        values = values.replace(word, those)
    assert set(re.findall(r"`([^`]+)`", values)) == CHOICES[name]


def test_the_defaults_of_client_metadata_are_documented() -> None:
    given = {"redirect_uris": ["https://client.example/cb"]}
    filled_in = {name: value for name, value in validate(given).items() if name not in given}
    for name, value in filled_in.items():
        default = " ".join(value) if isinstance(value, list) else value
        assert _client_members()[name][1].startswith(f"`{default}`"), name


def test_every_command_is_documented() -> None:
    assert _text(ROOT / "docs/command-line.md") == reference(), (
        "run: .venv/bin/python -m scripts.command_line_reference"
    )


def _commands() -> set[str]:
    nouns = commands()
    return {*nouns, *(f"{noun} {verb}" for noun in nouns for verb in getattr(nouns[noun], "commands", {}))}


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_command_that_is_named_exists(document: Path) -> None:
    known = _commands()
    for words in re.findall(r"(?:`|bin/|server )ostiary ([a-z]+(?: [a-z-]+)?)", _text(document)):
        assert words in known or words.split()[0] in known, words


def test_every_extension_is_in_the_table_of_specifications() -> None:
    table = _text(ROOT / "docs/specifications.md")
    for extension in EXTENSIONS:
        assert f"server/extensions/{extension.name}.py" in table, extension.name


def test_every_folder_of_the_server_is_in_the_architecture() -> None:
    text = _text(ROOT / "docs/architecture.md")
    for folder in sorted((ROOT / "server").iterdir()):
        if folder.is_dir() and (folder / "__init__.py").exists():
            assert f"{folder.name}/" in text, folder.name


def test_the_audit_events_worth_an_alert_exist() -> None:
    table = _text(ROOT / "docs/operations.md").partition("Worth an alert")[2].partition("\n## ")[0]
    names = re.findall(r"`([a-z_]+\.[a-z_]+)`", table)
    assert len(names) > 4
    assert set(names) <= {event.value for event in Event}


def test_every_test_that_the_certification_plans_name_exists() -> None:
    for file, name in re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", _text(ROOT / "docs/certification.md")):
        source = _text(ROOT / "tests/specifications" / file)
        assert f"def {name}" in source, f"{file}::{name}"


@pytest.mark.slow
def test_the_bank_of_the_profiles_can_be_registered_as_it_stands(serve: Serve, tmp_path: Path) -> None:
    text = _text(ROOT / "docs/client-profiles.md")
    algorithms = re.findall(r'set `OSTIARY_SIGNING_ALGORITHMS="([\w ]+)"`', text)
    server = serve(signing_algorithms=algorithms[0])
    (script,) = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=server.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["security_profile"] == "fapi2"


def _tour() -> Iterator[str]:
    blocks = re.findall(r"```sh\n(.*?)```", _text(ROOT / "README.md").partition("## A tour")[2], flags=re.DOTALL)
    for block in blocks:
        lines = block.replace("\\\n", " ").splitlines()
        yield "\n".join(line for line in lines if not line.startswith(("make ", "npm ", "( set -a")))


def test_the_tour_in_the_readme_works_as_it_stands(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "ostiary").symlink_to(Path(sys.executable).with_name("ostiary"))
    (tmp_path / "var").mkdir()
    script = "set -eu\n" + "\n".join(_tour()).replace("http://localhost:8000", server.issuer)
    assert shutil.which("curl"), "curl is not installed: run scripts/provision"
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=server.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"access_token":' in done.stdout
    assert '"scope":"read:things"' in done.stdout.replace(" ", "")
    assert "ada@example.com" in done.stdout
    for name in ("service", "site", "app"):
        assert _text(tmp_path / "var" / f"{name}.env").startswith("CLIENT_ID=cli_")
