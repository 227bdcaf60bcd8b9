"""Where in the world an address is, by a database that the operator provides: for the lists of one's own sign-ins."""

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import maxminddb

from server.settings import Settings, SettingsError

NAMED = ("city", "country")


class PlaceDatabaseError(ValueError):
    """The file is no database of places."""


class Places:
    """Reads a database in the MaxMind DB format 2.0; without one, no address has a place."""

    def __init__(self, path: Path | None = None) -> None:
        try:
            self._reader = None if path is None else maxminddb.open_database(path)
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            raise PlaceDatabaseError(f"{path} is no MaxMind DB file of cities or countries: {error}") from None

    def find(self, address: str, languages: Iterable[str] = ()) -> str:
        """Return city and country of an address in the first language that the database has, or an empty string."""
        if self._reader is None:
            return ""
        try:
            record: Any = self._reader.get(ip_address(address))
        except (
            ValueError,
            maxminddb.InvalidDatabaseError,
        ):  # no address, one that the database cannot hold, a torn page
            return ""
        if not isinstance(record, dict):
            return ""
        wishes = (*languages, "en")
        return ", ".join(name for part in NAMED if (name := _name(record.get(part), wishes)))


def places_of(settings: Settings) -> Places:
    """Open the database that the settings name. Raises SettingsError."""
    try:
        return Places(settings.place_database)
    except PlaceDatabaseError as error:
        raise SettingsError(f"OSTIARY_PLACE_DATABASE: {error}: name the file, or remove the setting") from None


def _name(part: object, wishes: Iterable[str]) -> str:
    names = part.get("names") if isinstance(part, dict) else None
    if not isinstance(names, dict):
        return ""
    return next((str(names[tag]) for tag in wishes if names.get(tag)), "")
