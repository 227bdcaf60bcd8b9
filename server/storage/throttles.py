"""Counters of failed guesses.

Counting is one upsert that does nothing while the counter is blocked, so that parallel guesses on any number of nodes
each count once and none slips through. The row stays locked until the transaction ends.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.dml import ReturningInsert

from server.storage.schema import throttles

_AT = bindparam("at", type_=BigInteger)
_FORGET = bindparam("forget", type_=BigInteger)
_FADE = bindparam("fade", type_=BigInteger)
_ELAPSED = _AT - throttles.c.updated_at
_FADED = case((_ELAPSED < _FADE, 0), else_=_ELAPSED // _FADE)
_IS_OVER = _ELAPSED >= _FORGET
_IS_FADED_OUT = _IS_OVER | (throttles.c.failures <= _FADED)


def _count(failures: ColumnElement[int], updated_at: ColumnElement[int]) -> dict[str, ReturningInsert[tuple[Any, ...]]]:
    row = {"digest": bindparam("d"), "failures": 1, "blocked_until": 0, "updated_at": _AT}
    change: dict[str, Any] = {"failures": failures, "updated_at": updated_at}
    is_free = throttles.c.blocked_until <= _AT
    key = [throttles.c.digest]
    return {
        "sqlite": sqlite.insert(throttles)
        .values(row)
        .on_conflict_do_update(index_elements=key, set_=change, where=is_free)
        .returning(throttles.c.failures),
        "postgresql": postgresql.insert(throttles)
        .values(row)
        .on_conflict_do_update(index_elements=key, set_=change, where=is_free)
        .returning(throttles.c.failures),
    }


_COUNT = _count(case((_IS_OVER, 1), else_=throttles.c.failures + 1), _AT)
_COUNT_FADING = _count(
    case((_IS_FADED_OUT, 1), else_=throttles.c.failures - _FADED + 1),
    # The time that did not make up a whole failure yet counts on.
    case((_IS_FADED_OUT, _AT), else_=throttles.c.updated_at + _FADED * _FADE),
)
_BLOCKED_UNTIL = select(func.max(throttles.c.blocked_until)).where(
    throttles.c.digest.in_(bindparam("digests", expanding=True)) & (throttles.c.blocked_until > _AT)
)
_BY_DIGEST = throttles.c.digest == bindparam("d")
_BLOCK = update(throttles).where(_BY_DIGEST).values(blocked_until=bindparam("until"))
_TAKE_BACK = update(throttles).where(_BY_DIGEST & (throttles.c.failures > 0)).values(failures=throttles.c.failures - 1)
_FORGET_ALL = delete(throttles).where(throttles.c.digest.in_(bindparam("digests", expanding=True)))


def blocked_until(db: Connection, digests: Sequence[str], now: int) -> int | None:
    """Return when the last of the counters is free again, None where none is blocked."""
    value = db.execute(_BLOCKED_UNTIL, {"digests": list(digests), "at": now}).scalar()
    return None if value is None else int(value)


def count(db: Connection, digest: str, *, now: int, forget_seconds: int, fade_seconds: int | None) -> int | None:
    """Count a failure and return how many there are; None, and nothing is counted, while the counter is blocked.

    After `forget_seconds` without a failure the count starts again; with `fade_seconds` one failure goes in each.
    """
    if fade_seconds is None:
        statement, parameters = _COUNT[db.dialect.name], {"d": digest, "at": now, "forget": forget_seconds}
    else:
        statement = _COUNT_FADING[db.dialect.name]
        parameters = {"d": digest, "at": now, "forget": forget_seconds, "fade": fade_seconds}
    failures = db.execute(statement, parameters).scalar()
    return None if failures is None else int(failures)


def block(db: Connection, digest: str, until: int) -> None:
    """Block a counter until a time."""
    db.execute(_BLOCK, {"d": digest, "until": until})


def take_back(db: Connection, digest: str) -> None:
    """Count one failure less."""
    db.execute(_TAKE_BACK, {"d": digest})


def remove(db: Connection, digests: Sequence[str]) -> None:
    """Forget counters."""
    db.execute(_FORGET_ALL, {"digests": list(digests)})
