"""Signing in with a passkey alone: a form of the sign-in page, sent by its button or by the browser's autofill."""

import json
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import passkeys, second_factor
from server.accounts.passkeys import PasskeyError
from server.accounts.user import User
from server.accounts.verification import must_verify_first
from server.pages import signed_in, verify_email
from server.pages.interaction import Situation
from server.pages.visit import Visit
from server.protocol.request import Parameters


def context(db: Connection, visit: Visit, situation: Situation) -> dict[str, Any]:
    """Return what the sign-in page needs for it: the browser's options with a new challenge, or None."""
    settings = visit.services.settings
    # Who came to remove a passkey must show something else: offering one would lead them in a circle.
    if not passkeys.is_available(settings) or situation.state.removing == second_factor.PASSKEY:
        return {"passkey_options": None}
    options = passkeys.sign_in_options(db, settings, binding=situation.id, now=visit.now)
    return {"passkey_options": json.dumps(options)}


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | str | None:
    """Check the passkey and sign its owner in; return a text to tell the person where that fails."""
    credential = form.get("credential") or ""
    settings = visit.services.settings

    def work(db: Connection) -> User | str:
        try:
            proof = passkeys.sign_in(
                db, settings, credential, binding=situation.id, context=visit.context, now=visit.now
            )
        except PasskeyError as error:
            return error.message
        if must_verify_first(settings, proof.user):
            return proof.user
        is_kept = form.get("remember") is not None
        signed_in.sign_in(db, visit, situation, proof.user, proof.amr_alone, remember=is_kept)
        return proof.user

    outcome = await visit.services.database.run(work)
    if isinstance(outcome, User) and must_verify_first(settings, outcome):
        return verify_email.ask_to_verify(visit, situation, outcome)
    return outcome if isinstance(outcome, str) else None
