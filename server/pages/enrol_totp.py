"""Setting up an authenticator app: demanded, or offered after the first sign-in."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import recovery_codes, second_factor, sessions, totp
from server.pages import signed_in
from server.pages.interaction import Situation, StepPage, render, save
from server.pages.visit import Visit, stale
from server.protocol.interaction import Step
from server.protocol.request import Parameters
from server.storage import users

WRONG = "The code is not right. Check that the app shows this account and the time of your phone is set automatically."
DEVICE_NAME = "Authenticator app"
GROUP = 4


def show(db: Connection, visit: Visit, situation: Situation) -> Mapping[str, Any]:
    """Return the secret as QR code and text; it stays the same until it is confirmed."""
    return _context(visit, situation, _secret(db, visit, situation), None)


def _secret(db: Connection, visit: Visit, situation: Situation) -> str:
    state, sealer = situation.state, visit.services.sealer
    context = f"enrolment:{situation.user.id}"
    if state.enrolment_secret is not None:
        return sealer.unseal(state.enrolment_secret, context=context).decode("ascii")
    secret = totp.new_secret()
    state.enrolment_secret = sealer.seal(secret.encode("ascii"), context=context)
    save(db, visit, situation)
    return secret


def _context(visit: Visit, situation: Situation, secret: str, error: str | None) -> dict[str, Any]:
    uri = totp.provisioning_uri(secret, account=situation.user.email, issuer=visit.services.settings.brand_name)
    return {
        "qr_svg": Markup(totp.qr_svg(uri)),  # noqa: S704  made by segno from the URI, no markup of others in it
        "secret": " ".join(secret[i : i + GROUP] for i in range(0, len(secret), GROUP)),
        "otpauth_uri": uri,
        "can_postpone": situation.step is Step.OFFER_TOTP,
        "client_name": situation.client_name,
        "error": error,
    }


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | None:
    """Confirm the app with a code and show the recovery codes, or put it off where that is allowed."""
    if form.get("decision") == "postpone" and situation.step is Step.OFFER_TOTP:
        await visit.services.database.run(lambda db: _postpone(db, visit, situation))
        return None
    code = form.get("code") or ""

    def work(db: Connection) -> tuple[list[str] | None, dict[str, Any]]:
        secret = _secret(db, visit, situation)
        codes = _enrol(db, visit, situation, secret, code)
        return codes, {} if codes else _context(visit, situation, secret, WRONG)

    codes, context = await visit.services.database.run(work)
    if codes is None:
        return render(visit, situation, PAGE, context, status=400)
    continue_url = visit.renderer.url(f"/interaction/{situation.id}")
    return visit.page("recovery_codes.html", {"codes": codes, "continue_url": continue_url})


def _enrol(db: Connection, visit: Visit, situation: Situation, secret: str, code: str) -> list[str] | None:
    user, state = situation.user, situation.state
    users.lock(db, user.id)
    if second_factor.has_second_factor(db, user.id):
        raise stale()  # set up meanwhile in another tab, whose device must confirm a further one
    device_id = totp.enrol(
        db,
        visit.services.sealer,
        user.id,
        secret,
        code,
        name=DEVICE_NAME,
        context=visit.context,
        now=visit.now,
        previous_steps=visit.services.settings.totp_previous_steps,
    )
    if device_id is None:
        return None
    codes = recovery_codes.generate(db, user.id, visit.now)
    state.enrolment_secret = None
    state.is_factor_settled = True
    signed_in.step_up(db, visit, situation, ("otp", "mfa"))
    # Whoever is signed in elsewhere with the password alone must show the new factor.
    sessions.end_all(db, user.id, context=visit.context, now=visit.now, except_id=situation.session.id)
    return codes


def _postpone(db: Connection, visit: Visit, situation: Situation) -> None:
    if not situation.state.is_enrolling:
        second_factor.postpone(db, situation.user.id, visit.now)
    situation.state.is_factor_settled = True
    situation.state.enrolment_secret = None
    save(db, visit, situation)


PAGE = StepPage("enrol_totp.html", show, take)
