"""A PostgreSQL cluster with PostgreSQL's own defaults: the tests' cluster forgets its data on a power loss."""

from typing import Self

from tests.support.postgresql import Cluster, find_binary


class DurableCluster(Cluster):
    """One cluster in a temporary directory, reached over a socket in it, that syncs every commit to the disk."""

    is_durable = True

    def __enter__(self) -> Self:
        self._run(find_binary("initdb"), "-D", str(self._data), "-U", "ostiary", "-A", "trust", "-E", "UTF8")
        options = f"-k {self.directory} -c listen_addresses="
        log = str(self.directory / "log")
        self._run(find_binary("pg_ctl"), "-D", str(self._data), "-l", log, "-o", options, "-w", "start")
        return self
