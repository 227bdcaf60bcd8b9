"""Rows of people and of the roles they have.

Callers pass normalised identifiers: `server.accounts.identifiers` is the one place that knows all spellings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping

from server.storage.schema import user_roles, users


@dataclass(frozen=True, slots=True)
class User:
    """A person. `id` is the `sub` of tokens: never changed, never given to anybody else."""

    id: str
    email: str
    email_verified: bool
    username: str | None
    organization: str | None
    password_hash: str | None = field(repr=False)
    claims: dict[str, Any] = field(repr=False)
    """The stored claims of OpenID Connect Core section 5.1."""
    roles: tuple[str, ...]
    is_disabled: bool
    is_deleted: bool
    created_at: int
    updated_at: int
    mfa_postponed_at: int | None
    password_changed_at: int | None
    language: str | None
    """BCP 47 tag of the language that the person chose, or in which they were last here."""
    is_language_chosen: bool
    erase_at: int | None
    """When a deleted person is erased; None for people who are not deleted, and for those who are erased."""
    email_factor_at: int | None = None
    """Since when codes by e-mail are one of the person's factors."""

    @property
    def is_active(self) -> bool:
        """Whether the person may sign in and hold tokens."""
        return not (self.is_disabled or self.is_deleted)

    @property
    def name(self) -> str | None:
        """The full name for display, None where the person gave none."""
        value = self.claims.get("name")
        return None if value is None else str(value)


_SELECT = select(users, user_roles.c.role).outerjoin(user_roles, user_roles.c.user_id == users.c.id)
_FIND_BY_ID = _SELECT.where(users.c.id == bindparam("v")).order_by(user_roles.c.role)
_FIND_BY_EMAIL = _SELECT.where(users.c.email_normalized == bindparam("v")).order_by(user_roles.c.role)
_FIND_BY_USERNAME = _SELECT.where(users.c.username_normalized == bindparam("v")).order_by(user_roles.c.role)
_PAGE = (
    select(users)
    .where(
        (users.c.created_at > bindparam("after_time"))
        | ((users.c.created_at == bindparam("after_time")) & (users.c.id > bindparam("after_id")))
    )
    .order_by(users.c.created_at, users.c.id)
    .limit(bindparam("n"))
)
_PAGE_OF_EXISTING = _PAGE.where(users.c.deleted_at.is_(None))
_ROLES_OF = (
    select(user_roles.c.user_id, user_roles.c.role)
    .where(user_roles.c.user_id.in_(bindparam("ids", expanding=True)))
    .order_by(user_roles.c.role)
)
_INSERT = {
    "sqlite": sqlite.insert(users).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(users).on_conflict_do_nothing(),
}
_INSERT_ROLE = insert(user_roles)
_DELETE_ROLES = delete(user_roles).where(user_roles.c.user_id == bindparam("u"))
_BY_ID = users.c.id == bindparam("i")
# Rows that only refer to the person (a new session) are not held up.
_LOCK = select(users.c.id).where(_BY_ID).with_for_update(key_share=True)
_REHASH = (
    update(users)
    .where(_BY_ID & (users.c.password_hash == bindparam("old_hash")))
    .values(password_hash=bindparam("new_hash"))
)
_NOTE_LANGUAGE = (
    update(users)
    .where(_BY_ID & users.c.language_chosen_at.is_(None) & users.c.language.is_distinct_from(bindparam("tag")))
    .values(language=bindparam("tag"))
)
_DISABLE = update(users).where(_BY_ID & users.c.disabled_at.is_(None) & users.c.deleted_at.is_(None))
_DISABLE = _DISABLE.values(disabled_at=bindparam("at"), updated_at=bindparam("at"))
_ENABLE = update(users).where(_BY_ID & users.c.disabled_at.is_not(None) & users.c.deleted_at.is_(None))
_ENABLE = _ENABLE.values(disabled_at=None, updated_at=bindparam("at"))
_DELETE = update(users).where(_BY_ID & users.c.deleted_at.is_(None))
_DELETE = _DELETE.values(deleted_at=bindparam("at"), erase_at=bindparam("later"), updated_at=bindparam("at"))
_RESTORE = update(users).where(_BY_ID & users.c.deleted_at.is_not(None) & (users.c.erase_at > bindparam("at")))
_RESTORE = _RESTORE.values(deleted_at=None, erase_at=None, updated_at=bindparam("at"))
_DUE = select(users.c.id).where(users.c.erase_at <= bindparam("at")).order_by(users.c.erase_at).limit(bindparam("n"))
_ERASE = (
    update(users)
    .where(_BY_ID & (users.c.deleted_at.is_(None) | users.c.erase_at.is_not(None)))
    .values(
        email=bindparam("tombstone"),
        email_normalized=bindparam("tombstone"),
        email_verified=False,
        username=None,
        username_normalized=None,
        organization=None,
        password_hash=None,
        password_changed_at=None,
        mfa_postponed_at=None,
        email_factor_at=None,
        language=None,
        language_chosen_at=None,
        claims=bindparam("no_claims", type_=users.c.claims.type),
        updated_at=bindparam("at"),
        deleted_at=func.coalesce(users.c.deleted_at, bindparam("at")),
        erase_at=None,
    )
)


