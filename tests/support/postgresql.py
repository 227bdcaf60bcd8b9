"""A PostgreSQL cluster in a temporary directory, on a socket of its own, stopped when the tests are over."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

MEMORY = Path("/dev/shm")  # noqa: S108  the folder below it is made by mkdtemp
ROOM_BYTES = 4 << 30


def find_binary(name: str) -> str:
    """Return a PostgreSQL program's path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    path = str(found[0]) if found else shutil.which(name)
    if path is None:
        raise RuntimeError(f"PostgreSQL's {name} is not installed: run scripts/provision")
    return path


def _become(user: str) -> Callable[[], None]:
    entry = pwd.getpwnam(user)

    def switch() -> None:
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)

    return switch


def _memory() -> Path | None:
    """Return where files never wait for a disk, if there is room: a database for each test is a lot of writing."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    return MEMORY if has_room else None


class Cluster:
    """One cluster; `create_database` gives an empty database, or a copy of a template."""

    is_durable = False
    """Whether its files must be on a disk."""

    def __init__(self) -> None:
        folder = None if self.is_durable else _memory()
        self.directory = Path(tempfile.mkdtemp(prefix="ostiary-pg-", dir=folder))
        # initdb refuses to run as root
        self._switch = _become("postgres") if os.geteuid() == 0 else None
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres")
        self._data = self.directory / "data"

    def _run(self, *command: str) -> None:
        options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        subprocess.run(command, check=True, preexec_fn=self._switch, cwd=self.directory, **options)

    def __enter__(self) -> Self:
        self._run(
            find_binary("initdb"), "-D", str(self._data), "-U", "ostiary", "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        options = (
            f"-k {self.directory} -c listen_addresses= -c fsync=off -c synchronous_commit=off "
            "-c full_page_writes=off -c max_connections=300 -c shared_buffers=64MB "
            "-c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=128MB"
        )
        log = str(self.directory / "log")
        self._run(find_binary("pg_ctl"), "-D", str(self._data), "-l", log, "-o", options, "-w", "start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(find_binary("pg_ctl"), "-D", str(self._data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.directory, ignore_errors=True)

    @cached_property
    def _version(self) -> int:
        return int((self._data / "PG_VERSION").read_text("ascii"))

    def sql(self, statement: str) -> None:
        """Run a statement as the cluster's owner."""
        psql = [find_binary("psql"), "-h", str(self.directory), "-U", "ostiary", "-d", "postgres", "-qc", statement]
        subprocess.run(psql, check=True, capture_output=True)

    def url(self, name: str) -> str:
        """Return a database's URL."""
        return f"postgresql://ostiary@/{name}?host={self.directory}"

    def create_database(self, template: str = "template1") -> str:
        """Create a database and return its name."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        # from 15 on, writing a copy into the log is the default: five times as slow
        strategy = "STRATEGY file_copy" if self._version >= 15 else ""
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}')
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        self.sql(f'DROP DATABASE "{name}" WITH (FORCE)')
