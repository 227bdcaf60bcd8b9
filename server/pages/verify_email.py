"""The page behind the link that verifies an e-mail address. Looking at it uses nothing up: mail scanners look too.

The link signs in only the browser in which the password was given, and only a person without a second factor;
everybody else signs in as always.
"""

import json
import re

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from keys.sealing import SealError
from server.accounts import second_factor, user, verification
from server.accounts.user import User
from server.accounts.verification import Origin, Verified
from server.events.audit import record
from server.events.names import Event
from server.languages import Message as _
from server.pages import signed_in
from server.pages.interaction import Situation
from server.pages.visit import PageError, Visit
from server.protocol import interaction
from server.protocol.interaction import Facts, Interaction, Step
from server.protocol.request import form_parameters, query_parameters

RESEND_PATH = "/account/verify-email/resend"
TICKET_SECONDS = 3600
_INTERACTION_ID = re.compile(r"oin_[A-Za-z0-9_-]{43}", re.ASCII)


async def show(request: Request) -> Response:
    """Ask for a click."""
    visit = Visit.of(request)
    query = query_parameters(request)
    token, interaction_id = query.get("token") or "", _interaction_id(query.get("interaction"))
    found = await visit.services.database.read(lambda db: verification.find_link(db, token, visit.now))
    if found is None:
        raise _over()
    action = visit.renderer.url(verification.PATH) + f"?token={token}"
    if interaction_id is not None:
        action += f"&interaction={interaction_id}"
    return _page(visit, found.user, action=action)


def _interaction_id(text: str | None) -> str | None:
    return text if text is not None and _INTERACTION_ID.fullmatch(text) else None


def _over() -> PageError:
    return PageError(
        400,
        _("This link is no longer valid"),
        _("It was used already, or it is too old."),
        _("If your address is not verified yet, sign in to get a new link."),
    )


def _page(visit: Visit, person: User, *, action: str | None = None, is_signed_in: bool = False) -> Response:
    context = {
        "email": person.email,
        "name": person.name,
        "action": action,
        "is_signed_in": is_signed_in,
        "continue_url": visit.renderer.url("/account"),
    }
    return visit.page("verify_email.html", context)


async def take(request: Request) -> Response:
    """Use the link up; then go on where the person was, or say that they can sign in now."""
    visit = Visit.of(request)
    form = await form_parameters(request)
    visit.check_csrf(form)
    query = query_parameters(request)
    token, interaction_id = query.get("token") or "", _interaction_id(query.get("interaction"))

    def work(db: Connection) -> tuple[Verified, str | None, bool]:
        verified = verification.confirm(db, token, context=visit.context, now=visit.now)
        if verified is None:
            raise _over()
        _session, person = visit.session(db)
        is_signed_in = person is not None and person.id == verified.user.id
        if person is not None or not _signs_in(db, visit, verified):
            return verified, None, is_signed_in
        return verified, _sign_in(db, visit, verified.user, interaction_id), True

    verified, go_on, is_signed_in = await visit.services.database.run(work)
    if go_on is not None:
        return visit.redirect(visit.renderer.url(f"/interaction/{go_on}"))
    return _page(visit, verified.user, is_signed_in=is_signed_in)


def _signs_in(db: Connection, visit: Visit, verified: Verified) -> bool:
    is_same_browser = not visit.is_new_browser and verified.browser == visit.browser_digest
    return is_same_browser and not second_factor.factors_of(db, visit.services.settings, verified.user).has_any


def _sign_in(db: Connection, visit: Visit, person: User, interaction_id: str | None) -> str:
    """Sign the person in within the interaction that waits, or within a new one, and return its id."""
    settings = visit.services.settings
    waiting = None if interaction_id is None else interaction.find(db, interaction_id, visit.now)
    if interaction_id is None or waiting is None or waiting.browser != visit.browser_digest:
        waiting = Interaction(created_at=visit.now, continue_to="/account", browser=visit.browser_digest)
        interaction_id = interaction.begin(db, waiting, now=visit.now, seconds=settings.interaction_seconds)
    situation = Situation(interaction_id, waiting, Facts(settings, None, None, None), Step.SIGN_IN)
    signed_in.sign_in(db, visit, situation, person, ("pwd",), remember=False)
    record(
        db,
        Event.SIGN_IN_SUCCEEDED,
        visit.context,
        now=visit.now,
        user_id=person.id,
        actor=person.id,
        amr=["pwd"],
        by="email_link",
    )
    return interaction_id


def ask_to_verify(visit: Visit, situation: Situation, person: User) -> Response:
    """Tell a person who has just given the right password that the address comes first, and offer another link."""
    waiting_id = situation.id if situation.state.request is not None else None
    ticket = {
        "user_id": person.id,
        "browser": visit.browser_digest,
        "interaction": waiting_id,
        "expires_at": visit.now + TICKET_SECONDS,
        "password_changed_at": person.password_changed_at,
    }
    sealed = visit.services.sealer.seal(json.dumps(ticket).encode(), context=RESEND_PATH)
    resend = {"action": visit.renderer.url(RESEND_PATH), "ticket": sealed}
    return _check_mail(visit, person.email, resend=resend, status=403)


def _check_mail(visit: Visit, email: str, *, resend: dict[str, str] | None, status: int = 200) -> Response:
    context = {"email": email, "resend": resend, "is_sent": resend is None, "sign_in_url": None}
    return visit.page("check_mail.html", context, status=status)


async def resend(request: Request) -> Response:
    """Send another link to whoever gave the right password in this browser a while ago."""
    visit = Visit.of(request)
    form = await form_parameters(request)
    visit.check_csrf(form)
    services = visit.services
    try:
        ticket = json.loads(services.sealer.unseal(form.get("ticket") or "", context=RESEND_PATH))
    except SealError:
        raise _ask_again() from None
    if ticket["browser"] != visit.browser_digest or ticket["expires_at"] <= visit.now:
        raise _ask_again()

    def work(db: Connection) -> User:
        person = user.find(db, ticket["user_id"])
        if person is None or person.password_changed_at != ticket["password_changed_at"]:
            raise _ask_again()
        verification.send(
            db,
            person,
            sealer=services.sealer,
            settings=services.settings,
            context=visit.context,
            now=visit.now,
            origin=Origin(visit.browser_digest, ticket["interaction"]),
        )
        return person

    person = await services.database.run(work)
    return _check_mail(visit, person.email, resend=None)


def _ask_again() -> PageError:
    return PageError(
        400,
        _("This page is no longer valid"),
        _("It is too old, or it was opened in another browser."),
        _("Sign in again to get a new link."),
    )
