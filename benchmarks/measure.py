"""What a measure is: it is prepared once, gives some figures in every round, and says what it hopes for."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Protocol

from benchmarks.stage import Stage


class MeasurementError(Exception):
    """A measure went wrong, so that its figures would mean nothing."""


class Goal(Enum):
    """Which side of the target is the good one."""

    AT_LEAST = "≥"
    BELOW = "<"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report: what it is, in what unit, and what it should be."""

    label: str
    unit: str
    digits: int = 0
    goal: Goal | None = None
    target: float = 0

    def is_met(self, value: float) -> bool | None:
        """Whether a value meets the target; None where there is none."""
        if self.goal is None:
            return None
        return value >= self.target if self.goal is Goal.AT_LEAST else value < self.target


class Measure(Protocol):
    """One measure. `round` may be called any number of times between `prepare` and the end of the stage."""

    NAME: ClassVar[str]
    NEEDS_WRK: ClassVar[bool]
    FIGURES: ClassVar[Mapping[str, Figure]]

    def prepare(self, stage: Stage) -> None:
        """Start what the rounds need. Not timed."""
        ...

    def round(self, seconds: float) -> dict[str, float]:
        """Measure for about so many seconds each thing, and return values by the names in FIGURES."""
        ...


@dataclass
class Collected:
    """The values of all rounds."""

    figure: Figure
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle round: one disturbed round does not move it far."""
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        """Whether the median meets the target; None where there is none."""
        return self.figure.is_met(self.median)
