"""The page behind a one-time link with which a person sets a password. Looking at it uses nothing up (C099)."""

from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.accounts import credentials, password_policy
from server.accounts.passwords import PasswordHasherBusyError
from server.accounts.user import User
from server.pages import sign_in
from server.pages.visit import PageError, Visit
from server.protocol.request import form_parameters, query_parameters

PATH = "/account/set-password"


async def show(request: Request) -> Response:
    """Show the form."""
    visit = Visit.of(request)
    token = query_parameters(request).get("token") or ""
    user = await visit.services.database.read(lambda db: _person(db, token, visit.now))
    return _page(visit, token, user, [])


def _person(db: Connection, token: str, now: int) -> User:
    user = credentials.find_password_link(db, token, now)
    if user is None:
        raise _over()
    return user


def _over() -> PageError:
    return PageError(
        400,
        "This link is no longer valid",
        "It was used already, or it is too old.",
        "Ask for a new link.",
    )


def _page(visit: Visit, token: str, user: User, errors: list[str]) -> Response:
    context: dict[str, Any] = {
        "action": visit.renderer.url(PATH) + f"?token={token}",
        "email": user.email,
        "errors": errors,
        "min_length": visit.services.settings.minimum_password_length,
    }
    return visit.page("set_password.html", context, status=400 if errors else 200)


async def take(request: Request) -> Response:
    """Set the password, use the link up, and lead to the sign-in."""
    visit = Visit.of(request)
    form = await form_parameters(request)
    visit.check_csrf(form)
    services = visit.services
    token, password = query_parameters(request).get("token") or "", form.get("password") or ""
    user = await services.database.read(lambda db: _person(db, token, visit.now))
    words = password_policy.words_of(services.settings.brand_name, user.email, user.name)
    problems = password_policy.check(password, minimum_length=services.settings.minimum_password_length, words=words)
    if problems:
        return _page(visit, token, user, problems)
    try:
        password_hash = await services.hasher.hash(password)
    except PasswordHasherBusyError:
        raise sign_in.busy() from None

    def work(db: Connection) -> None:
        if credentials.consume_password_link(db, token, visit.now) is None:
            raise _over()
        credentials.set_password(db, user, password_hash, context=visit.context, now=visit.now)

    await services.database.run(work)
    visit.forget_session()
    return visit.redirect(visit.renderer.url("/account"))
