"""The database that the settings name: for the server and for commands, which need nothing else of it."""

from server.settings import Settings
from server.storage.database import Database, open_database


def database_of(settings: Settings, *, is_server: bool) -> Database:
    """Open the configured database. Raises DatabaseRefusedError, also where another server has the embedded one."""
    return open_database(
        sqlite_path=settings.sqlite_path if settings.is_sqlite else None,
        url=settings.database_url,
        pool_size=settings.database_pool_size,
        is_server=is_server,
    )
