"""Memory of each worker after load."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from benchmarks import targets
from benchmarks.measure import Figure, Goal
from benchmarks.processes import pss_mib, workers
from benchmarks.stage import Stage

MOST_LOAD_SECONDS = 2


class Memory:
    """The proportional set size (PSS) counts a page that two processes share half to each."""

    NAME: ClassVar[str] = "memory"
    NEEDS_WRK: ClassVar[bool] = True
    FIGURES: ClassVar[Mapping[str, Figure]] = MappingProxyType(
        {
            "postgresql": Figure("largest worker on PostgreSQL", "MiB", 1, Goal.BELOW, 120),
            "sqlite": Figure("the process on SQLite", "MiB", 1, Goal.BELOW, 120),
        }
    )

    def prepare(self, stage: Stage) -> None:
        """Start both servers."""
        self._targets = [targets.served(stage.postgresql), targets.served(stage.sqlite)]
        self._pids = {"postgresql": stage.postgresql.pid, "sqlite": stage.sqlite.pid}

    def round(self, seconds: float) -> dict[str, float]:
        """Load both, then look."""
        for target in self._targets:
            target.load(min(seconds, MOST_LOAD_SECONDS))
        return {name: max(pss_mib(worker) for worker in workers(pid)) for name, pid in self._pids.items()}
