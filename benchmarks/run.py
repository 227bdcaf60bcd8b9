"""`make bench`: measure the server beside what it could at best do on this machine, and print a table."""

import argparse
import datetime as dt
import json
import os
import platform
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# The line above lets a script of this folder find its neighbours and the tests' support
from benchmarks import report, wrk
from benchmarks.codes import Codes
from benchmarks.cold_start import ColdStart
from benchmarks.extensions import Extensions
from benchmarks.measure import Collected, Measure, MeasurementError
from benchmarks.memory import Memory
from benchmarks.stage import Stage
from benchmarks.tokens import Tokens

MEASURES: tuple[type[Any], ...] = (Tokens, Codes, ColdStart, Memory, Extensions)
Results = dict[str, dict[str, Collected]]


def _say(text: str) -> None:
    # standard output is for the result
    print(f"{dt.datetime.now().astimezone():%H:%M:%S}  {text}", file=sys.stderr, flush=True)


def _shortly(measure: Measure, values: dict[str, float]) -> str:
    return ", ".join(
        f"{name} {value:.{measure.FIGURES[name].digits}f} {measure.FIGURES[name].unit}".strip()
        for name, value in values.items()
    )


def measure_all(measures: list[Measure], rounds: int, seconds: float) -> Results:
    """Run all measures in every round, so that what disturbs the machine for a while disturbs all of them."""
    results = {
        measure.NAME: {name: Collected(figure) for name, figure in measure.FIGURES.items()} for measure in measures
    }
    with Stage() as stage:
        for measure in measures:
            _say(f"prepare {measure.NAME}")
            measure.prepare(stage)
        for number in range(1, rounds + 1):
            for measure in measures:
                values = measure.round(seconds)
                _say(f"round {number}/{rounds}  {measure.NAME}: {_shortly(measure, values)}")
                for name in measure.FIGURES.keys() & values.keys():
                    results[measure.NAME][name].values.append(values[name])
    return {name: {key: one for key, one in found.items() if one.values} for name, found in results.items()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the server; figures mean most on an idle machine.")
    parser.add_argument("--seconds", type=float, default=5, help="how long each load lasts in a round (default 5)")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default 5)")
    names = [measure.NAME for measure in MEASURES]
    parser.add_argument("--only", action="append", choices=names, help="measure only this; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.seconds < 1:
        parser.error("at least one round of at least one second")
    return arguments


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that every process ends
    measures: list[Measure] = [each() for each in MEASURES if not arguments.only or each.NAME in arguments.only]
    if any(measure.NEEDS_WRK for measure in measures) and not wrk.is_installed():
        raise SystemExit("wrk is missing, which makes the load: install it (Debian: apt-get install wrk)")
    load_before = os.getloadavg()[0]
    began = time.monotonic()
    try:
        results = measure_all(measures, arguments.rounds, arguments.seconds)
    except MeasurementError as error:
        raise SystemExit(str(error)) from None
    facts = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "load_before": round(load_before, 2),
        "took_seconds": round(time.monotonic() - began),
    }
    if arguments.json:
        print(json.dumps(report.as_json(facts, results), indent=2))
    else:
        report.show(facts, results)


if __name__ == "__main__":
    main()
