"""The second factor: a code from the authenticator app, or a recovery code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import second_factor
from server.accounts.throttling import Throttled
from server.accounts.user import User
from server.pages import signed_in
from server.pages.interaction import Situation, StepPage, render, save
from server.pages.visit import Visit, stale
from server.protocol.interaction import MAX_CODE_TRIES
from server.protocol.request import Parameters
from server.storage import users

WRONG = "The code is not right, or it was used already. Wait for the next one and try again."


@dataclass(frozen=True, slots=True)
class _Refusal:
    text: str
    status: int = 400
    retry_after: int | None = None


def _person(db: Connection, situation: Situation) -> User:
    """Return who owes the factor: the one who gave the password, else the one who is signed in."""
    pending = situation.state.pending_user_id
    user = situation.user if pending is None else users.find_by_id(db, pending)
    if user is None:
        raise stale()
    return user


def show(db: Connection, _visit: Visit, situation: Situation) -> Mapping[str, Any]:
    """Return what the empty form needs."""
    return {"email": _person(db, situation).email, "client_name": situation.client_name, "error": None}


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | None:
    """Check the code, and sign in or step up; too many wrong codes lead back to the password."""
    if form.get("decision") == "restart":
        await _restart(visit, situation)
        return None
    code = form.get("code") or ""

    def work(db: Connection) -> tuple[User, _Refusal | None]:
        users.lock(db, _person(db, situation).id)  # so that a new password ends the session that begins here
        user = _person(db, situation)
        return user, _check(db, visit, situation, user, code)

    user, refusal = await visit.services.database.run(work)
    if refusal is None:
        return None
    context = {"email": user.email, "client_name": situation.client_name, "error": refusal.text}
    response = render(visit, situation, PAGE, context, status=refusal.status)
    if refusal.retry_after is not None:
        response.headers["retry-after"] = str(refusal.retry_after)
    return response


def _check(db: Connection, visit: Visit, situation: Situation, user: User, code: str) -> _Refusal | None:
    state, settings = situation.state, visit.services.settings
    if state.pending_user_id is not None and user.password_changed_at != state.pending_password_changed_at:
        raise stale()
    result = second_factor.verify(
        db,
        visit.services.sealer,
        user,
        code,
        previous_steps=settings.totp_previous_steps,
        rate_limits=settings.rate_limits,
        device_cookie=visit.known_cookie,
        context=visit.context,
        now=visit.now,
    )
    if isinstance(result, Throttled):
        text = f"Too many attempts. Wait {result.retry_after} seconds and try again."
        return _Refusal(text, 429, result.retry_after)
    if result is None:
        return _count_failure(db, visit, situation)
    if state.pending_user_id is None:
        signed_in.step_up(db, visit, situation, result)
    else:
        amr = tuple(dict.fromkeys(("pwd", *result)))
        signed_in.sign_in(db, visit, situation, user, amr, remember=state.pending_remember)
    return None


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
