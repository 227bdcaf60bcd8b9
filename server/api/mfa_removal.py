"""Taking the authenticator app away: password and code at once prove as much as a fresh sign-in."""

from sqlalchemy import Connection

from server.accounts import second_factor
from server.accounts.throttling import Throttled
from server.accounts.user import User
from server.api import confirmation, errors
from server.api.call import Call, Reply
from server.api.errors import ApiError
from server.settings import Mfa

WRONG = "Invalid password or code"
NOT_ENABLED = "No authenticator app is set up"
REQUIRED = "A second factor is required"


async def disable(call: Call) -> Reply:
    """Remove the person's authenticator apps."""
    await call.read(lambda db, token: _check(db, call, token.user))
    return await confirmation.with_password(
        call, call.text("password"), WRONG, lambda db, token: _disable(db, call, token.user)
    )


def _check(db: Connection, call: Call, user: User) -> None:
    """Refuse before anything is counted or used up. Raises ApiError."""
    settings = call.services.settings
    factors = second_factor.factors_of(db, settings, user)
    if not factors.totp:
        raise ApiError(400, NOT_ENABLED)
    is_required = second_factor.policy_of(settings, user, None) is Mfa.REQUIRED
    if is_required and not (factors.passkey or factors.email):
        raise ApiError(403, REQUIRED)


def _disable(db: Connection, call: Call, user: User) -> Reply | ApiError:
    """Return refusals rather than raise them: what was counted must last."""
    services, settings = call.services, call.services.settings
    result = second_factor.verify(
        db,
        services.sealer,
        user,
        call.text("code"),
        context=call.by(user),
        now=call.now,
        previous_steps=settings.totp_previous_steps,
        rate_limits=settings.rate_limits,
    )
    if isinstance(result, Throttled):
        return errors.throttled(result.retry_after)
    if result is None:
        return ApiError(400, WRONG)
    overview = second_factor.overview(db, settings, user, call.now)
    for device in overview.totp:
        second_factor.remove(
            db, services.sealer, user, second_factor.TOTP, device.id, context=call.by(user), now=call.now
        )
    return Reply(204)
