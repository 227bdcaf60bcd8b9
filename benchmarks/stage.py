"""What the measures share: Ostiary on both databases, started when first asked for, ended with the run."""

import contextlib
import functools
import json
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.cluster import DurableCluster
from benchmarks.processes import cores
from keys.sealing import generate_root_key
from tests.support.process import Program, ServerProcess, free_port

# The tests' quick password hashes would flatter start-up and memory: these are the server's defaults.
HONEST = {"argon2_time_cost": 3, "argon2_memory_kib": 32_768}
QUIET = {"access_log": "off", "rate_limits": "off", "mfa": "off", "log_level": "warning"}


class OtherProgram(Program):
    """A program that is not Ostiary."""

    @property
    def pid(self) -> int:
        """The first process's id."""
        if self._process is None:
            raise RuntimeError("the program was not started")
        return self._process.pid


class Stage:
    """Temporary directories, the database cluster and the servers of one run."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.cores = cores()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def directory(self) -> Path:
        """Return a new temporary directory."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ostiary-bench-")))

    def program(self, command: list[str], url: str, environment: dict[str, str]) -> OtherProgram:
        """Start another program that answers at `url`."""
        return self._stack.enter_context(OtherProgram(command, url, self.directory() / "log", environment))

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return settings for a server on a port of its own."""
        port = free_port()
        return {**HONEST, **QUIET, "port": port, "issuer": f"http://127.0.0.1:{port}", **more}

    @functools.cached_property
    def sqlite(self) -> ServerProcess:
        """Ostiary as it comes: one process on a SQLite file."""
        return self._serve(self.settings())

    @functools.cached_property
    def _cluster(self) -> DurableCluster:
        return self._stack.enter_context(DurableCluster())

    @functools.cached_property
    def postgresql(self) -> ServerProcess:
        """Ostiary with a worker for each core, on PostgreSQL."""
        return self._on_postgresql()

    @functools.cached_property
    def extended(self) -> ServerProcess:
        """The same with what is off by default, and with a proxy that shows the certificates of clients: the driver."""
        return self._on_postgresql(
            response_types="code,code id_token",
            trusted_proxies="127.0.0.1",
            client_certificate_header="X-Client-Certificate",
        )

    def _on_postgresql(self, **more: Any) -> ServerProcess:
        url = self._cluster.url(self._cluster.create_database())
        known = self.settings(database_url=url, secret_key=generate_root_key(), **more)
        upgraded = ServerProcess(self.directory(), **known).run("db", "upgrade")
        if upgraded.returncode != 0:
            raise RuntimeError(f"ostiary db upgrade: {upgraded.stderr}")
        return self._serve({**known, "workers": self.cores})

    def _serve(self, settings: dict[str, Any]) -> ServerProcess:
        server = ServerProcess(self.directory(), **settings)
        self._stack.callback(server.kill)
        return server.start()


def register_client(server: ServerProcess, **metadata: Any) -> dict[str, str]:
    """Register a client through the command line and return its `client_id` and any `client_secret`."""
    made = server.cli("client", "create", "--metadata", "-", stdin=json.dumps(metadata))
    return {name: made[name] for name in ("client_id", "client_secret") if name in made}
