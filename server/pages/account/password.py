"""A new password for somebody who knows the old one: every other sign-in ends, every token dies, a mail tells."""

from collections.abc import Sequence

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import credentials, password_policy, sign_in, throttling
from server.accounts.passwords import PasswordHasherBusyError
from server.accounts.sign_in import Prepared
from server.accounts.throttling import Throttled
from server.languages import Message
from server.languages import Message as _
from server.pages.account import navigation
from server.pages.account.guard import Owner, Room, form, page
from server.pages.sign_in import busy
from server.pages.waiting import too_many_attempts
from server.protocol.request import Parameters

WRONG = _("This is not your present password.")


async def _show(room: Room, _query: Parameters) -> Response:
    owner = await room.run(lambda _db, owner: owner)
    return _page(room, owner)


def _page(
    room: Room,
    owner: Owner,
    *,
    old_error: Message | None = None,
    new_errors: Sequence[Message] = (),
    status: int = 200,
) -> Response:
    url = room.visit.renderer.url
    context = {
        "has_password": owner.user.password_hash is not None,
        "old_error": old_error,
        "new_errors": new_errors,
        "min_length": room.visit.services.settings.minimum_password_length,
        "forgot_url": url("/account/forgot-password"),
        "back_url": url(navigation.SECURITY),
    }
    return room.page(owner, "password.html", context, status=status)


async def _take(room: Room, fields: Parameters) -> Response:
    try:
        return await _change(room, fields.get("old_password") or "", fields.get("password") or "")
    except PasswordHasherBusyError:
        raise busy() from None


async def _change(room: Room, old: str, new: str) -> Response:
    """Count and check the old password first: only who knows it learns what is wrong with the new one."""
    services, visit = room.visit.services, room.visit

    def prepare(db: Connection, owner: Owner) -> tuple[Owner, Prepared | Throttled, list[str]]:
        prepared = sign_in.prepare_confirmation(
            db,
            owner.user,
            context=owner.context,
            sealer=services.sealer,
            device_cookie=visit.known_cookie,
            now=visit.now,
            rate_limits=services.settings.rate_limits,
        )
        return owner, prepared, credentials.former_hashes(db, owner.user, services.settings.password_history)

    owner, prepared, former = await room.run(prepare)
    if isinstance(prepared, Throttled):
        return _slow_down(room, owner, prepared)
    try:
        is_valid = (await services.hasher.verify(prepared.password_hash, old)).is_valid
    except PasswordHasherBusyError:
        await services.database.run(lambda db: throttling.withdraw(db, prepared.keys))
        raise
    context = owner.context

    def complete(db: Connection) -> bool:
        return sign_in.complete(db, prepared, is_valid=is_valid, context=context, now=visit.now) is not None

    if not await services.database.run(complete):
        return _page(room, owner, old_error=WRONG, status=400)
    words = password_policy.words_of(
        services.settings.brand_name, owner.user.email, owner.user.name, owner.user.username
    )
    problems = await password_policy.check_all(services.hasher, services.settings, new, words, former_hashes=former)
    if problems:
        return _page(room, owner, new_errors=problems, status=400)
    new_hash = await services.hasher.hash(new)
    return await _store(room, prepared, new_hash)


def _slow_down(room: Room, owner: Owner, throttled: Throttled) -> Response:
    text = too_many_attempts(throttled.retry_after)
    response = _page(room, owner, old_error=text, status=429)
    response.headers["retry-after"] = str(throttled.retry_after)
    return response


async def _store(room: Room, prepared: Prepared, new_hash: str) -> Response:
    visit = room.visit

    def work(db: Connection, owner: Owner) -> tuple[Owner, bool]:
        is_changed = credentials.change_password(
            db,
            owner.user,
            new_hash,
            session_id=owner.session.id,
            verified_hash=prepared.password_hash or "",
            notify=visit.services.sealer,
            history=visit.services.settings.password_history,
            context=owner.context,
            now=visit.now,
        )
        return owner, is_changed

    owner, is_changed = await room.run(work)
    if not is_changed:  # somebody else changed it meanwhile
        return _page(room, owner, old_error=WRONG, status=400)
    return room.leave(navigation.SECURITY, "password")


show = page(navigation.PASSWORD, _show)
take = form(navigation.PASSWORD, _take)
