"""Rows of passkeys: WebAuthn credentials by their public keys."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping

from server.storage.schema import passkeys

_OF_USER = passkeys.c.user_id == bindparam("u")
_ONE = _OF_USER & (passkeys.c.id == bindparam("i"))
_COUNT_SHOWN = bindparam("n", type_=passkeys.c.sign_count.type)
_INSERT = {
    "sqlite": sqlite.insert(passkeys).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(passkeys).on_conflict_do_nothing(),
}
_LIST = select(passkeys).where(_OF_USER).order_by(passkeys.c.created_at, passkeys.c.id)
_COUNT = select(func.count()).select_from(passkeys).where(_OF_USER)
_FIND = select(passkeys).where(passkeys.c.credential_id == bindparam("c"))
_USE = (
    update(passkeys)
    .where(_ONE & ((passkeys.c.sign_count < _COUNT_SHOWN) | ((passkeys.c.sign_count == 0) & (_COUNT_SHOWN == 0))))
    .values(sign_count=_COUNT_SHOWN, is_backed_up=bindparam("b"), last_used_at=bindparam("at"))
)
_RENAME = update(passkeys).where(_ONE).values(name=bindparam("new_name"))
_DELETE_ONE = delete(passkeys).where(_ONE)
_DELETE = delete(passkeys).where(_OF_USER)


def insert_passkey(db: Connection, row: Mapping[str, Any]) -> bool:
    """Store a passkey, and say whether its credential was new."""
    return db.execute(_INSERT[db.dialect.name], dict(row)).rowcount == 1


def list_of_user(db: Connection, user_id: str) -> list[RowMapping]:
    """Return a person's passkeys, the oldest first."""
    return list(db.execute(_LIST, {"u": user_id}).mappings())


def count_of_user(db: Connection, user_id: str) -> int:
    """Return how many passkeys a person has."""
    return int(db.execute(_COUNT, {"u": user_id}).scalar_one())


def find_by_credential(db: Connection, credential_id: str) -> RowMapping | None:
    """Return the passkey with this credential id (base64url), whoever owns it."""
    return db.execute(_FIND, {"c": credential_id}).mappings().first()


def use(db: Connection, passkey_id: str, user_id: str, *, sign_count: int, is_backed_up: bool, now: int) -> bool:
    """Note a use; False where the counter did not rise (WebAuthn section 6.1.1), unless both are 0: it has none."""
    parameters = {"i": passkey_id, "u": user_id, "n": sign_count, "b": is_backed_up, "at": now}
    return db.execute(_USE, parameters).rowcount == 1


def rename(db: Connection, passkey_id: str, user_id: str, name: str) -> bool:
    """Give a person's passkey another name, and say whether it is there."""
    return db.execute(_RENAME, {"i": passkey_id, "u": user_id, "new_name": name}).rowcount == 1


def delete_one(db: Connection, passkey_id: str, user_id: str) -> bool:
    """Forget one passkey of a person, and say whether it was there."""
    return db.execute(_DELETE_ONE, {"i": passkey_id, "u": user_id}).rowcount == 1


def delete_of_user(db: Connection, user_id: str) -> int:
    """Forget all passkeys of a person, and return how many there were."""
    return db.execute(_DELETE, {"u": user_id}).rowcount
