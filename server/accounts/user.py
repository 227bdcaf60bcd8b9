"""The person, and finding one by what they type."""

from sqlalchemy import Connection

from server.accounts import identifiers
from server.storage import users
from server.storage.users import User

__all__ = ["User", "find", "find_by_email", "find_by_login"]


def find(db: Connection, user_id: str) -> User | None:
    """Return the person with this id, disabled or not; None for an unknown or deleted one."""
    user = users.find_by_id(db, user_id) if identifiers.is_storable(user_id) else None
    return None if user is None or user.is_deleted else user


def find_by_email(db: Connection, email: str) -> User | None:
    """Return the person with this e-mail address in any of its spellings, disabled or not."""
    try:
        return users.find_by_email(db, identifiers.normalize_email(email))
    except identifiers.InvalidIdentifierError:
        return None


def find_by_login(db: Connection, identifier: str) -> User | None:
    """Return the person with this e-mail address or username in any of its spellings, disabled or not."""
    normalized = identifiers.normalize_login(identifier)
    return None if normalized is None else users.find_by_login(db, normalized)
