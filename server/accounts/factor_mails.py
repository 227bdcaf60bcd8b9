"""Mails about second factors: whoever did it, the owner learns of it."""

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts.user import find
from server.events.context import Context
from server.mail.outbox import Mail, enqueue


def added(db: Connection, sealer: Sealer, user_id: str, factor: str, *, context: Context, now: int) -> None:
    """Tell the person that a second factor was added. `factor` is its name."""
    _send(db, sealer, user_id, "factor_added", {"factor": factor}, context=context, now=now)


def removed(db: Connection, sealer: Sealer, user_id: str, factor: str, *, context: Context, now: int) -> None:
    """Tell the person that a second factor was removed. `factor` is its name."""
    _send(db, sealer, user_id, "factor_removed", {"factor": factor}, context=context, now=now)


def recovery_code_used(db: Connection, sealer: Sealer, user_id: str, left: int, *, context: Context, now: int) -> None:
    """Tell the person that a recovery code was used, and how many are left."""
    _send(db, sealer, user_id, "recovery_code_used", {"left": left}, context=context, now=now)


def _send(
    db: Connection,
    sealer: Sealer,
    user_id: str,
    template: str,
    values: dict[str, str | int],
    *,
    context: Context,
    now: int,
) -> None:
    user = find(db, user_id)
    if user is None:
        return
    told = {"name": user.name or "", "device": context.user_agent, "time": now, **values}
    enqueue(db, sealer, Mail(user.email, template, user.language, told), user_id=user.id, now=now)
