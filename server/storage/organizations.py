"""Rows of organizations and of who belongs to them."""

from collections.abc import Sequence

from sqlalchemy import Connection, Select, bindparam, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from server.storage.rows import Row, first
from server.storage.schema import memberships, organizations, users

_INSERT = {
    "sqlite": sqlite.insert(organizations).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(organizations).on_conflict_do_nothing(),
}
_FIND_BY_ID = select(organizations).where(organizations.c.id == bindparam("v"))
_FIND_BY_NAME = select(organizations).where(organizations.c.name_normalized == bindparam("v"))
# Members come and go beside each other, but not while the organization goes.
_HOLD = select(organizations.c.id).where(organizations.c.id == bindparam("o")).with_for_update(read=True)
_LOCK = select(organizations.c.id).where(organizations.c.id == bindparam("o")).with_for_update()
_ONE = (memberships.c.organization_id == bindparam("o")) & (memberships.c.user_id == bindparam("u"))
_ROLE = select(memberships.c.role).where(_ONE)
_PUT = {
    name: insert(memberships).on_conflict_do_update(
        index_elements=["organization_id", "user_id"], set_={"role": bindparam("new_role")}
    )
    for name, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
}
_REMOVE = delete(memberships).where(_ONE)
_REMOVE_ALL = delete(memberships).where(memberships.c.organization_id == bindparam("o"))
_DELETE = delete(organizations).where(organizations.c.id == bindparam("o"))
_OF_PERSON = (
    select(organizations.c.id, organizations.c.name, memberships.c.role, memberships.c.created_at)
    .join(memberships, memberships.c.organization_id == organizations.c.id)
    .where(memberships.c.user_id == bindparam("u"))
    .order_by(memberships.c.created_at, organizations.c.id)
)
_EXISTS = users.c.deleted_at.is_(None)
_COUNT = (
    select(memberships.c.organization_id, func.count().label("people"))
    .join(users, users.c.id == memberships.c.user_id)
    .where(memberships.c.organization_id.in_(bindparam("ids", expanding=True)) & _EXISTS)
    .group_by(memberships.c.organization_id)
)
_MEMBERS = (
    select(users.c.id, users.c.email, memberships.c.role)
    .join(memberships, memberships.c.user_id == users.c.id)
    .where((memberships.c.organization_id == bindparam("o")) & _EXISTS & (users.c.id > bindparam("after")))
    .order_by(users.c.id)
    .limit(bindparam("n"))
)
_PAGE = (
    select(organizations)
    .where(organizations.c.name_normalized > bindparam("after"))
    .order_by(organizations.c.name_normalized)
    .limit(bindparam("n"))
)


def insert_organization(db: Connection, organization_id: str, name: str, name_normalized: str, *, now: int) -> bool:
    """Store an organization; False where the name is taken."""
    row = {"id": organization_id, "name": name, "name_normalized": name_normalized, "created_at": now}
    return db.execute(_INSERT[db.dialect.name], row).rowcount == 1


def find_by_id(db: Connection, organization_id: str) -> Row | None:
    """Return the organization with this id."""
    return first(db.execute(_FIND_BY_ID, {"v": organization_id}))


def find_by_name(db: Connection, name_normalized: str) -> Row | None:
    """Return the organization of this name."""
    return first(db.execute(_FIND_BY_NAME, {"v": name_normalized}))


def hold(db: Connection, organization_id: str) -> bool:
    """Keep an organization from being deleted meanwhile, and say whether it is there."""
    return db.execute(_HOLD, {"o": organization_id}).first() is not None


def list_organizations(db: Connection, *, after: str, limit: int) -> list[Row]:
    """Return organizations in the order of their normalised names, from the one after `after` on."""
    return _rows(db, _PAGE, after=after, n=limit)


def count_members(db: Connection, organization_ids: Sequence[str]) -> dict[str, int]:
    """Return how many people belong to each of them, deleted ones aside; those with nobody are left out."""
    found = db.execute(_COUNT, {"ids": list(organization_ids)})
    return {row.organization_id: row.people for row in found}


def list_members(db: Connection, organization_id: str, *, after: str, limit: int) -> list[Row]:
    """Return members (id, email, role) in the order of their ids, deleted ones aside, from the one after `after`."""
    return _rows(db, _MEMBERS, o=organization_id, after=after, n=limit)


def memberships_of(db: Connection, user_id: str) -> list[Row]:
    """Return the organizations (id, name, role, created_at) of a person, the oldest membership first."""
    return _rows(db, _OF_PERSON, u=user_id)


def role_of(db: Connection, organization_id: str, user_id: str) -> str | None:
    """Return the role of a member, None for somebody who is none."""
    return db.execute(_ROLE, {"o": organization_id, "u": user_id}).scalar()


def put_member(db: Connection, organization_id: str, user_id: str, role: str, *, now: int) -> None:
    """Let a person belong to an organization in a role, instead of the one they had there."""
    row = {"organization_id": organization_id, "user_id": user_id, "role": role, "created_at": now, "new_role": role}
    db.execute(_PUT[db.dialect.name], row)


def remove_member(db: Connection, organization_id: str, user_id: str) -> bool:
    """End a membership, and say whether there was one."""
    return db.execute(_REMOVE, {"o": organization_id, "u": user_id}).rowcount == 1


def lock(db: Connection, organization_id: str) -> bool:
    """Keep people from joining meanwhile, and say whether the organization is there."""
    return db.execute(_LOCK, {"o": organization_id}).first() is not None


def delete_organization(db: Connection, organization_id: str) -> None:
    """Delete an organization with its memberships."""
    db.execute(_REMOVE_ALL, {"o": organization_id})
    db.execute(_DELETE, {"o": organization_id})


def _rows(db: Connection, statement: Select[tuple[object, ...]], **values: object) -> list[Row]:
    return [dict(row) for row in db.execute(statement, values).mappings()]
