"""Rows of roles and of the permissions behind them. Who has which role is in `users.py`; a role needs no row here."""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, delete, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from server.storage.schema import role_permissions, roles, user_roles, users

_INSERT = {
    "sqlite": sqlite.insert(roles).on_conflict_do_nothing(index_elements=["name"]),
    "postgresql": postgresql.insert(roles).on_conflict_do_nothing(index_elements=["name"]),
}
_GRANT = {
    "sqlite": sqlite.insert(role_permissions).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(role_permissions).on_conflict_do_nothing(),
}
_LOCK = select(roles.c.name).where(roles.c.name == bindparam("r")).with_for_update()
_PERMISSIONS = select(role_permissions.c.permission).where(role_permissions.c.role == bindparam("r"))
_PERMISSIONS_OF_ROLES = (
    select(role_permissions.c.permission)
    .where(role_permissions.c.role.in_(bindparam("names", expanding=True)))
    .distinct()
)
_OF_PERSON = (
    select(role_permissions.c.permission)
    .join(user_roles, user_roles.c.role == role_permissions.c.role)
    .where(user_roles.c.user_id == bindparam("u"))
    .distinct()
)
_WITHDRAW = delete(role_permissions).where(
    (role_permissions.c.role == bindparam("r")) & (role_permissions.c.permission == bindparam("p"))
)
_DELETE_PERMISSIONS = delete(role_permissions).where(role_permissions.c.role == bindparam("r"))
_DELETE = delete(roles).where(roles.c.name == bindparam("r"))
_TAKE_FROM_EVERYBODY = delete(user_roles).where(user_roles.c.role == bindparam("r"))
_HOLDERS = (
    select(user_roles.c.role, func.count().label("people"))
    .join(users, users.c.id == user_roles.c.user_id)
    .where(users.c.deleted_at.is_(None))
    .group_by(user_roles.c.role)
)
_HAS = user_roles.alias("has")
# Each permission of everybody who has the role, once a person, however many of their roles give it.
_EACH = (
    select(user_roles.c.user_id, role_permissions.c.permission)
    .join(role_permissions, role_permissions.c.role == user_roles.c.role)
    .join(_HAS, (_HAS.c.user_id == user_roles.c.user_id) & (_HAS.c.role == bindparam("r")))
    .distinct()
    .subquery()
)
_LONGEST = (
    select(func.sum(func.length(_EACH.c.permission) + literal(3)).label("characters"))
    .group_by(_EACH.c.user_id)
    .order_by(func.sum(func.length(_EACH.c.permission)).desc())
    .limit(1)
)


def insert_role(db: Connection, name: str, description: str, *, now: int) -> bool:
    """Store a role, and say whether it was new."""
    row = {"name": name, "description": description, "created_at": now}
    return db.execute(_INSERT[db.dialect.name], row).rowcount == 1


def lock(db: Connection, name: str) -> bool:
    """Let only one transaction at a time change a role, and say whether it is defined."""
    return db.execute(_LOCK, {"r": name}).first() is not None


def list_roles(db: Connection) -> dict[str, str]:
    """Return the description of every defined role."""
    return {row.name: row.description for row in db.execute(select(roles))}


def list_permissions(db: Connection) -> dict[str, list[str]]:
    """Return the permissions behind every role that has some."""
    found: dict[str, list[str]] = {}
    for row in db.execute(select(role_permissions)):
        found.setdefault(row.role, []).append(row.permission)
    return found


def permissions_of(db: Connection, name: str) -> list[str]:
    """Return the permissions behind one role."""
    return list(db.execute(_PERMISSIONS, {"r": name}).scalars())


def permissions_of_roles(db: Connection, names: Iterable[str]) -> list[str]:
    """Return the permissions behind several roles, each once."""
    return list(db.execute(_PERMISSIONS_OF_ROLES, {"names": list(names)}).scalars())


def permissions_of_person(db: Connection, user_id: str) -> list[str]:
    """Return the permissions behind all roles of a person, each once."""
    return list(db.execute(_OF_PERSON, {"u": user_id}).scalars())


def count_holders(db: Connection) -> dict[str, int]:
    """Return how many people have each role, deleted ones aside; defined or not."""
    return {row.role: row.people for row in db.execute(_HOLDERS)}


def longest_permissions(db: Connection, role: str) -> int:
    """Return the characters that the permissions of one person take in JSON, of whoever has the role and most."""
    return int(db.execute(_LONGEST, {"r": role}).scalar() or 0)


def grant(db: Connection, role: str, permissions: Iterable[str]) -> list[str]:
    """Put permissions behind a role, and return those that it did not have."""
    statement = _GRANT[db.dialect.name]
    return [name for name in permissions if db.execute(statement, {"role": role, "permission": name}).rowcount == 1]


def withdraw(db: Connection, role: str, permissions: Iterable[str]) -> list[str]:
    """Take permissions from a role, and return those that it had."""
    return [name for name in permissions if db.execute(_WITHDRAW, {"r": role, "p": name}).rowcount == 1]


def delete_role(db: Connection, name: str) -> int:
    """Delete a role, take it from everybody who has it, and return how many that were."""
    db.execute(_DELETE_PERMISSIONS, {"r": name})
    db.execute(_DELETE, {"r": name})
    return db.execute(_TAKE_FROM_EVERYBODY, {"r": name}).rowcount
