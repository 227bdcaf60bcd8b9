"""The result, for people and for programs."""

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Collected

WIDTH = 120
Results = Mapping[str, Mapping[str, Collected]]


def as_json(facts: Mapping[str, Any], results: Results) -> dict[str, Any]:
    """Return everything, with the values of every round."""
    return {
        **facts,
        "measures": {
            measure: {name: _figure(collected) for name, collected in figures.items()}
            for measure, figures in results.items()
        },
    }


def _figure(collected: Collected) -> dict[str, Any]:
    figure = collected.figure
    facts: dict[str, Any] = {"label": figure.label, "unit": figure.unit}
    facts |= {"median": collected.median, "values": collected.values}
    if figure.goal is not None:
        facts |= {"target": f"{figure.goal.value} {figure.target:g}", "met": collected.is_met}
    return facts


def show(facts: Mapping[str, Any], results: Results) -> None:
    """Print a table."""
    caption = (
        f"{facts['date']}, {facts['cores']} cores, Python {facts['python']}, "
        f"{facts['rounds']} rounds of {facts['seconds']:g} s, load before {facts['load_before']}"
    )
    table = Table(caption=caption, caption_justify="left")
    for heading in ("measure", "figure"):
        table.add_column(heading, overflow="fold")
    for heading in ("median", "lowest", "highest", "target"):
        table.add_column(heading, justify="right", no_wrap=True)
    for measure, figures in results.items():
        for number, collected in enumerate(figures.values()):
            table.add_row("" if number else measure, *_row(collected), end_section=number == len(figures) - 1)
    # in a file or a pipe nothing needs folding
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def _row(collected: Collected) -> list[str]:
    figure = collected.figure
    values = (collected.median, min(collected.values), max(collected.values))
    numbers = [f"{value:,.{figure.digits}f} {figure.unit}".strip() for value in values]
    target = ""
    if figure.goal is not None:
        word = "[green]met[/]" if collected.is_met else "[red]missed[/]"
        target = f"{figure.goal.value} {figure.target:g} {figure.unit}".strip() + f" {word}"
    return [figure.label, *numbers, target]
