"""Making one's own account: `prompt=create`, and the link on the sign-in page."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.accounts import identifiers, password_policy, registration, throttling
from server.accounts.identifiers import InvalidIdentifierError
from server.accounts.passwords import PasswordHasherBusyError
from server.accounts.profile import InvalidProfileError
from server.accounts.registration import EmailTakenError
from server.pages import interaction as dispatcher
from server.pages import sign_in, signed_in
from server.pages.interaction import Situation, StepPage, render
from server.pages.visit import PageError, Visit
from server.protocol import interaction
from server.protocol.request import Parameters
from server.settings import Registration

NAME_CHARACTERS = 200


def show(_db: Connection, visit: Visit, situation: Situation) -> Mapping[str, Any]:
    """Return what the empty form needs."""
    request = situation.state.request
    _check_open(visit)
    return _context(visit, situation, {"email": (request.login_hint if request else None) or "", "name": ""}, {})


def _check_open(visit: Visit) -> None:
    if visit.services.settings.registration is not Registration.OPEN:
        raise PageError(
            403,
            "Accounts are made by invitation",
            "This server does not let people make their own account.",
            "Ask the people who run it for an account.",
        )


def _context(
    visit: Visit, situation: Situation, values: Mapping[str, str], errors: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "client_name": situation.client_name,
        "values": values,
        "errors": errors,
        "min_length": visit.services.settings.minimum_password_length,
        "sign_in_url": visit.renderer.url(f"/interaction/{situation.id}/sign-in"),
    }


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | None:
    """Make the account and sign the person in; each thing that is wrong is named."""
    _check_open(visit)
    email, name, password = form.get("email") or "", (form.get("name") or "").strip(), form.get("password") or ""
    minimum = visit.services.settings.minimum_password_length
    words = password_policy.words_of(visit.services.settings.brand_name, email, name[:NAME_CHARACTERS])
    errors: dict[str, Any] = {}
    problems = password_policy.check(password, minimum_length=minimum, words=words)
    if problems:
        errors["password"] = " ".join(problems)
    try:
        identifiers.normalize_email(email)
    except InvalidIdentifierError as error:
        errors["email"] = str(error)
    if not name or len(name) > NAME_CHARACTERS:
        errors["name"] = f"Give your name, at most {NAME_CHARACTERS} characters."
    if not errors:
        errors = await _register(visit, situation, email, name, password)
    if not errors:
        return None
    context = _context(visit, situation, {"email": email, "name": name}, errors)
    return render(visit, situation, PAGE, context, status=400)


async def _register(visit: Visit, situation: Situation, email: str, name: str, password: str) -> dict[str, Any]:
    if visit.services.settings.rate_limits:
        await _throttle(visit)
    try:
        password_hash = await visit.services.hasher.hash(password)
    except PasswordHasherBusyError:
        raise sign_in.busy() from None

    def work(db: Connection) -> None:
        user = registration.register(
            db,
            email=email,
            claims={"name": name},
            password_hash=password_hash,
            context=visit.context,
            now=visit.now,
        )
        signed_in.sign_in(db, visit, situation, user, ("pwd",), remember=False)

    try:
        await visit.services.database.run(work)
    except InvalidIdentifierError as error:
        return {"email": str(error)}
    except InvalidProfileError:
        return {"name": "The name has a character that cannot be stored."}
    except EmailTakenError:
        return {"email": "There is an account with this e-mail address already. Sign in instead."}
    return {}


async def _throttle(visit: Visit) -> None:
    """Count the attempt in a transaction of its own: a taken address must count too, or addresses could be probed."""
    keys = [throttling.registration_key(visit.context.address)]
    throttled = await visit.services.database.run(lambda db: throttling.reserve(db, keys, visit.now))
    if throttled is not None:
        raise PageError(
            429,
            "Too many new accounts",
            "Many accounts were made from your network in a short time.",
            f"Wait {throttled.retry_after} seconds and try again.",
            retry_after=throttled.retry_after,
        )


async def begin(request: Request) -> Response:
    """Begin making an account for its own sake; it leads to the account's home."""
    visit = Visit.of(request)
    _check_open(visit)
    state = interaction.Interaction(created_at=visit.now, continue_to="/account", is_registering=True)
    return await dispatcher.begin(visit, state, None)


async def switch(request: Request) -> Response:
    """Go from the sign-in form to the registration form of the same interaction, and back."""
    visit = Visit.of(request)
    interaction_id, step = request.path_params["id"], request.path_params["step"]
    state, _ = await dispatcher.load(visit, interaction_id)
    here = visit.renderer.url(f"/interaction/{interaction_id}")
    if step not in ("register", "sign-in"):
        return visit.redirect(here)
    state.is_registering = step == "register"
    if state.pending_user_id is None:
        await visit.services.database.run(lambda db: interaction.save(db, interaction_id, state, visit.now))
    return visit.redirect(here)


PAGE = StepPage("register.html", show, take)
