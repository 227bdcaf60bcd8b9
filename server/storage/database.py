"""The one crossing between async code and the synchronous core.

`await database.run(work)` runs `work(db)` in one transaction and commits; an exception rolls back. On PostgreSQL the
work runs in a greenlet over asyncpg, without a thread; on SQLite it runs on one dedicated thread that owns the one
connection. The work function is the same.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from sqlalchemy import URL, Connection, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

T = TypeVar("T")
Work = Callable[[Connection], T]

BUSY_MILLISECONDS = 5000
WRITES_BETWEEN_CHECKPOINTS = 1000
CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 5000
IDLE_IN_TRANSACTION_MILLISECONDS = 10_000
URL_PARAMETERS = frozenset(
    {
        "command_timeout",
        "database",
        "direct_tls",
        "gsslib",
        "host",
        "krbsrvname",
        "passfile",
        "password",
        "port",
        "prepared_statement_cache_size",
        "service",
        "servicefile",
        "ssl",
        "sslmode",
        "target_session_attrs",
        "user",
    }
)
"""What the driver takes as text; it fails on anything else when it connects."""


class DatabaseUnavailableError(Exception):
    """The database does not answer, or not in time. The caller may try again: nothing was committed by this call."""


class DatabaseRefusedError(Exception):
    """The database cannot be used by this process as it is; the text says why, and what to do."""


class DatabaseInUseError(DatabaseRefusedError):
    """Another server process holds the SQLite file; the text says why that is refused."""


class Database(Protocol):
    """Runs synchronous work in transactions."""

    dialect: str

    async def run(self, work: Work[T]) -> T:
        """Run `work(db)` in one transaction. Raises DatabaseUnavailableError, and whatever the work raises."""
        ...

    async def read(self, work: Work[T]) -> T:
        """Run work that only reads and needs no snapshot across statements: cheaper than `run`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class SQLiteDatabase:
    """One file, one connection, one thread; WAL, `synchronous=FULL`, every writing transaction BEGIN IMMEDIATE.

    SQLite before 3.51.3 can corrupt a WAL file when one connection checkpoints while another writes. So nobody
    checkpoints on its own: a server does it while it holds the checkpoint lock alone, and every other process (the
    command line) shares that lock for as long as it has the file open.
    """

    dialect = "sqlite"

    def __init__(self, path: Path, *, is_server: bool) -> None:
        self._path = path
        self._is_server = is_server
        self._locks: list[IO[str]] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._is_reading = False
        self._writes = 0
        self._connection: Connection | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(path)
            self._take_locks()
        except OSError as error:
            for lock in self._locks:
                lock.close()
            raise DatabaseRefusedError(
                f"the database's file {error.filename or path} cannot be opened ({error.strerror}): run commands as "
                "the user that the server runs as, or check OSTIARY_DATA_DIR and OSTIARY_DATABASE_URL"
            ) from None
        self._engine = create_engine(
            f"sqlite:///{path}", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        event.listen(self._engine, "connect", _configure_sqlite)
        event.listen(self._engine, "begin", self._begin)

    def _take_locks(self) -> None:
        if self._is_server:
            lock = self._open_lock("server")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                raise DatabaseInUseError(
                    f"another Ostiary server uses {self._path}: one SQLite file serves one process. "
                    "Stop the other one, or set OSTIARY_DATABASE_URL to PostgreSQL to run several."
                ) from None
            self._locks.append(lock)
        self._checkpoint_lock = self._open_lock("checkpoint")
        self._locks.append(self._checkpoint_lock)
        if not self._is_server:
            fcntl.flock(self._checkpoint_lock, fcntl.LOCK_SH)

    def _open_lock(self, name: str) -> IO[str]:
        return Path(f"{self._path}.{name}-lock").open("a", encoding="ascii")

    def _begin(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if self._is_reading else "BEGIN IMMEDIATE")

    async def run(self, work: Work[T]) -> T:
        """Run `work(db)` in one writing transaction."""
        return await self._in_thread(work, is_reading=False)

    async def read(self, work: Work[T]) -> T:
        """Run `work(db)` in a deferred transaction, which takes no write lock."""
        return await self._in_thread(work, is_reading=True)

    async def _in_thread(self, work: Work[T], *, is_reading: bool) -> T:
        # The thread must know for which request it works, or its log lines would belong to none.
        run = copy_context().run
        return await asyncio.get_running_loop().run_in_executor(self._thread, run, self._transact, work, is_reading)

    def _transact(self, work: Work[T], is_reading: bool) -> T:  # noqa: FBT001  run_in_executor passes by position
        self._is_reading = is_reading
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            with self._connection.begin():
                result = work(self._connection)
        except OperationalError as error:
            raise DatabaseUnavailableError(str(error.orig)) from error
        except DatabaseError as error:
            if type(error) is not DatabaseError:  # a constraint, say, which is the work's own matter
                raise
            raise _damaged(self._path, error.orig) from error
        if not is_reading:
            self._writes += 1
            if self._is_server and self._writes % WRITES_BETWEEN_CHECKPOINTS == 0:
                self._checkpoint(self._connection)
        return result

    def _checkpoint(self, connection: Connection) -> None:
        try:
            fcntl.flock(self._checkpoint_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # the command line has the file open: the next round will do it
        try:
            cursor = connection.connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
            cursor.close()
        finally:
            fcntl.flock(self._checkpoint_lock, fcntl.LOCK_UN)

    async def close(self) -> None:
        """Close the connection, the thread and the locks."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=True)
        for lock in self._locks:
            lock.close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()


def _configure_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction handling would begin late and deferred; `_begin` does it instead.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        # NORMAL may forget the last commits on power loss: a consumed code would be live again.
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_MILLISECONDS}",
        "wal_autocheckpoint=0",
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


class PostgreSQLDatabase:
    """A pool of asyncpg connections; work runs in a greenlet on the event loop."""

    dialect = "postgresql"

    def __init__(self, url: str, *, pool_size: int) -> None:
        parsed = _parse_postgresql_url(url)
        mode = parsed.query.get("sslmode")
        if mode is not None:  # libpq's name; asyncpg calls it ssl
            parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
        self._engine = create_async_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=CONNECT_SECONDS,
            connect_args={
                "timeout": CONNECT_SECONDS,
                "server_settings": {
                    "application_name": "ostiary",
                    "statement_timeout": str(STATEMENT_MILLISECONDS),
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MILLISECONDS),
                    "timezone": "UTC",
                },
            },
        )
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def run(self, work: Work[T]) -> T:
        """Run `work(db)` in one transaction, READ COMMITTED."""
        with _naming_what_is_unavailable():
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)

    async def read(self, work: Work[T]) -> T:
        """Run `work(db)` without BEGIN and COMMIT: two round trips less."""
        with _naming_what_is_unavailable():
            async with self._autocommit.connect() as connection:
                return await connection.run_sync(work)

    async def close(self) -> None:
        """Close the pool."""
        await self._engine.dispose()


def _parse_postgresql_url(url: str) -> URL:
    try:
        parsed = make_url(url).set(drivername="postgresql+asyncpg")
        int(str(parsed.query.get("port", 0)))
    except (ArgumentError, ValueError):
        raise DatabaseRefusedError(
            "OSTIARY_DATABASE_URL must look like postgresql://user:password@host:5432/db; write special characters of "
            "the password as %XX"
        ) from None
    if set(parsed.query) - URL_PARAMETERS:
        known = ", ".join(sorted(URL_PARAMETERS))
        raise DatabaseRefusedError(f"OSTIARY_DATABASE_URL may only have these behind its question mark: {known}")
    return parsed


@contextmanager
def _naming_what_is_unavailable() -> Iterator[None]:
    try:
        yield
    except (OSError, PoolTimeoutError, InterfaceError, OperationalError) as error:
        raise DatabaseUnavailableError(str(error)) from error
    except DBAPIError as error:
        # asyncpg reports a server that is shutting down or a cancelled statement under SQLSTATE classes 57 and 08.
        state = str(getattr(error.orig, "sqlstate", "") or "")
        if error.connection_invalidated or state.startswith(("57", "08", "53")):
            raise DatabaseUnavailableError(str(error.orig)) from error
        raise


def open_database(*, sqlite_path: Path | None, url: str, pool_size: int, is_server: bool) -> Database:
    """Open the configured database: SQLite where a path is given. Raises DatabaseRefusedError."""
    if sqlite_path is not None:
        return SQLiteDatabase(sqlite_path, is_server=is_server)
    return PostgreSQLDatabase(url, pool_size=pool_size)


def lock_for_transaction(db: Connection, number: int) -> None:
    """Let only one transaction in the whole cluster pass here until it ends.

    SQLite has one writer anyway; PostgreSQL takes a transaction-level advisory lock.
    """
    if db.dialect.name == "postgresql":
        db.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database that may be in use, whole and consistent, to a new file that only its owner can read.

    Raises FileExistsError and other OSErrors, and DatabaseRefusedError where the source is damaged.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as here,
            closing(sqlite3.connect(target)) as there,
        ):
            here.backup(there)
    except sqlite3.DatabaseError as error:
        target.unlink()
        raise _damaged(source, error) from error


def _damaged(path: Path, error: BaseException | None) -> DatabaseRefusedError:
    return DatabaseRefusedError(
        f"{path} is no SQLite database, or a damaged one ({error}): stop the server and bring it back from the backup, "
        "or set OSTIARY_DATABASE_URL or OSTIARY_DATA_DIR to the right one"
    )


def _make_private(path: Path) -> None:
    """Let only the owner read the file, which holds password hashes. SQLite gives its mode to -wal and -shm."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
