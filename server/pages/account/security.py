"""How the person proves who they are: password, second factors, recovery codes, trusted browsers."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.accounts import email_codes, passkeys, recovery_codes, second_factor, totp, trusted_browsers
from server.accounts.passkeys import Passkey
from server.accounts.totp import TOTPDevice
from server.languages import given_names
from server.pages import interaction as dispatcher
from server.pages.account import FRESH_SECONDS, navigation
from server.pages.account.guard import Owner, Room, form, page, recent
from server.pages.visit import Visit
from server.protocol.interaction import Interaction, fresh_sign_in
from server.protocol.request import Parameters, form_parameters
from server.settings import Mfa

KINDS = (second_factor.TOTP, second_factor.PASSKEY, second_factor.EMAIL)
_RENAME: dict[str, Callable[[Connection, str, str, str], bool]] = {
    second_factor.TOTP: totp.rename,
    second_factor.PASSKEY: passkeys.rename,
}


async def _show(room: Room, _query: Parameters) -> Response:
    visit, settings = room.visit, room.visit.services.settings

    def work(db: Connection, owner: Owner) -> tuple[Owner, second_factor.Overview, Mfa]:
        overview = second_factor.overview(db, settings, owner.user, visit.now)
        return owner, overview, second_factor.policy_of(settings, owner.user, None)

    owner, overview, policy = await room.run(work)
    url, changed = visit.renderer.url, owner.user.password_changed_at
    context = {
        "has_password": owner.user.password_hash is not None,
        "password_changed": None if changed is None else visit.moment(changed),
        "password_url": url(navigation.PASSWORD),
        "is_second_factor_available": policy is not Mfa.OFF or overview.has_any,
        "is_required": policy is Mfa.REQUIRED,
        "has_any": overview.has_any,
        "apps": [_line(visit, device) for device in overview.totp],
        "passkeys": [_line(visit, passkey) for passkey in overview.passkeys],
        "can_add_passkey": passkeys.is_available(settings) and policy is not Mfa.OFF,
        "is_email_offered": settings.email_codes,
        "is_email_verified": owner.user.email_verified,
        "is_email_on": overview.is_email_on,
        "recovery_codes_left": overview.recovery_codes_left,
        "trusted_browsers": overview.trusted_browsers,
        "add_action": url("/account/second-factor"),
        "remove_action": url("/account/second-factor/remove"),
        "rename_action": url("/account/second-factor/rename"),
        "email_action": url("/account/second-factor/email"),
        "codes_action": url("/account/recovery-codes"),
        "forget_action": url("/account/trusted-browsers/forget"),
    }
    return room.page(owner, "security.html", context)


def _line(visit: Visit, factor: TOTPDevice | Passkey) -> dict[str, Any]:
    return {
        "id": factor.id,
        "name": visit.say(given_names.in_words(factor.name)),
        "created": visit.moment(factor.created_at),
        "last_used": None if factor.last_used_at is None else visit.moment(factor.last_used_at),
        "is_synced": isinstance(factor, Passkey) and factor.is_backed_up,
    }


async def enrol(request: Request) -> Response:
    """Begin setting up an authenticator app or a passkey, after a recent sign-in with a factor one has."""
    visit = Visit.of(request)
    fields = await form_parameters(request)
    visit.check_csrf(fields)
    state = Interaction(
        created_at=visit.now,
        continue_to=navigation.SECURITY,
        is_enrolling=True,
        is_passkey_chosen=fields.get("kind") == second_factor.PASSKEY,
        fresh_seconds=FRESH_SECONDS,
    )
    return await dispatcher.begin(visit, state, None)


async def _rename(room: Room, fields: Parameters) -> Response:
    rename = _RENAME.get(fields.get("kind") or "")

    def work(db: Connection, owner: Owner) -> bool:
        factor_id, name = fields.get("factor_id") or "", fields.get("name") or ""
        return rename is not None and rename(db, owner.user.id, factor_id, name)

    return room.leave(navigation.SECURITY, "renamed" if await room.run(work) else "")


def _to_remove(now: int, path: str, fields: Parameters) -> Interaction:
    kind = fields.get("kind")
    return fresh_sign_in(now, path, removing=kind if kind in KINDS else None)


async def _remove(room: Room, fields: Parameters) -> Response:
    kind, factor_id = fields.get("kind") or "", fields.get("factor_id") or ""

    def work(db: Connection, owner: Owner) -> bool:
        sealer, now = room.visit.services.sealer, room.visit.now
        return kind in KINDS and second_factor.remove(
            db, sealer, owner.user, kind, factor_id, context=owner.context, now=now
        )

    return room.leave(navigation.SECURITY, "factor-removed" if await room.run(work) else "")


async def _enable_email(room: Room, _fields: Parameters) -> Response:
    services = room.visit.services

    def work(db: Connection, owner: Owner) -> bool:
        now = room.visit.now
        return services.settings.email_codes and email_codes.enable(
            db, services.sealer, owner.user, context=owner.context, now=now, except_session_id=owner.session.id
        )

    return room.leave(navigation.SECURITY, "factor-added" if await room.run(work) else "")


async def _make_codes(room: Room, _fields: Parameters) -> Response:
    def work(db: Connection, owner: Owner) -> list[str]:
        overview = second_factor.overview(db, room.visit.services.settings, owner.user, room.visit.now)
        if not overview.has_any:
            return []  # codes alone are no factor
        return recovery_codes.regenerate(db, owner.user.id, context=owner.context, now=room.visit.now)

    codes = await room.run(work)
    if not codes:
        return room.leave(navigation.SECURITY)
    continue_url = room.visit.renderer.url(navigation.SECURITY)
    return room.visit.page("recovery_codes.html", {"codes": codes, "continue_url": continue_url})


async def _forget_browsers(room: Room, _fields: Parameters) -> Response:
    def work(db: Connection, owner: Owner) -> int:
        return trusted_browsers.forget_all(db, owner.user.id, context=owner.context, now=room.visit.now)

    return room.leave(navigation.SECURITY, "browsers" if await room.run(work) else "")


show = page(navigation.SECURITY, _show)
rename = form(navigation.SECURITY, _rename)
remove = form(navigation.SECURITY, _remove, _to_remove)
enable_email = form(navigation.SECURITY, _enable_email, recent)
make_codes = form(navigation.SECURITY, _make_codes, recent)
forget_browsers = form(navigation.SECURITY, _forget_browsers)
