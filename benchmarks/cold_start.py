"""From the start of the process to the first 200 of /health/ready."""

import http.client
import subprocess
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from benchmarks.measure import Figure, Goal, MeasurementError
from benchmarks.stage import Stage
from tests.support.process import OSTIARY, ServerProcess

PAUSE_SECONDS = 0.005
LONGEST_SECONDS = 60


class ColdStart:
    """`ostiary serve` on SQLite, with an existing database and in an empty directory."""

    NAME: ClassVar[str] = "cold_start"
    NEEDS_WRK: ClassVar[bool] = False
    FIGURES: ClassVar[Mapping[str, Figure]] = MappingProxyType(
        {
            "existing": Figure("existing database", "s", 2, Goal.BELOW, 2),
            "empty": Figure("empty directory: migrations, first signing key", "s", 2, Goal.BELOW, 2),
        }
    )

    def prepare(self, stage: Stage) -> None:
        """Make a database, and bytecode and disk caches warm: they are, on a machine that restarts a server."""
        self._stage = stage
        self._existing = ServerProcess(stage.directory(), **stage.settings())
        _seconds_to_ready(self._existing)

    def round(self, seconds: float) -> dict[str, float]:  # noqa: ARG002  it takes as long as it takes
        """Start twice."""
        empty = ServerProcess(self._stage.directory(), **self._stage.settings())
        return {"existing": _seconds_to_ready(self._existing), "empty": _seconds_to_ready(empty)}


def _seconds_to_ready(server: ServerProcess) -> float:
    with (server.directory / "log").open("ab") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            [OSTIARY, "serve"],
            cwd=server.directory,
            env=server.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            while not _is_ready(server.port):
                if process.poll() is not None or time.perf_counter() - began > LONGEST_SECONDS:
                    raise MeasurementError("ostiary serve did not become ready")
                time.sleep(PAUSE_SECONDS)
            return time.perf_counter() - began
        finally:
            process.terminate()
            process.wait()


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
