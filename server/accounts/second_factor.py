"""What a person has beside the password, proving it, and taking it away.

TOTP codes, recovery codes and codes by e-mail are typed into one field; passkeys have `passkeys.py`. Strong are TOTP
and passkeys; an e-mail code is weak; recovery codes alone are no factor.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from clients.client import Client
from keys.sealing import Sealer
from server.accounts import email_codes, factor_mails, known_browser, passkeys, recovery_codes, throttling, totp
from server.accounts import trusted_browsers as trusted
from server.accounts.passkeys import Passkey
from server.accounts.sessions import AAL2, Session
from server.accounts.throttling import Throttled
from server.accounts.totp import TOTPDevice
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.languages import Message as _
from server.settings import Mfa, Settings
from server.storage import passkeys as passkey_rows
from server.storage import recovery_codes as recovery_code_rows
from server.storage import totp_devices, users

SECOND_FACTOR_AMR = ("otp", "mfa")
"""RFC 8176: what a TOTP or recovery code adds to the methods of the session."""
FRESH_SECONDS = 300
"""Changing a factor needs a sign-in this recent (NIST SP 800-63B-4 section 4.6)."""
TOTP, PASSKEY, EMAIL = "totp", "passkey", "email"
_OWN_METHODS = {TOTP: {"otp"}, PASSKEY: {"hwk", "swk", "user"}, EMAIL: {"otp"}}
_NO_METHODS = {"mfa"}


class FreshSignInNeededError(Exception):
    """The factor cannot be changed in this session; `message` tells the person what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Factors:
    """Which kinds of second factors a person has."""

    totp: bool = False
    passkey: bool = False
    email: bool = False

    @property
    def is_strong(self) -> bool:
        """Whether one of them reaches aal2."""
        return self.totp or self.passkey

    @property
    def has_any(self) -> bool:
        """Whether there is one that satisfies the server's policy."""
        return self.is_strong or self.email

    @property
    def methods(self) -> tuple[str, ...]:
        """Their names, for the JSON API: what may be sent at a challenge."""
        named = ((TOTP, self.totp), (PASSKEY, self.passkey), (EMAIL, self.email), ("recovery_code", self.has_any))
        return tuple(name for name, is_there in named if is_there)


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything a person sees of their factors."""

    totp: tuple[TOTPDevice, ...]
    passkeys: tuple[Passkey, ...]
    is_email_on: bool
    recovery_codes_left: int
    trusted_browsers: int

    @property
    def has_any(self) -> bool:
        """Whether a second factor is asked for at sign-in."""
        return bool(self.totp or self.passkeys or self.is_email_on)


def has_second_factor(db: Connection, user_id: str) -> bool:
    """Whether the person has a strong one. Recovery codes alone are none."""
    return totp_devices.count_of_user(db, user_id) > 0 or passkey_rows.count_of_user(db, user_id) > 0


def factors_of(db: Connection, settings: Settings, user: User) -> Factors:
    """Return which kinds the person has. Passkeys count even where no new ones can be made."""
    return Factors(
        totp=totp_devices.count_of_user(db, user.id) > 0,
        passkey=passkey_rows.count_of_user(db, user.id) > 0,
        email=email_codes.is_on(settings, user),
    )


def overview(db: Connection, settings: Settings, user: User, now: int) -> Overview:
    """Return what the person has, for the account console and the JSON API."""
    return Overview(
        totp=tuple(totp.list_of_user(db, user.id)),
        passkeys=tuple(passkeys.list_of_user(db, user.id)),
        is_email_on=email_codes.is_on(settings, user),
        recovery_codes_left=recovery_codes.left(db, user.id),
        trusted_browsers=trusted.count(db, user.id, now),
    )


def is_proven(factors: Factors, acr: str, amr: Iterable[str]) -> bool:
    """Whether a sign-in showed the best kind of factor that the person has: a code by e-mail if there is no other."""
    return acr == AAL2 or (not factors.is_strong and "otp" in amr)


def policy_of(settings: Settings, user: User | None, client: Client | None) -> Mfa:
    """Return whether this person needs a second factor here: the server's rule, sharpened by role and by client."""
    has_role = user is not None and bool(set(user.roles) & set(settings.mfa_roles))
    if has_role or (client is not None and client.require_mfa):
        return Mfa.REQUIRED
    return settings.mfa


