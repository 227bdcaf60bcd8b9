"""The page behind a one-time link with which a person sets a password. Looking at it uses nothing up (C099)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.accounts import credentials, password_policy, recovery
from server.accounts.passwords import PasswordHasherBusyError
from server.accounts.user import User
from server.languages import Message as _
from server.pages import sign_in
from server.pages.visit import PageError, Visit
from server.protocol.request import form_parameters, query_parameters

PATH = recovery.PATH


async def show(request: Request) -> Response:
    """Show the form."""
    visit = Visit.of(request)
    token = query_parameters(request).get("token") or ""
    user = await visit.services.database.read(lambda db: _person(db, token, visit.now))
    return _page(visit, token, user, [])


def _person(db: Connection, token: str, now: int) -> User:
    user = recovery.find(db, token, now)
    if user is None:
        raise _over()
    return user


def _over() -> PageError:
    return PageError(
        400,
        _("This link is no longer valid"),
        _("It was used already, or it is too old."),
        _("Ask for a new link."),
    )


def _page(visit: Visit, token: str, user: User, errors: Sequence[str]) -> Response:
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
    token, password = query_parameters(request).get("token") or "", form.get("password") or ""
    try:
        return await _set(visit, token, password)
    except PasswordHasherBusyError:
        raise sign_in.busy() from None


async def _set(visit: Visit, token: str, password: str) -> Response:
    services = visit.services

    def read(db: Connection) -> tuple[User, list[str]]:
        user = _person(db, token, visit.now)
        return user, credentials.former_hashes(db, user, services.settings.password_history)

    user, former = await services.database.read(read)
    words = password_policy.words_of(services.settings.brand_name, user.email, user.name, user.username)
    problems = await password_policy.check_all(
        services.hasher, services.settings, password, words, former_hashes=former
    )
    if problems:
        return _page(visit, token, user, problems)
    password_hash = await services.hasher.hash(password)

    def work(db: Connection) -> None:
        done = recovery.consume(
            db,
            token,
            password_hash,
            sealer=services.sealer,
            settings=services.settings,
            context=visit.context,
            now=visit.now,
        )
        if done is None:
            raise _over()

    await services.database.run(work)
    visit.forget_session()
    return visit.redirect(visit.renderer.url("/account"))
