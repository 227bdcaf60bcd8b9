"""Protected resources: the audiences that RFC 8707 `resource` may name, each with its scopes."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from server.storage import versions
from server.storage.schema import resources


@dataclass(frozen=True, slots=True)
class Resource:
    """One protected resource."""

    uri: str
    name: str = ""
    scopes: tuple[str, ...] = ()
    """The scopes that mean something there; none: it takes every scope."""
    served_by: tuple[str, ...] = field(default=())
    """Ids of the clients that run it."""
    allow_exchange_from: tuple[str, ...] = field(default=())
    """Ids of the clients that may exchange a token for one to it (RFC 8693)."""

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.name or self.uri


_CHANGED = ("name", "scope", "served_by", "allow_exchange_from")
_SET = {name: bindparam(f"new_{name}", type_=resources.c[name].type) for name in _CHANGED}
_PUT = {
    "sqlite": sqlite.insert(resources).on_conflict_do_update(index_elements=["uri"], set_=_SET),
    "postgresql": postgresql.insert(resources).on_conflict_do_update(index_elements=["uri"], set_=_SET),
}


def list_resources(db: Connection) -> dict[str, Resource]:
    """Return every registered resource by its URI."""
    rows = db.execute(select(resources).order_by(resources.c.uri))
    return {
        row.uri: Resource(
            row.uri, row.name, tuple(row.scope.split()), tuple(row.served_by), tuple(row.allow_exchange_from)
        )
        for row in rows
    }


def put(db: Connection, resource: Resource, *, now: int) -> None:
    """Register a resource, or change what is registered."""
    values = {
        "name": resource.name,
        "scope": " ".join(resource.scopes),
        "served_by": list(resource.served_by),
        "allow_exchange_from": list(resource.allow_exchange_from),
    }
    changes = {f"new_{name}": value for name, value in values.items()}
    db.execute(_PUT[db.dialect.name], {"uri": resource.uri, **values, "created_at": now, **changes})
    versions.bump(db)


def remove(db: Connection, uri: str) -> bool:
    """Forget a resource, and say whether it was registered."""
    versions.bump(db)
    return db.execute(delete(resources).where(resources.c.uri == uri)).rowcount == 1
