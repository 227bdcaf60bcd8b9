"""Making one's own account: `prompt=create`, the link on the sign-in page, and invitations."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.accounts import invitations, sign_up
from server.accounts.invitations import InvitationOverError
from server.accounts.passwords import PasswordHasherBusyError
from server.accounts.registration import EmailTakenError
from server.accounts.sign_up import NewAccount, RegistrationClosedError
from server.accounts.verification import Origin
from server.languages import Message as _
from server.pages import interaction as dispatcher
from server.pages import sign_in, signed_in
from server.pages.interaction import Situation, StepPage, render
from server.pages.visit import PageError, Visit
from server.pages.waiting import wait
from server.protocol import interaction
from server.protocol.request import Parameters, query_parameters

Values = Mapping[str, str]


def show(db: Connection, visit: Visit, situation: Situation) -> Mapping[str, Any]:
    """Return what the empty form needs."""
    _check_allowed(db, visit, situation.state.invitation)
    request = situation.state.request
    hinted = (request.login_hint if request else None) or ""
    email = _invited_email(db, visit, situation.state.invitation)
    return _context(visit, situation, {"email": email or hinted, "name": ""}, {}, is_email_fixed=email is not None)


def _check_allowed(db: Connection, visit: Visit, invitation: str | None) -> None:
    if sign_up.is_allowed(db, visit.services.settings, invitation, visit.now):
        return
    if invitation is not None:
        raise _invitation_over()
    raise _closed()


def _closed() -> PageError:
    return PageError(
        403,
        _("Accounts are made by invitation"),
        _("This server does not let people make their own account."),
        _("Ask the people who run it for an account."),
    )


def _invitation_over() -> PageError:
    return PageError(
        400,
        _("This invitation is no longer valid"),
        _("It was used already, it was taken back, or it is too old."),
        _("Ask whoever invited you for a new one. If you have made your account already, sign in."),
    )


def _invited_email(db: Connection, visit: Visit, invitation: str | None) -> str | None:
    found = None if invitation is None else invitations.find(db, invitation, visit.now)
    return None if found is None else found.email


def _context(
    visit: Visit, situation: Situation, values: Values, errors: Mapping[str, Any], *, is_email_fixed: bool
) -> dict[str, Any]:
    return {
        "client_name": situation.client_name,
        "values": values,
        "errors": errors,
        "is_email_fixed": is_email_fixed,
        "min_length": visit.services.settings.minimum_password_length,
        "sign_in_url": visit.renderer.url(f"/interaction/{situation.id}/sign-in"),
    }


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | None:
    """Make the account, and sign the person in or ask them to read their mail; each thing that is wrong is named."""
    invitation = situation.state.invitation

    def invited(db: Connection) -> str | None:
        _check_allowed(db, visit, invitation)
        return _invited_email(db, visit, invitation)

    fixed_email = await visit.services.database.read(invited)
    account = NewAccount(
        email=fixed_email or form.get("email") or "",
        name=form.get("name") or "",
        password=form.get("password") or "",
        invitation=invitation,
        language=visit.language.tag,
    )
    errors: Mapping[str, Any]
    try:
        errors = await sign_up.problems(account, visit.services.hasher, visit.services.settings)
        if not errors:
            return await _register(visit, situation, account)
    except EmailTakenError:
        errors = {"email": _("There is an account with this e-mail address already. Sign in instead.")}
    except PasswordHasherBusyError:
        raise sign_in.busy() from None
    values = {"email": account.email, "name": account.name}
    context = _context(visit, situation, values, errors, is_email_fixed=fixed_email is not None)
    return render(visit, situation, PAGE, context, status=400)


async def _register(visit: Visit, situation: Situation, account: NewAccount) -> Response | None:
    await _throttle(visit)
    services = visit.services
    password_hash = await services.hasher.hash(account.password)
    is_for_client = situation.state.request is not None
    origin = Origin(visit.browser_digest, situation.id if is_for_client else None)

    def work(db: Connection) -> bool:
        user = sign_up.register(
            db,
            account,
            password_hash,
            sealer=services.sealer,
            settings=services.settings,
            context=visit.context,
            now=visit.now,
            origin=origin,
        )
        if user is not None:
            signed_in.sign_in(db, visit, situation, user, ("pwd",), remember=False)
        return user is not None

    try:
        is_signed_in = await services.database.run(work)
    except RegistrationClosedError:
        raise _closed() from None
    except InvitationOverError:
        raise _invitation_over() from None
    return None if is_signed_in else _check_mail(visit, situation, account.email)


def _check_mail(visit: Visit, situation: Situation, email: str) -> Response:
    """Answer the same whether or not somebody has the address: only the mail tells."""
    context = {
        "email": email,
        "sign_in_url": visit.renderer.url(f"/interaction/{situation.id}/sign-in"),
        "resend": None,
        "is_sent": True,
    }
    return visit.page("check_mail.html", context)


async def _throttle(visit: Visit) -> None:
    services = visit.services
    throttled = await services.database.run(
        lambda db: sign_up.reserve(db, services.settings, context=visit.context, now=visit.now)
    )
    if throttled is not None:
        raise PageError(
            429,
            _("Too many new accounts"),
            _("Many accounts were made from your network in a short time."),
            wait(throttled.retry_after),
            retry_after=throttled.retry_after,
        )


async def begin(request: Request) -> Response:
    """Begin making an account for its own sake, perhaps with an invitation; it leads to the account's home."""
    visit = Visit.of(request)
    token = query_parameters(request).get("invitation")
    invitation = None if token is None else invitations.digest_of(token)

    def check(db: Connection) -> None:
        _check_allowed(db, visit, invitation)
        if invitation is not None and invitations.find(db, invitation, visit.now) is None:
            raise _invitation_over()

    await visit.services.database.read(check)
    state = interaction.Interaction(
        created_at=visit.now,
        continue_to="/account",
        is_registering=True,
        # Whoever is signed in here may be another person than the invited one.
        is_reauthenticating=invitation is not None,
        invitation=invitation,
    )
    return await dispatcher.begin(visit, state, None)


async def switch(request: Request) -> Response:
    """Go from the sign-in form to the registration form of the same interaction, and back."""
    visit = Visit.of(request)
    interaction_id, step = request.path_params["id"], request.path_params["step"]
    state, _client = await dispatcher.load(visit, interaction_id)
    here = visit.renderer.url(f"/interaction/{interaction_id}")
    if step not in ("register", "sign-in"):
        return visit.redirect(here)
    state.is_registering = step == "register"
    if state.pending_user_id is None:
        await visit.services.database.run(lambda db: interaction.save(db, interaction_id, state, visit.now))
    return visit.redirect(here)


PAGE = StepPage("register.html", show, take)
