"""The databases: transactions, migrations, locks, clearing away."""

import asyncio
import os
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from server.storage import migrations, one_time, purge, schema, versions
from server.storage.database import Database, DatabaseInUseError, PostgreSQLDatabase, SQLiteDatabase
from tests.conftest import SettingsFor


async def test_the_migrations_make_the_schema(database: Database) -> None:
    def differences(db: Connection) -> list[object]:
        context = MigrationContext.configure(db, opts={"compare_type": True})
        return list(compare_metadata(context, schema.metadata))

    assert await database.run(differences) == []
    assert await database.read(migrations.applied) == migrations.newest()


async def test_upgrading_again_changes_nothing(database: Database) -> None:
    await asyncio.gather(*(database.run(migrations.upgrade) for _ in range(3)))
    assert await database.read(migrations.applied) == migrations.newest()


async def test_an_exception_rolls_back(database: Database) -> None:
    def work(db: Connection) -> None:
        versions.bump(db)
        raise KeyError

    with pytest.raises(KeyError):
        await database.run(work)
    assert await database.read(versions.current) == 0


async def test_parallel_increments_are_all_counted(database: Database) -> None:
    await asyncio.gather(*(database.run(versions.bump) for _ in range(50)))
    assert await database.read(versions.current) == 50


async def test_a_one_time_thing_is_consumed_by_exactly_one_of_many(database: Database) -> None:
    await database.run(lambda db: one_time.add(db, "k", "d" * 64, {"a": 1}, now=100, expires_at=200))
    rows = await asyncio.gather(*(database.run(lambda db: one_time.consume(db, "k", "d" * 64, 150)) for _ in range(16)))
    found = [row for row in rows if row is not None]
    assert len(found) == 1
    assert found[0]["payload"] == {"a": 1}


async def test_kind_and_expiry_are_part_of_consuming(database: Database) -> None:
    await database.run(lambda db: one_time.add(db, "k", "d" * 64, {}, now=100, expires_at=200))
    assert await database.run(lambda db: one_time.consume(db, "other", "d" * 64, 150)) is None
    assert await database.run(lambda db: one_time.consume(db, "k", "d" * 64, 200)) is None
    assert await database.run(lambda db: one_time.consume(db, "k", "d" * 64, 199)) is not None


async def test_a_foreign_value_counts_once(database: Database) -> None:
    results = await asyncio.gather(
        *(database.run(lambda db: one_time.consume_foreign(db, "jti", "e" * 64, now=1, expires_at=9)) for _ in range(8))
    )
    assert results.count(True) == 1


async def test_what_is_over_goes_in_bounded_batches(database: Database) -> None:
    def fill(db: Connection) -> None:
        for i in range(purge.BATCH + 10):
            one_time.add(db, "k", f"{i:064d}", {}, now=1, expires_at=10)
        one_time.add(db, "k", "f" * 64, {}, now=1, expires_at=10, purge_at=1000)

    await database.run(fill)
    assert await database.run(lambda db: purge.purge_batch(db, 10)) == purge.BATCH
    assert await database.run(lambda db: purge.purge_batch(db, 10)) == 10
    assert await database.run(lambda db: purge.purge_batch(db, 10)) == 0
    assert await database.read(lambda db: one_time.find(db, "k", "f" * 64)) is not None


async def test_one_sqlite_file_serves_one_server_and_the_command_line_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "ostiary.db"
    server = SQLiteDatabase(path, is_server=True)
    await server.run(migrations.upgrade)
    with pytest.raises(DatabaseInUseError, match="one SQLite file serves one process"):
        SQLiteDatabase(path, is_server=True)
    command_line = SQLiteDatabase(path, is_server=False)
    await asyncio.gather(
        *(server.run(versions.bump) for _ in range(20)), *(command_line.run(versions.bump) for _ in range(20))
    )
    assert await server.read(versions.current) == 40
    await command_line.close()
    await server.close()
    again = SQLiteDatabase(path, is_server=True)
    assert await again.read(versions.current) == 40
    await again.close()


async def test_sqlite_forgets_nothing_that_was_committed(tmp_path: Path) -> None:
    database = SQLiteDatabase(tmp_path / "ostiary.db", is_server=True)
    settings = await database.read(
        lambda db: [
            db.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    assert settings == ["wal", 2, 1]
    await database.close()


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_a_postgresql_that_does_not_answer_is_said_so(settings_for: SettingsFor) -> None:
    from server.storage.database import DatabaseUnavailableError  # noqa: PLC0415  only here

    url = settings_for().database_url.replace("host=", "host=/nonexistent")
    database = PostgreSQLDatabase(url, pool_size=1)
    with pytest.raises(DatabaseUnavailableError):
        await database.run(versions.bump)
    await database.close()


@pytest.mark.parametrize("umask", [0o022, 0o000])
async def test_nobody_else_can_read_the_embedded_database(tmp_path: Path, umask: int) -> None:
    """It holds password hashes and sealed keys."""
    before = os.umask(umask)
    try:
        opened = SQLiteDatabase(tmp_path / "data" / "ostiary.db", is_server=True)
        await opened.run(migrations.upgrade)
        files = list((tmp_path / "data").glob("ostiary.db*"))
        modes = {file.name: file.stat().st_mode & 0o077 for file in files if not file.name.endswith("-lock")}
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0
        await opened.close()
    finally:
        os.umask(before)
    assert set(modes.values()) == {0}
    assert {"ostiary.db", "ostiary.db-wal"} <= set(modes)