def verify(
    db: Connection,
    sealer: Sealer,
    user: User,
    code: str,
    *,
    context: Context,
    now: int,
    previous_steps: int,
    device_cookie: str | None = None,
    rate_limits: bool = True,
    email_binding: str | None = None,
) -> tuple[str, ...] | Throttled | None:
    """Use a code up and return what it adds to `amr`; None where it is wrong or was used. Commit in every case.

    `("otp", "mfa")` for a TOTP or recovery code; `("otp",)` for a code by e-mail, which is accepted only where
    `email_binding` is what `email_codes.send` was told. The caller allows five tries in one interaction; the account's
    counter is kept here.
    """
    browser_id = known_browser.browser_of(sealer, device_cookie, user.id, now)
    keys = (throttling.second_factor_key(user.id, browser_id),) if rate_limits else ()

    def on_block(seconds: int) -> None:
        record(db, Event.SIGN_IN_THROTTLED, context, now=now, user_id=user.id, retry_after=seconds)

    throttled = throttling.reserve(db, keys, now, on_block=on_block)
    if throttled is not None:
        return throttled
    method = _accepted_method(db, sealer, user, code, now=now, previous_steps=previous_steps, binding=email_binding)
    if method is None:
        record(db, Event.SECOND_FACTOR_FAILED, context, now=now, user_id=user.id, reason="wrong_code")
        return None
    throttling.succeeded(db, keys)
    if method == "recovery_code":
        left = recovery_codes.left(db, user.id)
        record(db, Event.RECOVERY_CODE_USED, context, now=now, user_id=user.id, actor=user.id, left=left)
        factor_mails.recovery_code_used(db, sealer, user.id, left, context=context, now=now)
    record(db, Event.SECOND_FACTOR_SUCCEEDED, context, now=now, user_id=user.id, actor=user.id, method=method)
    return email_codes.EMAIL_CODE_AMR if method == EMAIL else SECOND_FACTOR_AMR


def _accepted_method(
    db: Connection, sealer: Sealer, user: User, code: str, *, now: int, previous_steps: int, binding: str | None
) -> str | None:
    may_mail = binding is not None and user.email_factor_at is not None
    if not user.is_active or not (may_mail or has_second_factor(db, user.id)):
        return None
    if totp.accept(db, sealer, user.id, code, now=now, previous_steps=previous_steps):
        return TOTP
    if recovery_codes.consume(db, user.id, code, now):
        return "recovery_code"
    if may_mail and binding is not None and email_codes.accept(db, sealer, user.id, code, binding=binding, now=now):
        return EMAIL
    return None


def verify_passkey(
    db: Connection, settings: Settings, user: User, credential: str, *, binding: str, context: Context, now: int
) -> tuple[str, ...]:
    """Check one of the person's passkeys as second factor and return what it adds to `amr`. Commit in every case.

    Raises PasskeyError.
    """
    try:
        proof = passkeys.prove(
            db,
            settings,
            credential,
            purpose=passkeys.SECOND_FACTOR,
            binding=binding,
            user_id=user.id,
            context=context,
            now=now,
        )
    except passkeys.PasskeyError as error:
        reason = f"passkey: {error.reason}"
        record(db, Event.SECOND_FACTOR_FAILED, context, now=now, user_id=user.id, reason=reason)
        raise
    method, passkey_id = PASSKEY, proof.passkey_id
    record(
        db,
        Event.SECOND_FACTOR_SUCCEEDED,
        context,
        now=now,
        user_id=user.id,
        actor=user.id,
        method=method,
        passkey_id=passkey_id,
    )
    return proof.amr_as_second