def _user(row: RowMapping, roles: Iterable[str]) -> User:
    return User(
        id=row["id"],
        email=row["email"],
        email_verified=row["email_verified"],
        username=row["username"],
        organization=row["organization"],
        password_hash=row["password_hash"],
        claims=row["claims"],
        roles=tuple(roles),
        is_disabled=row["disabled_at"] is not None,
        is_deleted=row["deleted_at"] is not None,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        mfa_postponed_at=row["mfa_postponed_at"],
        password_changed_at=row["password_changed_at"],
        language=row["language"],
        is_language_chosen=row["language_chosen_at"] is not None,
        erase_at=row["erase_at"],
        email_factor_at=row["email_factor_at"],
    )


def _find(db: Connection, statement: Select[Any], value: str) -> User | None:
    rows = db.execute(statement, {"v": value}).mappings().all()
    return _user(rows[0], [row["role"] for row in rows if row["role"] is not None]) if rows else None


def find_by_id(db: Connection, user_id: str) -> User | None:
    """Return the person, active or not."""
    return _find(db, _FIND_BY_ID, user_id)


def find_by_email(db: Connection, email_normalized: str) -> User | None:
    """Return the person with this e-mail address, disabled or not, deleted but not yet erased or not."""
    return _find(db, _FIND_BY_EMAIL, email_normalized)


def find_by_username(db: Connection, username_normalized: str) -> User | None:
    """Return the person with this username, disabled or not, deleted but not yet erased or not."""
    return _find(db, _FIND_BY_USERNAME, username_normalized)


def find_by_login(db: Connection, login_normalized: str) -> User | None:
    """Return the person with this e-mail address or username: only the former has an at sign."""
    return _find(db, _FIND_BY_EMAIL if "@" in login_normalized else _FIND_BY_USERNAME, login_normalized)


def list_users(
    db: Connection, *, after: tuple[int, str] = (-1, ""), limit: int = 100, with_deleted: bool = False
) -> list[User]:
    """Return people in the order in which they came; `after` is the (created_at, id) of the page before's last one."""
    statement = _PAGE if with_deleted else _PAGE_OF_EXISTING
    rows = db.execute(statement, {"after_time": after[0], "after_id": after[1], "n": limit}).mappings().all()
    roles: dict[str, list[str]] = {row["id"]: [] for row in rows}
    for user_id, role in db.execute(_ROLES_OF, {"ids": list(roles)}):
        roles[user_id].append(role)
    return [_user(row, roles[row["id"]]) for row in rows]


