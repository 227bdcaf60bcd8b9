"""The rules of docs/architecture.md, held by machine."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("keys", "clients", "server")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
LONGEST_FILE = 400
ONE_TABLE = {"server/settings.py", "server/storage/schema.py"}
"""Every setting once, every table once: these are read from the top to the bottom."""


ASKING = re.compile(r"(time\.(time|time_ns|monotonic|monotonic_ns|perf_counter)|(datetime|date)\.(now|utcnow|today))$")
READING = re.compile(r"os\.(environ|environb|getenv)$")


def _names(path: Path) -> set[str]:
    """Return every `module.name` that a file uses, however it imports it."""
    tree = ast.parse(path.read_text("utf-8"))
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return imported | {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _users_of(names: re.Pattern[str]) -> set[str]:
    return {str(p.relative_to(ROOT)) for p in SOURCES if any(names.search(name) for name in _names(p))}


def test_imports_point_up_the_line() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_only_the_clock_asks_the_time() -> None:
    assert _users_of(ASKING) == {"server/clock.py"}


def test_only_the_settings_read_the_environment() -> None:
    # serve writes it, for its worker processes
    assert _users_of(READING) == {"server/settings.py", "server/cli/serve.py"}


@pytest.mark.parametrize("package", sorted({p.parent for p in SOURCES}), ids=str)
def test_every_folder_opens_with_what_it_owns(package: Path) -> None:
    assert ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8")))


def test_files_fit_on_a_few_screens() -> None:
    long = {
        str(p.relative_to(ROOT)): lines
        for p in SOURCES
        if (lines := len(p.read_text("utf-8").splitlines())) > LONGEST_FILE
    }
    assert set(long) <= ONE_TABLE, long


def test_lock_files_name_no_address() -> None:
    locks = [*ROOT.glob("requirements*.lock"), ROOT / "package-lock.json"]
    assert len(locks) == 4
    for lock in locks:
        text = re.sub(r'"url": "https://[^"]*"', "", lock.read_text("utf-8"))  # where a package asks for donations
        assert "://" not in text, lock
