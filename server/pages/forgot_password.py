"""The forgotten password: asks for the e-mail address, and answers always the same after the same time."""

from starlette.requests import Request
from starlette.responses import Response

from server.accounts import recovery
from server.accounts.identifiers import InvalidIdentifierError
from server.languages import Message
from server.pages.visit import Visit
from server.protocol.request import form_parameters

PATH = "/account/forgot-password"


async def show(request: Request) -> Response:
    """Show the form."""
    return _page(Visit.of(request), "", None, is_sent=False)


def _page(visit: Visit, email: str, error: Message | None, *, is_sent: bool) -> Response:
    context = {
        "action": visit.renderer.url(PATH),
        "email": email,
        "error": error,
        "is_sent": is_sent,
        "sign_in_url": visit.renderer.url("/account"),
    }
    return visit.page("forgot_password.html", context, status=400 if error else 200)


async def take(request: Request) -> Response:
    """Send a link to whoever has the address."""
    visit = Visit.of(request)
    form = await form_parameters(request)
    visit.check_csrf(form)
    services, email = visit.services, form.get("email") or ""
    try:
        await services.database.run(
            lambda db: recovery.request(
                db,
                email,
                sealer=services.sealer,
                settings=services.settings,
                context=visit.context,
                now=visit.now,
            )
        )
    except InvalidIdentifierError as error:
        return _page(visit, email, error.message, is_sent=False)
    return _page(visit, email, None, is_sent=True)
