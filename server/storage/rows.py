"""Rows as plain mappings, so that nobody above depends on the driver's types."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import CursorResult

Row = Mapping[str, Any]


def first(result: CursorResult[Any]) -> Row | None:
    """Return the first row by column name, None where there is none."""
    row = result.mappings().first()
    return None if row is None else {str(name): value for name, value in row.items()}
