"""`make bench` measures: the figures have the right shape and are possible. Their size is for an idle machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "benchmarks" / "run.py")


def _run(*options: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ if path is None else {**os.environ, "PATH": path}
    command = [sys.executable, SCRIPT, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, env=environment)


@pytest.mark.slow
def test_the_benchmarks_measure_and_say_what_they_found() -> None:
    done = _run("--seconds", "1", "--rounds", "1", "--json", "--only", "tokens", "--only", "cold_start")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert list(report["measures"]) == ["tokens", "cold_start"]
    tokens = {name: figure["median"] for name, figure in report["measures"]["tokens"].items()}
    ceiling = max(tokens["signatures_python"], tokens.get("signatures_openssl", 0))
    assert tokens["to_signatures"] == pytest.approx(tokens["postgresql"] / ceiling)
    assert tokens["to_bare"] == pytest.approx(tokens["postgresql"] / tokens["bare"])
    assert min(tokens.values()) > 0
    assert 1 / report["cores"] <= tokens["busiest_worker"] <= 1
    starts = report["measures"]["cold_start"]
    assert all(0 < figure["median"] < 60 and len(figure["values"]) == 1 for figure in starts.values())
    assert starts["empty"]["target"] == "< 2"
    assert starts["empty"]["met"] is (starts["empty"]["median"] < 2)
    assert "round 1/1  cold_start" in done.stderr


def test_without_wrk_the_benchmarks_say_so_in_one_line(tmp_path: Path) -> None:
    done = _run("--only", "memory", path=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "wrk is missing, which makes the load: install it (Debian: apt-get install wrk)\n"
