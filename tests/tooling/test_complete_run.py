"""`make test` leaves nothing out."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = "import pytest\n\ndef test_one():\n    pass\n\ndef test_two():\n    pytest.skip('no')\n"
EXPECTED_TO_FAIL = "import pytest\n\n@pytest.mark.xfail\ndef test_one():\n    assert False\n"
PASSING = "def test_one():\n    pass\n\ndef test_two():\n    pass\n"


def _run(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    file = folder / "test_it.py"
    file.write_text(source, "utf-8")
    plugins = ["-p", "tests.support.complete_run", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(folder), "-c", "/dev/null", *plugins, *options]
    return subprocess.run([*command, str(file)], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_run_of_everything_passes(tmp_path: Path) -> None:
    assert _run(tmp_path, PASSING).returncode == 0


@pytest.mark.parametrize(
    ("source", "options", "reason"),
    [
        (SKIPPED, (), "1 skipped"),
        (EXPECTED_TO_FAIL, (), "1 xfailed"),
        (PASSING, ("-k", "one"), "1 deselected"),
    ],
    ids=["skipped", "expected to fail", "deselected"],
)
def test_a_test_left_out_fails_the_run_and_is_named(
    tmp_path: Path, source: str, options: tuple[str, ...], reason: str
) -> None:
    result = _run(tmp_path, source, *options)
    assert result.returncode == 1
    assert f"this one did: {reason}" in result.stdout
