"""The page behind the link that was sent to a new e-mail address. Looking at it uses nothing up."""

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.accounts import email_change
from server.accounts.user import User
from server.languages import Message as _
from server.pages.visit import PageError, Visit
from server.protocol.request import form_parameters, query_parameters


async def show(request: Request) -> Response:
    """Ask for a click."""
    visit = Visit.of(request)
    token = query_parameters(request).get("token") or ""
    change = await visit.services.database.read(lambda db: email_change.find_link(db, token, visit.now))
    if change is None:
        raise _over()
    action = visit.renderer.url(email_change.PATH) + f"?token={token}"
    return _page(visit, change.user, change.new_email, action=action)


def _over() -> PageError:
    return PageError(
        400,
        _("This link is no longer valid"),
        _("It was used already, it is too old, or the address cannot be used any more."),
        _("Change the address on your account's page again."),
    )


def _page(visit: Visit, person: User, email: str, *, action: str | None) -> Response:
    context = {
        "action": action,
        "name": person.name,
        "new_email": email,
        "continue_url": visit.renderer.url("/account"),
    }
    return visit.page("confirm_email.html", context)


async def take(request: Request) -> Response:
    """Use the link up and change the address."""
    visit = Visit.of(request)
    form = await form_parameters(request)
    visit.check_csrf(form)
    token = query_parameters(request).get("token") or ""

    def work(db: Connection) -> User | None:
        return email_change.confirm(db, token, sealer=visit.services.sealer, context=visit.context, now=visit.now)

    person = await visit.services.database.run(work)
    if person is None:  # committed all the same: a link to an address that was taken meanwhile is used up
        raise _over()
    return _page(visit, person, person.email, action=None)
