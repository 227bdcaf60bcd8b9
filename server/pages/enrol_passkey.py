"""Making a passkey: instead of an authenticator app where a factor is due, or added to the account.

Making one proves nothing about who holds it (attestation is not asked for), so the session stays as strong as it was:
where a second factor is demanded, the new passkey is used once, right after.
"""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import passkeys, recovery_codes, second_factor
from server.accounts.passkeys import PasskeyError
from server.pages import enrol_totp, refusal
from server.pages.interaction import Situation, StepPage, render, save
from server.pages.visit import Visit, stale
from server.protocol.interaction import is_enrolment_forced
from server.protocol.request import Parameters
from server.storage import users


def show(db: Connection, visit: Visit, situation: Situation) -> Mapping[str, Any]:
    """Return what the browser needs to make one."""
    return _context(db, visit, situation, None)


def _context(db: Connection, visit: Visit, situation: Situation, error: str | None, name: str = "") -> dict[str, Any]:
    settings = visit.services.settings
    options = passkeys.registration_options(db, settings, situation.user, binding=situation.id, now=visit.now)
    return {
        "passkey_options": json.dumps(options),
        "passkey_name": name,
        "email": situation.user.email,
        "can_postpone": not is_enrolment_forced(situation.state, situation.facts),
        "client_name": situation.client_name,
        "can_cancel": refusal.is_possible(situation),
        "is_by_application": refusal.is_by_application(situation),
        "error": error,
    }


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | None:
    """Store the passkey and show recovery codes to whoever has none; or turn to an app, or put it off."""
    decision = form.get("decision")
    if decision == "postpone":
        await visit.services.database.run(lambda db: enrol_totp.postpone(db, visit, situation))
        return None
    if decision == "cancel" and refusal.is_possible(situation):
        return await refusal.of_second_factor(visit, situation)
    if decision == "totp" or not passkeys.is_available(visit.services.settings):
        await visit.services.database.run(lambda db: enrol_totp.choose(db, visit, situation, is_passkey=False))
        return None
    credential, name = form.get("credential") or "", form.get("passkey_name") or ""

    def work(db: Connection) -> tuple[list[str], dict[str, Any] | None]:
        try:
            return _enrol(db, visit, situation, credential, name), None
        except PasskeyError as error:
            return [], _context(db, visit, situation, error.message, name)

    codes, context = await visit.services.database.run(work)
    if context is not None:
        return render(visit, situation, PAGE, context, status=400)
    return enrol_totp.show_codes(visit, situation, codes)


def _enrol(db: Connection, visit: Visit, situation: Situation, credential: str, name: str) -> list[str]:
    services, user = visit.services, situation.user
    users.lock(db, user.id)
    if second_factor.has_second_factor(db, user.id) and not situation.facts.factors.has_any:
        raise stale()  # set up meanwhile in another tab: that factor must confirm a further one
    passkeys.register(
        db,
        services.sealer,
        services.settings,
        user,
        credential,
        binding=situation.id,
        name=name,
        context=visit.context,
        now=visit.now,
        except_session_id=situation.session.id,
    )
    situation.state.is_factor_settled = True
    situation.state.is_passkey_chosen = False
    save(db, visit, situation)
    return recovery_codes.make_if_none(db, user.id, context=visit.context, now=visit.now)


PAGE = StepPage("enrol_passkey.html", show, take)
