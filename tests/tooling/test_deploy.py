"""What deploy/ gives to operators works as it stands."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from keys.sealing import parse_root_keys
from server.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
FILES = [ROOT / "docker-compose.yml", *(path for path in sorted(DEPLOY.iterdir()) if path.is_file())]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    named = set(re.findall(rf"\b{PREFIX}([A-Z0-9_]+)", path.read_text("utf-8")))
    known = {"CONFIG", *(name.upper() for name in Settings.model_fields)}
    assert {name for name in named if name not in known and name.removesuffix("_FILE") not in known} == set()


def test_what_the_image_copies_exists_and_reaches_the_builder() -> None:
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    copied = [
        name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    ]
    let_through = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert [name for name in copied if f"!{name}" not in let_through] == []


def test_secrets_are_made_once_and_can_be_used(tmp_path: Path) -> None:
    script = shutil.copy(DEPLOY / "make-secrets", tmp_path)
    assert subprocess.run(["sh", script], check=True, capture_output=True, cwd="/").stderr == b""
    made = {path.name: path.read_text("ascii") for path in (tmp_path / "secrets").iterdir()}
    assert len(parse_root_keys(made["secret_key"])) == 1
    assert made["database_url"] == f"postgresql://ostiary:{made['postgres_password']}@postgres/ostiary"
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    again = subprocess.run(["sh", script], check=False, capture_output=True, cwd="/")
    assert again.returncode == 1
    assert {path.name: path.read_text("ascii") for path in (tmp_path / "secrets").iterdir()} == made


def test_the_secrets_are_never_committed() -> None:
    command = ["git", "check-ignore", "--quiet", "deploy/secrets/secret_key"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