def is_fresh(session: Session, now: int, *, removing: str | None = None) -> bool:
    """Whether the session is recent and strong enough to change a factor. See `check_fresh`."""
    if now - session.authenticated_at > FRESH_SECONDS:
        return False
    if removing is None:
        return True
    others = set(session.amr) - _OWN_METHODS.get(removing, set()) - _NO_METHODS
    return bool(others) and (session.acr == AAL2 or (removing == EMAIL and "otp" in session.amr))


def check_fresh(session: Session, user: User, now: int, *, removing: str | None = None) -> None:
    """Refuse to change a factor in a session that is not fresh. Raises FreshSignInNeededError with its `message`.

    The sign-in, or the last step-up, must be at most FRESH_SECONDS old. To remove a factor (`removing` is its kind:
    "totp", "passkey" or "email"), it must have used two factors, and not only the kind that is removed: a passkey
    alone does not remove passkeys. A trusted browser is no factor. `protocol.interaction.fresh_sign_in` leads there.
    """
    if session.user_id != user.id or now - session.authenticated_at > FRESH_SECONDS:
        raise FreshSignInNeededError(_("For this, sign in again: your last sign-in is too long ago."))
    if not is_fresh(session, now, removing=removing):
        raise FreshSignInNeededError(
            _("For this, sign in again with two factors, and not only with the one that you remove.")
        )


def remove(
    db: Connection, sealer: Sealer, user: User, kind: str, factor_id: str = "", *, context: Context, now: int
) -> bool:
    """Remove one factor, with mail and audit, and say whether it was there. Call `check_fresh` before.

    `kind` is "totp", "passkey" or "email" (which has no id). No browser is trusted any more afterwards, and the
    recovery codes go with the last factor.
    """
    users.lock(db, user.id)  # or two removals at once might each think that the other's factor is left
    name = _remove_one(db, user, kind, factor_id, context=context, now=now)
    if name is None:
        return False
    trusted.forget_all(db, user.id, context=context, now=now)
    is_email_left = kind != EMAIL and user.email_factor_at is not None
    if not is_email_left and not has_second_factor(db, user.id):
        recovery_code_rows.delete_of_user(db, user.id)
    factor_mails.removed(db, sealer, user.id, name, context=context, now=now)
    return True


def _remove_one(db: Connection, user: User, kind: str, factor_id: str, *, context: Context, now: int) -> str | None:
    """Remove it and return its name, None where it was not there."""
    if kind == EMAIL:
        return email_codes.FACTOR_NAME if email_codes.disable(db, user, context=context, now=now) else None
    owned: Iterable[TOTPDevice | Passkey] = ()
    if kind == TOTP:
        owned = totp.list_of_user(db, user.id)
    elif kind == PASSKEY:
        owned = passkeys.list_of_user(db, user.id)
    name = next((factor.name for factor in owned if factor.id == factor_id), None)
    if name is None:
        return None
    take = totp.remove if kind == TOTP else passkeys.remove
    return name if take(db, user.id, factor_id, context=context, now=now) else None


def remove_all(db: Connection, sealer: Sealer, user: User, *, context: Context, now: int) -> int:
    """Remove every factor of the person, each as `remove` does, and return how many there were."""
    removed = [
        remove(db, sealer, user, TOTP, one.id, context=context, now=now) for one in totp.list_of_user(db, user.id)
    ]
    removed += [
        remove(db, sealer, user, PASSKEY, one.id, context=context, now=now)
        for one in passkeys.list_of_user(db, user.id)
    ]
    removed.append(remove(db, sealer, user, EMAIL, context=context, now=now))
    recovery_code_rows.delete_of_user(db, user.id)
    return sum(removed)


def postpone(db: Connection, user_id: str, now: int) -> None:
    """Note that the person does not want to enrol a second factor now."""
    users.update_fields(db, user_id, {"mfa_postponed_at": now}, now=now)
