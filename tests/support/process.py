"""The real `ostiary` in processes of its own: for what only several processes, a port or a kill can show."""

import contextlib
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from sqlalchemy import Connection

from server.settings import Settings
from server.storage.database import open_database

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
OSTIARY = str(Path(sys.executable).with_name("ostiary"))
PORTS = random.SystemRandom()
START_SECONDS = 30
STOP_SECONDS = 20
QUICK: dict[str, Any] = {"argon2_time_cost": 1, "argon2_memory_kib": 8, "log_format": "json"}


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on.

    It is none that the system hands out to outgoing connections: one of those could take it before it is used.
    """
    while True:
        port = PORTS.randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class ServerProcess:
    """`ostiary serve` on a port of its own. Settings are named as in `server.settings`, in small letters."""

    def __init__(
        self, directory: Path, *, port: int | None = None, options: Sequence[str] = (), **settings: Any
    ) -> None:
        self.directory = directory
        self._options = options
        self.port = port or free_port()
        certificate = settings.get("tls_certificate")
        scheme = "http" if certificate is None else "https"
        self.verify: ssl.SSLContext | bool = certificate is None or ssl.create_default_context(cafile=str(certificate))
        """How to know the server in TLS: by its own certificate."""
        self.address = f"{scheme}://127.0.0.1:{self.port}"
        self.issuer = str(settings.get("issuer", f"{scheme}://localhost:{self.port}"))
        known = {"host": "127.0.0.1", "port": self.port, "issuer": self.issuer, "data_dir": directory / "data"}
        values = {**QUICK, **known, **settings}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}
        self.environment = {**inherited, **{f"OSTIARY_{name.upper()}": str(value) for name, value in values.items()}}
        self._log = directory / f"ostiary-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def beside(cls, settings: Settings, directory: Path) -> Self:
        """Return one that runs commands on the database of a server in the test's own process."""
        known: dict[str, Any] = {"data_dir": settings.data_dir, "issuer": settings.issuer}
        if settings.database_url:
            known["database_url"] = settings.database_url
        return cls(directory, secret_key=settings.secret_key, **known)

    @property
    def pid(self) -> int:
        """The first process's id."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything that was printed so far."""
        return self._log.read_text("utf-8") if self._log.exists() else ""

    def start(self) -> "ServerProcess":
        """Start, and return when the server is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [OSTIARY, "serve", *self._options],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that `kill` reaches the workers too
            )
        self._wait_until_ready(self._process)
        return self

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        ready = self.issuer_path + "/health/ready"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise AssertionError(f"ostiary serve ended with {process.returncode}:\n{self.log}")
            try:
                if httpx.get(self.address + ready, timeout=5, verify=self.verify).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"ostiary serve was not ready within {START_SECONDS} s:\n{self.log}")

    @property
    def issuer_path(self) -> str:
        """The prefix of every path."""
        return httpx.URL(self.issuer).path.rstrip("/")

    def stop(self) -> int:
        """Ask the server to end, as an operator would, and return its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"ostiary serve did not stop within {STOP_SECONDS} s:\n{self.log}") from None

    def kill(self) -> None:
        """End the server and its workers at once, as a power loss would."""
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run an `ostiary` command with the server's settings."""
        command = [OSTIARY, *arguments]
        return subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def cli(self, *arguments: str, stdin: str = "") -> Any:
        """Run an `ostiary` command that must succeed, and return the JSON that it prints."""
        result = self.run(*arguments, "--json", stdin=stdin)
        assert result.returncode == 0, f"ostiary {' '.join(arguments)}: {result.stderr}"
        return json.loads(result.stdout)

    async def look(self, work: Callable[[Connection], T]) -> T:
        """Run work on the server's database, from beside the server."""
        url = self.environment["OSTIARY_DATABASE_URL"]
        path = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else None
        database = open_database(sqlite_path=path, url=url, pool_size=1, is_server=False)
        try:
            return await database.run(work)
        finally:
            await database.close()

    def http(self, **options: Any) -> httpx.Client:
        """Return a client that knows the issuer."""
        return httpx.Client(base_url=self.issuer, **{"verify": self.verify, **options})


class Program:
    """Another program with a port, an example or a foreign server. It is ready when `url` answers with any status."""

    def __init__(self, command: Sequence[str], url: str, log: Path, environment: Mapping[str, str]) -> None:
        self.url = url
        self._command = list(command)
        self._log = log
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Everything that was printed so far."""
        return self._log.read_text("utf-8") if self._log.exists() else ""

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx.get(self.url, timeout=5)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return self
        self.__exit__(None, None, None)
        raise AssertionError(f"{' '.join(self._command)} did not start:\n{self.log}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
