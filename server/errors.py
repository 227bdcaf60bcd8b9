"""From an exception that left a handler to the answer: a page for people, JSON for programs, never a stack trace."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.accounts.passwords import PasswordHasherBusyError
from server.languages import Message as _
from server.middleware.cross_origin import READERS
from server.observability.logging import logger
from server.pages.visit import PageError, Visit
from server.protocol.errors import OAuth2Error
from server.protocol.refusals import note_answer
from server.protocol.request import BodyTooLargeError
from server.protocol.response import error_answer, to_response
from server.protocol.services import services_of
from server.storage.database import DatabaseUnavailableError

RETRY_SECONDS = 2
TOO_LARGE = _("The request is too large")
_PLAIN = {404: _("There is nothing at this address."), 405: _("This address does not take that method.")}


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer. No script of another origin reads a page, with its form and cookie."""
    return READERS not in request.scope and "text/html" in request.headers.get("accept", "")


def page_error(request: Request, error: Exception) -> Response:
    """Show what a page had to say."""
    if not isinstance(error, PageError):
        raise TypeError from error
    if not error.is_noted:
        note_answer(error.status, error.title, cause=error.message)
    return Visit.of(request).error(error)


def oauth_error(request: Request, error: Exception) -> Response:
    """Answer a protocol error that came out of a page: a malformed form."""
    if not isinstance(error, OAuth2Error):
        raise TypeError from error
    if wants_page(request):
        text = str(error.description or error.error)
        return _page(request, error.status_code, _("The request could not be read"), text)
    return to_response(error_answer(error))


def too_large(request: Request, _error: Exception) -> Response:
    """Answer a body that is too large: 413."""
    note_answer(413, TOO_LARGE)
    return _say(request, 413, "invalid_request", TOO_LARGE)


def unavailable(request: Request, error: Exception) -> Response:
    """Answer when the database or the password pool cannot keep up: 503, and when to come back."""
    logger().warning("unavailable", cause=str(error))
    response = _say(request, 503, "temporarily_unavailable", _("The server cannot answer right now"))
    response.headers["retry-after"] = str(RETRY_SECONDS)
    return response


def http_error(request: Request, error: Exception) -> Response:
    """Answer 404 and 405."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    response = _say(request, status, "invalid_request", _PLAIN.get(status, _("The request cannot be answered.")))
    for name, value in headers.items():
        response.headers[name] = value
    return response


def internal_error(request: Request, error: Exception) -> Response:
    """Answer a bug: 500 with the request id, under which the log has the cause."""
    logger().error("a request failed", exc_info=error, path=request.scope["path"])
    return _say(request, 500, "server_error", _("Something went wrong on our side"))


def is_api(request: Request) -> bool:
    """Whether the answer is one of the JSON API, whose errors have a form of their own."""
    prefix = services_of(request).settings.issuer_path
    return bool(request.scope["path"].startswith(f"{prefix}/api/"))


def _say(request: Request, status: int, error: str, text: str) -> Response:
    if is_api(request):
        return JSONResponse({"detail": text}, status, headers={"cache-control": "no-store"})
    if wants_page(request):
        return _page(request, status, text, text)
    body = {"error": error, "error_description": text}
    return JSONResponse(body, status, headers={"cache-control": "no-store"})


def _page(request: Request, status: int, title: str, message: str) -> Response:
    what_to_do = _("Go back and try again. If it happens again, tell support the request number below.")
    visit = Visit.of(request)
    return visit.error(PageError(status, visit.say(title).rstrip("."), message, what_to_do))


HANDLERS = {
    PageError: page_error,
    OAuth2Error: oauth_error,
    BodyTooLargeError: too_large,
    DatabaseUnavailableError: unavailable,
    PasswordHasherBusyError: unavailable,
    HTTPException: http_error,
    Exception: internal_error,
}
