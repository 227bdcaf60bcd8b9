"""Showing the password again: the same counters and the same audit as at sign-in."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from server.accounts import sign_in
from server.accounts.sign_in import Prepared
from server.accounts.throttling import Throttled
from server.api import errors
from server.api.call import Call
from server.api.errors import ApiError
from server.api.login import check_password
from server.protocol.bearer import BearerToken

T = TypeVar("T")


async def with_password(
    call: Call, password: str, refusal: str, work: Callable[[Connection, BearerToken], T | ApiError]
) -> T:
    """Check the token and the person's password, and run the work in the transaction that notes the right guess.

    Raises ApiError: 400 with the refusal where the password is wrong. A refusal that the work returns is raised after
    the commit: what it counted lasts.
    """
    prepared = await _prepare(call)
    is_valid, _new_hash = await check_password(call, prepared, password)

    def confirmed(db: Connection, token: BearerToken) -> T | ApiError:
        done = sign_in.complete(db, prepared, is_valid=is_valid, context=call.by(token.user), now=call.now)
        return ApiError(400, refusal) if done is None else work(db, token)

    outcome = await call.run(confirmed)
    if isinstance(outcome, ApiError):
        raise outcome
    return outcome


async def _prepare(call: Call) -> Prepared:
    """Count a guess at the password of the token's person. Raises ApiError."""

    def counted(db: Connection, token: BearerToken) -> Prepared | Throttled:
        return sign_in.prepare_confirmation(
            db,
            token.user,
            context=call.by(token.user),
            sealer=call.services.sealer,
            device_cookie=None,
            now=call.now,
            rate_limits=call.services.settings.rate_limits,
        )

    prepared = await call.run(counted)
    if isinstance(prepared, Throttled):
        raise errors.throttled(prepared.retry_after)
    return prepared
