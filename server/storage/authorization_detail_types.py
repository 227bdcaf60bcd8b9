"""Types of `authorization_details` that operators define (RFC 9396), each with its schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from server.storage import versions
from server.storage.schema import authorization_detail_types as types


@dataclass(frozen=True, slots=True)
class DetailType:
    """One type: what it lets an application do, in words, and how its objects must look."""

    type: str
    description: str
    schema: Mapping[str, Any]


_SET = {"description": bindparam("new_description"), "schema": bindparam("new_schema", type_=JSON)}
_PUT = {
    "sqlite": sqlite.insert(types).on_conflict_do_update(index_elements=["type"], set_=_SET),
    "postgresql": postgresql.insert(types).on_conflict_do_update(index_elements=["type"], set_=_SET),
}


def list_types(db: Connection) -> dict[str, DetailType]:
    """Return every defined type by its name."""
    rows = db.execute(select(types).order_by(types.c.type))
    return {row.type: DetailType(row.type, row.description, row.schema) for row in rows}


def put(db: Connection, detail_type: DetailType, *, now: int) -> None:
    """Define a type, or change it."""
    values = {"description": detail_type.description, "schema": dict(detail_type.schema)}
    changes = {f"new_{name}": value for name, value in values.items()}
    db.execute(_PUT[db.dialect.name], {"type": detail_type.type, **values, "created_at": now, **changes})
    versions.bump(db)


def remove(db: Connection, name: str) -> bool:
    """Forget a type, and say whether it was defined."""
    versions.bump(db)
    return db.execute(delete(types).where(types.c.type == name)).rowcount == 1
