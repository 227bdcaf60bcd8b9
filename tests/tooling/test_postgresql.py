"""The PostgreSQL that the tests bring."""

from pathlib import Path

from sqlalchemy import Connection, text

from server.settings import Settings
from server.storage import migrations
from server.storage.database import Database, PostgreSQLDatabase
from tests.conftest import SettingsFor
from tests.support.postgresql import Cluster


def _current_database(db: Connection) -> str:
    return str(db.execute(text("SELECT current_database()")).scalar_one())


async def test_every_test_gets_a_database_with_all_migrations(database: Database) -> None:
    assert await database.read(migrations.applied) == migrations.newest()


async def test_databases_of_one_cluster_are_apart(cluster: Cluster, migrated_template: str) -> None:
    first, second = (cluster.create_database(migrated_template) for _ in range(2))
    for name in (first, second):
        opened = PostgreSQLDatabase(cluster.url(name), pool_size=1)
        assert await opened.read(_current_database) == name
        await opened.close()
        cluster.drop_database(name)
    assert first != second


def test_a_cluster_leaves_nothing_behind() -> None:
    with Cluster() as own:
        folder = Path(own.directory)
        assert folder.is_dir()
    assert not folder.exists()


def test_settings_of_a_test_are_valid_and_its_own(settings_for: SettingsFor, tmp_path: Path) -> None:
    settings: Settings = settings_for(mfa="required")
    assert settings.mfa == "required"
    assert settings.data_dir.is_relative_to(tmp_path)
