"""Setting up an authenticator app: demanded, offered after the first sign-in, or added to the account."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.responses import Response

from server.accounts import passkeys, recovery_codes, second_factor, totp
from server.languages import Message as _
from server.pages import refusal, signed_in
from server.pages.interaction import Situation, StepPage, render, save
from server.pages.visit import Visit, stale
from server.protocol.interaction import Step, is_enrolment_forced
from server.protocol.request import Parameters
from server.storage import users

WRONG = _(
    "The code is not right. Check that the app shows this account and the time of your phone is set automatically."
)
FULL = _("You have as many authenticator apps as an account can have. Remove one first.")
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


def _context(visit: Visit, situation: Situation, secret: str, error: str | None, name: str = "") -> dict[str, Any]:
    uri = totp.provisioning_uri(secret, account=situation.user.email, issuer=visit.services.settings.brand_name)
    return {
        "qr_svg": Markup(totp.qr_svg(uri, visit.say(totp.QR_LABEL))),  # noqa: S704  made by segno from the URI, no markup of others in it
        "secret": " ".join(secret[i : i + GROUP] for i in range(0, len(secret), GROUP)),
        "otpauth_uri": uri,
        "can_postpone": situation.step is Step.OFFER_TOTP,
        "can_use_passkey": passkeys.is_available(visit.services.settings),
        "device_name": name,
        "client_name": situation.client_name,
        "can_cancel": refusal.is_possible(situation),
        "is_by_application": refusal.is_by_application(situation),
        "error": error,
    }


async def take(visit: Visit, situation: Situation, form: Parameters) -> Response | None:
    """Confirm the app with a code and show the recovery codes, or turn to a passkey, or put it off where allowed."""
    decision = form.get("decision")
    if decision == "postpone" and situation.step is Step.OFFER_TOTP:
        await visit.services.database.run(lambda db: postpone(db, visit, situation))
        return None
    if decision == "cancel" and refusal.is_possible(situation):
        return await refusal.of_second_factor(visit, situation)
    if decision == "passkey" and passkeys.is_available(visit.services.settings):
        await visit.services.database.run(lambda db: choose(db, visit, situation, is_passkey=True))
        return None
    code, name = form.get("code") or "", form.get("device_name") or ""

    def work(db: Connection) -> tuple[list[str] | None, dict[str, Any]]:
        secret = _secret(db, visit, situation)
        if totp.is_full(db, situation.user.id):
            return None, _context(visit, situation, secret, FULL, name)
        codes = _enrol(db, visit, situation, secret, code, name)
        return codes, {} if codes is not None else _context(visit, situation, secret, WRONG, name)

    codes, context = await visit.services.database.run(work)
    if codes is None:
        return render(visit, situation, PAGE, context, status=400)
    return show_codes(visit, situation, codes)


def show_codes(visit: Visit, situation: Situation, codes: list[str]) -> Response | None:
    """Show recovery codes that have just been made, the only time; None where there are none to show."""
    if not codes:
        return None
    continue_url = visit.renderer.url(f"/interaction/{situation.id}")
    return visit.page("recovery_codes.html", {"codes": codes, "continue_url": continue_url})


def _enrol(db: Connection, visit: Visit, situation: Situation, secret: str, code: str, name: str) -> list[str] | None:
    user, state = situation.user, situation.state
    users.lock(db, user.id)
    if second_factor.has_second_factor(db, user.id) and not situation.facts.factors.has_any:
        raise stale()  # set up meanwhile in another tab: that factor must confirm a further one
    device_id = totp.enrol(
        db,
        visit.services.sealer,
        user.id,
        secret,
        code,
        name=name,
        context=visit.context,
        now=visit.now,
        previous_steps=visit.services.settings.totp_previous_steps,
        except_session_id=situation.session.id,
    )
    if device_id is None:
        return None
    codes = recovery_codes.make_if_none(db, user.id, context=visit.context, now=visit.now)
    state.enrolment_secret = None
    state.is_factor_settled = True
    signed_in.step_up(db, visit, situation, second_factor.SECOND_FACTOR_AMR)
    return codes


def choose(db: Connection, visit: Visit, situation: Situation, *, is_passkey: bool) -> None:
    """Turn to the other kind of factor."""
    situation.state.is_passkey_chosen = is_passkey
    save(db, visit, situation)


def postpone(db: Connection, visit: Visit, situation: Situation) -> None:
    """Go on without a factor; whoever was offered one at sign-in is not asked again."""
    if is_enrolment_forced(situation.state, situation.facts):
        return
    if not situation.state.is_enrolling:
        second_factor.postpone(db, situation.user.id, visit.now)
    situation.state.is_factor_settled = True
    situation.state.enrolment_secret = None
    save(db, visit, situation)


PAGE = StepPage("enrol_totp.html", show, take)
