"""Rows of clients that registered themselves, and of the tokens with which they may: digests only."""

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from server.storage.rows import Row, first
from server.storage.schema import client_registrations, registration_tokens

_OF_TOKEN = registration_tokens.c.digest == bindparam("d")
_IS_LEFT = (registration_tokens.c.uses_left > 0) & (registration_tokens.c.expires_at > bindparam("at"))
_IS_USABLE = select(registration_tokens.c.digest).where(_OF_TOKEN & _IS_LEFT)
_USE = (
    update(registration_tokens)
    .where(_OF_TOKEN & _IS_LEFT)
    .values(uses_left=registration_tokens.c.uses_left - 1)
    .returning(registration_tokens.c.is_trusted)
)
_OF_CLIENT = client_registrations.c.client_id == bindparam("c")
_FIND = select(client_registrations.c.client_id).where(client_registrations.c.digest == bindparam("d"))
_OF_ONE = select(client_registrations.c.client_id).where(_OF_CLIENT)
_ROTATE = (
    update(client_registrations)
    .where(_OF_CLIENT & (client_registrations.c.digest == bindparam("d")))
    .values(digest=bindparam("new_digest"))
)
_REMOVE = delete(client_registrations).where(_OF_CLIENT)


def add_token(db: Connection, digest: str, *, uses: int, is_trusted: bool, now: int, expires_at: int) -> None:
    """Store an initial access token."""
    row = {
        "digest": digest,
        "uses_left": uses,
        "is_trusted": is_trusted,
        "created_at": now,
        "expires_at": expires_at,
    }
    db.execute(insert(registration_tokens), row)


def has_uses(db: Connection, digest: str, now: int) -> bool:
    """Whether an initial access token could be used now. Whoever uses it finds out with `use_token` alone."""
    return db.execute(_IS_USABLE, {"d": digest, "at": now}).first() is not None


def find_token(db: Connection, digest: str) -> Row | None:
    """Return an initial access token in whatever state it is."""
    return first(db.execute(select(registration_tokens).where(_OF_TOKEN), {"d": digest}))


def use_token(db: Connection, digest: str, now: int) -> bool | None:
    """Take one use of an initial access token, and say whether the operator vouches for whoever has it.

    None where it is unknown, over or used up; of parallel callers no more get through than there are uses.
    """
    trusted = db.execute(_USE, {"d": digest, "at": now}).scalar()
    return None if trusted is None else bool(trusted)


def add(db: Connection, client_id: str, digest: str) -> None:
    """Store the digest of a new client's registration access token."""
    db.execute(insert(client_registrations), {"client_id": client_id, "digest": digest})


def find_client_id(db: Connection, digest: str) -> str | None:
    """Return whose registration access token it is."""
    found = db.execute(_FIND, {"d": digest}).scalar()
    return None if found is None else str(found)


def is_there(db: Connection, client_id: str) -> bool:
    """Whether a client registered itself."""
    return db.execute(_OF_ONE, {"c": client_id}).first() is not None


def rotate(db: Connection, client_id: str, digest: str, new_digest: str) -> bool:
    """Put a new registration access token in place of the old one; of parallel callers one succeeds."""
    return db.execute(_ROTATE, {"c": client_id, "d": digest, "new_digest": new_digest}).rowcount == 1


def remove(db: Connection, client_id: str) -> None:
    """Revoke a client's registration access token."""
    db.execute(_REMOVE, {"c": client_id})
