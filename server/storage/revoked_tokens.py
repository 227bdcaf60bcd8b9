"""The `jti` values of access tokens that were revoked before they expired."""

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from server.storage.schema import revoked_tokens

_FIND = select(revoked_tokens.c.jti).where(revoked_tokens.c.jti == bindparam("j"))
_ADD = {
    "sqlite": sqlite.insert(revoked_tokens).on_conflict_do_nothing(index_elements=["jti"]),
    "postgresql": postgresql.insert(revoked_tokens).on_conflict_do_nothing(index_elements=["jti"]),
}


def add(db: Connection, jti: str, expires_at: int) -> None:
    """Remember that a token is revoked, until it would have expired anyway."""
    db.execute(_ADD[db.dialect.name], {"jti": jti, "expires_at": expires_at})


def is_revoked(db: Connection, jti: str) -> bool:
    """Whether a token was revoked."""
    return db.execute(_FIND, {"j": jti}).first() is not None
