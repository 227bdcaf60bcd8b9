"""Tokens a second for backend services, beside what the cores can sign and what a bare handler serves."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from benchmarks import signatures, targets
from benchmarks.measure import Figure, Goal, MeasurementError
from benchmarks.processes import cores
from benchmarks.stage import Stage

SLICE_SECONDS = 1


class Tokens:
    """`client_credentials`, signed RS256: no database in the way once the client is cached."""

    NAME: ClassVar[str] = "tokens"
    NEEDS_WRK: ClassVar[bool] = True
    FIGURES: ClassVar[Mapping[str, Figure]] = MappingProxyType(
        {
            "signatures_python": Figure("RSA-2048 signatures, Python cryptography", "1/s"),
            "signatures_openssl": Figure("RSA-2048 signatures, openssl speed", "1/s"),
            "bare": Figure("tokens, bare Starlette handler", "1/s"),
            "postgresql": Figure("tokens, Ostiary on PostgreSQL, a worker per core", "1/s"),
            "sqlite": Figure("tokens, Ostiary on SQLite, one process", "1/s"),
            "postgresql_p50": Figure("… answer time on PostgreSQL, median", "ms", 1),
            "postgresql_p99": Figure("… answer time on PostgreSQL, 99th percentile", "ms", 1),
            "busiest_worker": Figure("… share of the busiest worker", "", 2),
            "postgresql_cpu": Figure("… CPU time of the workers for a token", "µs"),
            "bare_cpu": Figure("CPU time of the bare handler's workers for a token", "µs"),
            "to_signatures": Figure("(a) Ostiary on PostgreSQL / signatures", "", 2, Goal.AT_LEAST, 0.30),
            "to_bare": Figure("(b) Ostiary on PostgreSQL / bare handler", "", 2, Goal.AT_LEAST, 0.70),
        }
    )

    def prepare(self, stage: Stage) -> None:
        """Start the three token endpoints; they stay up and idle while others are measured."""
        self._bare = targets.bare(stage)
        self._postgresql = targets.served(stage.postgresql)
        self._sqlite = targets.served(stage.sqlite)
        sizes = {self._bare.token_size, self._postgresql.token_size, self._sqlite.token_size}
        if max(sizes) > min(sizes) * 1.05:
            raise MeasurementError(f"the tokens that are compared differ in size: {sizes}")

    def round(self, seconds: float) -> dict[str, float]:
        """Measure in slices of a second, one after the other on the same cores, and return the means.

        What is compared is then never far apart in time; every other slice runs backwards, so that nobody is always
        first.
        """
        steps = (self._signatures, self._on_bare, self._on_postgresql, self._on_sqlite)
        slices: dict[str, list[float]] = defaultdict(list)
        for number in range(max(1, round(seconds))):
            for step in reversed(steps) if number % 2 else steps:
                for name, value in step().items():
                    slices[name].append(value)
        values = {name: statistics.fmean(found) for name, found in slices.items()}
        ceiling = max(values["signatures_python"], values.get("signatures_openssl", 0))
        values["to_signatures"] = values["postgresql"] / ceiling
        values["to_bare"] = values["postgresql"] / values["bare"]
        return values

    def _signatures(self) -> dict[str, float]:
        values = {"signatures_python": signatures.by_python(cores(), SLICE_SECONDS)}
        by_openssl = signatures.by_openssl(cores(), SLICE_SECONDS)
        return values if by_openssl is None else {**values, "signatures_openssl": by_openssl}

    def _on_bare(self) -> dict[str, float]:
        seen = self._bare.observed(SLICE_SECONDS)
        return {"bare": seen.load.per_second, "bare_cpu": seen.cpu_microseconds}

    def _on_postgresql(self) -> dict[str, float]:
        seen = self._postgresql.observed(SLICE_SECONDS)
        return {
            "postgresql": seen.load.per_second,
            "postgresql_p50": seen.load.p50_milliseconds,
            "postgresql_p99": seen.load.p99_milliseconds,
            "busiest_worker": seen.busiest_share,
            "postgresql_cpu": seen.cpu_microseconds,
        }

    def _on_sqlite(self) -> dict[str, float]:
        return {"sqlite": self._sqlite.load(SLICE_SECONDS).per_second}
