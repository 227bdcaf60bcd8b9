"""The person, and finding one by what they type."""

from sqlalchemy import Connection

from server.accounts import identifiers
from server.storage import users
from server.storage.users import User

__all__ = ["User", "find", "find_by_email", "find_by_login", "find_deleted"]


def find(db: Connection, user_id: str) -> User | None:
    """Return the person with this id, disabled or not; None for an unknown or deleted one."""
    return _existing(users.find_by_id(db, user_id) if identifiers.is_storable(user_id) else None)


def find_by_email(db: Connection, email: str) -> User | None:
    """Return the person with this e-mail address in any of its spellings, disabled or not; never a deleted one."""
    try:
        return _existing(users.find_by_email(db, identifiers.normalize_email(email)))
    except identifiers.InvalidIdentifierError:
        return None


def find_by_login(db: Connection, identifier: str) -> User | None:
    """Return the person with this e-mail address or username in any spelling, disabled or not; never a deleted one."""
    normalized = identifiers.normalize_login(identifier)
    return None if normalized is None else _existing(users.find_by_login(db, normalized))


def find_deleted(db: Connection, identifier: str) -> User | None:
    """Return the deleted person with this id, e-mail address or username who is not erased yet."""
    user = users.find_by_id(db, identifier) if identifiers.is_storable(identifier) else None
    normalized = None if user is not None else identifiers.normalize_login(identifier)
    if normalized is not None:
        user = users.find_by_login(db, normalized)
    return user if user is not None and user.erase_at is not None else None


def _existing(user: User | None) -> User | None:
    return None if user is None or user.is_deleted else user