def list_with_role(db: Connection, role: str, *, limit: int = 100) -> list[User]:
    """Return people who have a role and are neither disabled nor deleted."""
    active = users.c.disabled_at.is_(None) & users.c.deleted_at.is_(None)
    statement = select(users.c.id).join(user_roles, user_roles.c.user_id == users.c.id)
    ids = db.execute(statement.where(active & (user_roles.c.role == role)).order_by(users.c.id).limit(limit)).scalars()
    return [user for user in (find_by_id(db, user_id) for user_id in ids.all()) if user is not None]


def insert_user(db: Connection, row: Mapping[str, Any]) -> bool:
    """Store a new person; False where the id, e-mail address or username is taken."""
    return db.execute(_INSERT[db.dialect.name], dict(row)).rowcount == 1


def update_fields(db: Connection, user_id: str, fields: Mapping[str, Any], *, now: int) -> bool:
    """Write columns of a person, and say whether there is one. Raises IntegrityError where a unique value is taken."""
    statement = update(users).where(users.c.id == user_id, users.c.deleted_at.is_(None))
    return db.execute(statement.values(**fields, updated_at=now)).rowcount == 1


def replace_password_hash(db: Connection, user_id: str, old_hash: str, new_hash: str) -> bool:
    """Write the same password under new parameters, unless it was changed meanwhile."""
    return db.execute(_REHASH, {"i": user_id, "old_hash": old_hash, "new_hash": new_hash}).rowcount == 1


def note_language(db: Connection, user_id: str, tag: str) -> None:
    """Remember the language in which the person is here, unless they chose one; that is no change of the person."""
    db.execute(_NOTE_LANGUAGE, {"i": user_id, "tag": tag})


def lock(db: Connection, user_id: str) -> None:
    """Let only one transaction at a time change what hangs on the person."""
    db.execute(_LOCK, {"i": user_id})


def replace_roles(db: Connection, user_id: str, roles: Iterable[str]) -> None:
    """Give a person exactly these roles."""
    lock(db, user_id)  # or two of these at once would insert the same row
    db.execute(_DELETE_ROLES, {"u": user_id})
    rows = [{"user_id": user_id, "role": role} for role in sorted(set(roles))]
    if rows:
        db.execute(_INSERT_ROLE, rows)


def disable(db: Connection, user_id: str, now: int) -> bool:
    """Disable a person, and say whether this changed anything."""
    return db.execute(_DISABLE, {"i": user_id, "at": now}).rowcount == 1


def enable(db: Connection, user_id: str, now: int) -> bool:
    """Enable a person, and say whether this changed anything."""
    return db.execute(_ENABLE, {"i": user_id, "at": now}).rowcount == 1


def mark_deleted(db: Connection, user_id: str, *, erase_at: int, now: int) -> bool:
    """Mark a person as deleted until they are erased or restored, and say whether this changed anything."""
    return db.execute(_DELETE, {"i": user_id, "at": now, "later": erase_at}).rowcount == 1


def restore(db: Connection, user_id: str, now: int) -> bool:
    """Take a deletion back, and say whether this changed anything: not once the time for it is over."""
    return db.execute(_RESTORE, {"i": user_id, "at": now}).rowcount == 1


def due_for_erasure(db: Connection, now: int, *, limit: int) -> list[str]:
    """Return the ids of deleted people whose time has come."""
    return list(db.execute(_DUE, {"at": now, "n": limit}).scalars())


def erase(db: Connection, user_id: str, now: int) -> bool:
    """Erase what was known about a person, deleted before or not, and say whether this changed anything.

    The row stays, so that the id is never given again (OpenID Connect Core section 2, `sub`) and the audit log keeps
    its meaning. E-mail address and username become free.
    """
    parameters = {"i": user_id, "at": now, "tombstone": f"deleted:{user_id}", "no_claims": {}}
    is_erased = db.execute(_ERASE, parameters).rowcount == 1
    if is_erased:
        db.execute(_DELETE_ROLES, {"u": user_id})
    return is_erased
