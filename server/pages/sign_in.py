"""The sign-in page: who, and the password; or a passkey alone."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import sign_in, throttling
from server.accounts.passwords import PasswordHasherBusyError
from server.accounts.throttling import Throttled
from server.accounts.user import User
from server.accounts.verification import must_verify_first
from server.languages import Message as _
from server.pages import passkey_sign_in, signed_in, verify_email
from server.pages.interaction import Situation, StepPage, render, save
from server.pages.visit import PageError, Visit
from server.pages.waiting import too_many_attempts
from server.protocol.interaction import owes_factor
from server.protocol.request import Parameters
from server.settings import Registration

WRONG = _("The e-mail address, username or password is not right. Check them and try again.")
BUSY_RETRY_SECONDS = 2


def show(db: Connection, visit: Visit, situation: Situation) -> Mapping[str, Any]:
    """Return what the empty form needs."""
    request = situation.state.request
    return _context(db, visit, situation, request.login_hint if request else None, None)


def _context(
    db: Connection, visit: Visit, situation: Situation, login_hint: str | None, error: str | None
) -> dict[str, Any]:
    can_register = visit.services.settings.registration is Registration.OPEN or situation.state.invitation is not None
    register = visit.renderer.url(f"/interaction/{situation.id}/register")
    return {
        "client_name": situation.client_name,
        "login_hint": login_hint,
        "error": error,
        "register_url": register if can_register else None,
        "forgot_url": visit.renderer.url("/account/forgot-password"),
        **passkey_sign_in.context(db, visit, situation),
    }


async def _again(visit: Visit, situation: Situation, login_hint: str | None, error: str, *, status: int) -> Response:
    """Show the form again; a passkey needs a new challenge each time."""
    context = await visit.services.database.run(lambda db: _context(db, visit, situation, login_hint, error))
    return render(visit, situation, PAGE, context, status=status)


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | None:
    """Check the password off the event loop, and sign in or ask for the second factor; or check the passkey."""
    if form.get("credential") is not None:
        outcome = await passkey_sign_in.take(visit, situation, form)
        return await _again(visit, situation, None, outcome, status=400) if isinstance(outcome, str) else outcome
    identifier, password = form.get("email") or "", form.get("password") or ""
    services = visit.services
    prepared = await services.database.run(
        lambda db: sign_in.prepare(
            db,
            identifier,
            device_cookie=visit.known_cookie,
            sealer=services.sealer,
            rate_limits=services.settings.rate_limits,
            context=visit.context,
            now=visit.now,
        )
    )
    if isinstance(prepared, Throttled):
        return await _slow_down(visit, situation, identifier, prepared.retry_after)
    try:
        verification = await services.hasher.verify(prepared.password_hash, password)
        needs_new_hash = verification.is_valid and verification.needs_rehash
        new_hash = await services.hasher.hash(password) if needs_new_hash else None
    except PasswordHasherBusyError:
        await services.database.run(lambda db: throttling.withdraw(db, prepared.keys))
        raise busy() from None

    def work(db: Connection) -> User | None:
        done = sign_in.complete(db, prepared, is_valid=verification.is_valid, context=visit.context, now=visit.now)
        if done is None:
            return None
        if new_hash is not None:
            sign_in.store_rehash(db, prepared, new_hash)
        if must_verify_first(services.settings, done.user):
            return done.user
        _proceed(db, visit, situation, done.user, remember=form.get("remember") is not None)
        return done.user

    person = await services.database.run(work)
    if person is None:
        return await _again(visit, situation, identifier, WRONG, status=400)
    if must_verify_first(services.settings, person):
        return verify_email.ask_to_verify(visit, situation, person)
    return None


def busy() -> PageError:
    """Return the error of a server that has too many passwords to check."""
    return PageError(
        503,
        _("Too many people are signing in"),
        _("The server has more sign-ins to check than it can at this moment."),
        _("Wait a few seconds and try again."),
        retry_after=BUSY_RETRY_SECONDS,
    )


def _proceed(db: Connection, visit: Visit, situation: Situation, user: User, *, remember: bool) -> None:
    owes = owes_factor(
        db,
        visit.services.settings,
        user,
        situation.facts.client,
        trusted_cookie=visit.trusted_cookie,
        now=visit.now,
    )
    if not owes:
        signed_in.sign_in(db, visit, situation, user, ("pwd",), remember=remember)
        return
    state = situation.state
    state.pending_user_id, state.pending_remember, state.code_tries = user.id, remember, 0
    state.pending_password_changed_at = user.password_changed_at
    save(db, visit, situation)


async def _slow_down(visit: Visit, situation: Situation, identifier: str, seconds: int) -> Response:
    text = too_many_attempts(seconds)
    response = await _again(visit, situation, identifier, text, status=429)
    response.headers["retry-after"] = str(seconds)
    return response


PAGE = StepPage("sign_in.html", show, take)
