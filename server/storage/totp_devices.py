"""Rows of TOTP devices. The secrets in them are sealed."""

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.engine import RowMapping

from server.storage.schema import totp_devices

_OF_USER = totp_devices.c.user_id == bindparam("u")
_INSERT = insert(totp_devices)
_LIST = select(totp_devices).where(_OF_USER).order_by(totp_devices.c.created_at, totp_devices.c.id)
_LIST_ALL = select(totp_devices.c.id, totp_devices.c.sealed_secret)
_RESEAL = update(totp_devices).where(totp_devices.c.id == bindparam("i")).values(sealed_secret=bindparam("s"))
_COUNT = select(func.count()).select_from(totp_devices).where(_OF_USER)
_ACCEPT = (
    update(totp_devices)
    .where(_OF_USER & (totp_devices.c.last_step < bindparam("step")))
    .values(last_step=bindparam("step"), last_used_at=bindparam("at"))
    .returning(totp_devices.c.id)
)
_ONE = _OF_USER & (totp_devices.c.id == bindparam("i"))
_RENAME = update(totp_devices).where(_ONE).values(name=bindparam("new_name"))
_DELETE_ONE = delete(totp_devices).where(_ONE)
_DELETE = delete(totp_devices).where(_OF_USER)


def insert_device(
    db: Connection, device_id: str, *, user_id: str, name: str, sealed_secret: str, last_step: int, now: int
) -> None:
    """Store a device; `last_step` is the time step of the code that proved it."""
    row = {
        "id": device_id,
        "user_id": user_id,
        "name": name,
        "sealed_secret": sealed_secret,
        "last_step": last_step,
        "created_at": now,
        "last_used_at": None,
    }
    db.execute(_INSERT, row)


def list_of_user(db: Connection, user_id: str) -> list[RowMapping]:
    """Return a person's devices, the oldest first."""
    return list(db.execute(_LIST, {"u": user_id}).mappings())


def count_of_user(db: Connection, user_id: str) -> int:
    """Return how many devices a person has."""
    return int(db.execute(_COUNT, {"u": user_id}).scalar_one())


def accept_step(db: Connection, user_id: str, device_id: str, step: int, now: int) -> bool:
    """Use a time step up on all devices of a person; False where the matching one saw it, or a later one, before.

    All devices move, because two of them may hold the same secret.
    """
    moved = db.execute(_ACCEPT, {"u": user_id, "step": step, "at": now}).scalars().all()
    return device_id in moved


def rename(db: Connection, device_id: str, user_id: str, name: str) -> bool:
    """Give a person's device another name, and say whether it is there."""
    return db.execute(_RENAME, {"i": device_id, "u": user_id, "new_name": name}).rowcount == 1


def delete_one(db: Connection, device_id: str, user_id: str) -> bool:
    """Forget one device of a person, and say whether it was there."""
    return db.execute(_DELETE_ONE, {"i": device_id, "u": user_id}).rowcount == 1


def delete_of_user(db: Connection, user_id: str) -> int:
    """Forget all devices of a person, and return how many there were."""
    return db.execute(_DELETE, {"u": user_id}).rowcount


def list_all(db: Connection) -> list[RowMapping]:
    """Return the ids and sealed secrets of all devices, for checking that they can be unsealed."""
    return list(db.execute(_LIST_ALL).mappings())


def replace_sealed_secret(db: Connection, device_id: str, sealed_secret: str) -> None:
    """Store the same secret under another root key."""
    db.execute(_RESEAL, {"i": device_id, "s": sealed_secret})
