"""Load with wrk: as many token requests as the server answers, over keep-alive connections."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.measure import MeasurementError

CONNECTIONS = 16
SCRIPT = Path(__file__).with_name("token.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw."""

    answers: int
    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    sample: list[str]
    """Some of the answers, as they came."""


def is_installed() -> bool:
    """Whether there is a wrk."""
    return shutil.which("wrk") is not None


def run(url: str, form: dict[str, str], seconds: float) -> Load:
    """Send the form again and again. Raises MeasurementError unless every single answer was 200."""
    whole = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{whole}s", "--timeout", "10s", "-s", str(SCRIPT), url, "--"]
    done = subprocess.run([*command, urlencode(form)], capture_output=True, text=True, check=False, timeout=whole + 60)
    if done.returncode != 0:
        raise MeasurementError(f"wrk {url}: {done.stderr.strip() or done.stdout.strip()}")
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    if facts["refused"] or facts["broken"] or not facts["answers"]:
        counts = f"{facts['answers']} answers, {facts['refused']} not 200, {facts['broken']} broken connections"
        raise MeasurementError(f"wrk {url}: {counts} {facts['refusal']}")
    return Load(
        answers=facts["answers"],
        per_second=facts["answers"] / facts["microseconds"] * 1_000_000,
        p50_milliseconds=facts["p50"] / 1000,
        p99_milliseconds=facts["p99"] / 1000,
        sample=facts["sample"].splitlines(),
    )
