"""Where a person types in the code that a device shows: RFC 8628 section 3.3.

The rest is the normal interaction: sign-in, second factor, consent. Its decision page shows the code again, and its
answer is a page of ours instead of a redirect.
"""

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.accounts import throttling
from server.accounts.throttling import Throttled
from server.grants import device_code
from server.languages import Message as _
from server.pages import interaction
from server.pages.visit import Visit
from server.pages.waiting import too_many_attempts
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.errors import InvalidRequestError
from server.protocol.interaction import Interaction
from server.protocol.request import form_parameters, query_parameters

WRONG = _("That code is not right, or it is too old. Check it, or let the device show a new one.")


async def show(request: Request) -> Response:
    """Show the form, with the code in it where a link brought one: it is sent by the person, never by itself."""
    visit = Visit.of(request)
    try:
        typed = query_parameters(request).get("user_code") or ""
    except InvalidRequestError:
        typed = ""
    user_code = device_code.normalize_user_code(typed)
    return _form(visit, "" if user_code is None else device_code.shown(user_code))


def _form(visit: Visit, user_code: str, error: str | None = None, *, status: int = 200) -> Response:
    context = {"action": visit.renderer.url("/device/code"), "user_code": user_code, "error": error}
    return visit.page("device.html", context, status=status)


async def take(request: Request) -> Response:
    """Find the device that waits with this code, and begin the interaction."""
    visit = Visit.of(request)
    form = await form_parameters(request)
    visit.check_csrf(form)
    typed = (form.get("user_code") or "")[: device_code.MAX_TYPED_CHARACTERS]
    user_code = device_code.normalize_user_code(typed)
    if user_code is None:
        return _form(visit, typed, WRONG, status=400)
    found = await visit.services.database.run(lambda db: _find(db, visit, user_code))
    if isinstance(found, Throttled):
        response = _form(visit, typed, too_many_attempts(found.retry_after), status=429)
        response.headers["retry-after"] = str(found.retry_after)
        return response
    client = None if found is None else await visit.services.registry.find(found.client_id)
    if found is None or client is None or client.disabled:
        return _form(visit, typed, WRONG, status=400)
    return await interaction.begin(visit, Interaction(created_at=visit.now, request=found), client)


def _find(db: Connection, visit: Visit, user_code: str) -> AuthorizationRequest | Throttled | None:
    """Look a code up; a wrong one is counted against the address and the whole server (section 5.1)."""
    keys = throttling.user_code_keys(visit.context.address) if visit.services.settings.rate_limits else []
    throttled = throttling.reserve(db, keys, visit.now)
    if throttled is not None:
        return throttled
    found = device_code.find_request(db, user_code, visit.now)
    if found is not None:
        throttling.withdraw(db, keys)
    return found
