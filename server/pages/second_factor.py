"""The second factor: a code from the authenticator app, a recovery code, a code by e-mail, or a passkey."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import email_codes, passkeys, second_factor, trusted_browsers
from server.accounts.passkeys import PasskeyError
from server.accounts.throttling import Throttled
from server.accounts.user import User
from server.languages import Message as _
from server.pages import signed_in
from server.pages.interaction import Situation, StepPage, render, save
from server.pages.visit import Visit, stale
from server.pages.waiting import too_many_attempts
from server.protocol.interaction import MAX_CODE_TRIES, accepts_email_code
from server.protocol.request import Parameters
from server.storage import users

WRONG = _("The code is not right, or it was used already. Wait for the next one and try again.")
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class _Refusal:
    text: str | None
    status: int = 400
    retry_after: int | None = None


def _person(db: Connection, situation: Situation) -> User:
    """Return who owes the factor: the one who gave the password, else the one who is signed in."""
    pending = situation.state.pending_user_id
    user = situation.user if pending is None else users.find_by_id(db, pending)
    if user is None:
        raise stale()
    return user


def show(db: Connection, visit: Visit, situation: Situation) -> Mapping[str, Any]:
    """Return what the empty form needs."""
    return _context(db, visit, situation, _person(db, situation), None)


def _context(db: Connection, visit: Visit, situation: Situation, user: User, error: str | None) -> dict[str, Any]:
    settings = visit.services.settings
    factors = second_factor.factors_of(db, settings, user)
    options = None
    if factors.passkey:
        options = passkeys.second_factor_options(db, settings, user, binding=situation.id, now=visit.now)
    can_mail = accepts_email_code(situation.state, factors)
    return {
        "email": user.email,
        "client_name": situation.client_name,
        "error": error,
        "has_app": factors.totp,
        "passkey_options": None if options is None else json.dumps(options),
        "can_mail": can_mail,
        "is_mailed": can_mail and email_codes.is_waiting(db, user.id, visit.now),
        "trust_days": settings.trusted_browser_seconds // DAY_SECONDS if _can_trust(visit, situation) else 0,
    }


def _can_trust(visit: Visit, situation: Situation) -> bool:
    is_at_sign_in = situation.state.pending_user_id is not None
    return is_at_sign_in and visit.services.settings.trusted_browser_seconds > 0


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | None:
    """Check the factor, and sign in or step up; too many wrong codes lead back to the password."""
    if form.get("decision") == "restart":
        await _restart(visit, situation)
        return None

    def work(db: Connection) -> tuple[_Refusal | None, dict[str, Any]]:
        users.lock(db, _person(db, situation).id)  # so that a new password ends the session that begins here
        user = _person(db, situation)
        if situation.state.pending_user_id is not None:
            _check_password_is_the_same(situation, user)
        if form.get("decision") == "email":
            refusal = _mail(db, visit, situation, user)
        elif form.get("credential") is not None:
            refusal = _check_passkey(db, visit, situation, user, form)
        else:
            refusal = _check_code(db, visit, situation, user, form)
        if refusal is None:
            return None, {}
        return refusal, _context(db, visit, situation, user, refusal.text)

    refusal, context = await visit.services.database.run(work)
    if refusal is None:
        return None
    response = render(visit, situation, PAGE, context, status=refusal.status)
    if refusal.retry_after is not None:
        response.headers["retry-after"] = str(refusal.retry_after)
    return response


def _check_password_is_the_same(situation: Situation, user: User) -> None:
    if user.password_changed_at != situation.state.pending_password_changed_at:
        raise stale()


def _mail(db: Connection, visit: Visit, situation: Situation, user: User) -> _Refusal | None:
    services = visit.services
    factors = second_factor.factors_of(db, services.settings, user)
    if not accepts_email_code(situation.state, factors):
        return _Refusal(None)
    throttled = email_codes.send(
        db,
        services.sealer,
        user,
        binding=situation.id,
        context=visit.context,
        now=visit.now,
        rate_limits=services.settings.rate_limits,
    )
    return None if throttled is None else _slow_down(throttled)


def _check_passkey(db: Connection, visit: Visit, situation: Situation, user: User, form: Parameters) -> _Refusal | None:
    try:
        amr = second_factor.verify_passkey(
            db,
            visit.services.settings,
            user,
            form.get("credential") or "",
            binding=situation.id,
            context=visit.context,
            now=visit.now,
        )
    except PasskeyError as error:
        return _Refusal(error.message)
    _succeed(db, visit, situation, user, amr, form)
    return None


def _check_code(db: Connection, visit: Visit, situation: Situation, user: User, form: Parameters) -> _Refusal | None:
    settings = visit.services.settings
    factors = second_factor.factors_of(db, settings, user)
    result = second_factor.verify(
        db,
        visit.services.sealer,
        user,
        form.get("code") or "",
        previous_steps=settings.totp_previous_steps,
        rate_limits=settings.rate_limits,
        device_cookie=visit.known_cookie,
        email_binding=situation.id if accepts_email_code(situation.state, factors) else None,
        context=visit.context,
        now=visit.now,
    )
    if isinstance(result, Throttled):
        return _slow_down(result)
    if result is None:
        return _count_failure(db, visit, situation)
    _succeed(db, visit, situation, user, result, form)
    return None


def _slow_down(throttled: Throttled) -> _Refusal:
    text = too_many_attempts(throttled.retry_after)
    return _Refusal(text, 429, throttled.retry_after)


def _succeed(
    db: Connection, visit: Visit, situation: Situation, user: User, amr: tuple[str, ...], form: Parameters
) -> None:
    state, seconds = situation.state, visit.services.settings.trusted_browser_seconds
    if _can_trust(visit, situation) and form.get("trust_browser") is not None:
        value = trusted_browsers.trust(db, user.id, seconds=seconds, context=visit.context, now=visit.now)
        visit.keep_trusted(value, max_age=seconds)
    if state.pending_user_id is None:
        signed_in.step_up(db, visit, situation, amr)
    else:
        whole = tuple(dict.fromkeys(("pwd", *amr)))
        signed_in.sign_in(db, visit, situation, user, whole, remember=state.pending_remember)


def _count_failure(db: Connection, visit: Visit, situation: Situation) -> _Refusal | None:
    state = situation.state
    state.code_tries += 1
    if state.code_tries >= MAX_CODE_TRIES and state.pending_user_id is not None:
        state.pending_user_id, state.code_tries = None, 0
        save(db, visit, situation)
        return None  # back to the sign-in page
    save(db, visit, situation)
    return _Refusal(WRONG)


async def _restart(visit: Visit, situation: Situation) -> None:
    state = situation.state
    state.is_reauthenticating = state.pending_user_id is None
    state.pending_user_id, state.code_tries = None, 0
    await visit.services.database.run(lambda db: save(db, visit, situation))


PAGE = StepPage("second_factor.html", show, take)
