"""Passkeys: WebAuthn Level 3 credentials, as a second factor and for signing in without a password.

A challenge is 256 random bits, bound to a purpose, to the page it was made for (`binding`) and, where one is known, to
the person; it buys one attempt. Signatures cannot be guessed, so no throttle counts them.

`amr` (RFC 8176): `hwk` for a key that stays in one device, `swk` for one that is synced between devices, as the
authenticator's backup-eligible flag says; without attestation nobody can prove more. Where the authenticator verified
the person (PIN, fingerprint), the key and that are two factors: `user` and `mfa`, and `acr` is aal2. A key without
such verification is a second factor after a password and never signs anybody in alone: whoever finds it has it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection
from webauthn import generate_authentication_options, generate_registration_options
from webauthn import verify_authentication_response as verify_authentication
from webauthn import verify_registration_response as verify_registration
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json_dict
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from keys.sealing import Sealer
from server.accounts import factor_binding
from server.accounts import passkey_challenges as challenges
from server.accounts.passkey_challenges import REGISTRATION, SECOND_FACTOR, SIGN_IN, PasskeyError, unusable
from server.accounts.passkey_names import clean_name, default_name
from server.accounts.user import User
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.languages import Message as _
from server.settings import Settings
from server.storage import passkeys, users
from server.tokens import opaque

ID_PREFIX = "pky_"
MAX_PASSKEYS = 20
MAX_CREDENTIAL_ID_LENGTH = 1400
_CREDENTIAL_ID = re.compile(r"[A-Za-z0-9_-]{1,1400}", re.ASCII)
TIMEOUT_MILLISECONDS = 300_000


__all__ = ["REGISTRATION", "SECOND_FACTOR", "SIGN_IN", "PasskeyError", "clean_name"]


@dataclass(frozen=True, slots=True)
class Passkey:
    """One of a person's passkeys. Times are Unix seconds; `last_used_at` is None until it was used."""

    id: str
    name: str
    created_at: int
    last_used_at: int | None
    is_backed_up: bool
    """Whether it is synced to other devices."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A signature that was right: whose, and what it is worth."""

    user: User
    passkey_id: str
    key_method: str
    """`hwk` or `swk`."""
    is_user_verified: bool

    @property
    def amr_alone(self) -> tuple[str, ...]:
        """What signing in with nothing but this passkey shows."""
        return (self.key_method, "user", "mfa") if self.is_user_verified else (self.key_method, "user")

    @property
    def amr_as_second(self) -> tuple[str, ...]:
        """What it adds to a password."""
        return (self.key_method, "mfa")


def rp_id(settings: Settings) -> str:
    """Return the relying party's id: the issuer's host."""
    return urlsplit(settings.issuer).hostname or ""


def is_available(settings: Settings) -> bool:
    """Whether passkeys can be made here: they need a host name, not an address (WebAuthn section 5.1.3, step 7)."""
    if not settings.passkeys:
        return False
    try:
        ip_address(rp_id(settings))
    except ValueError:
        return True
    return False


def list_of_user(db: Connection, user_id: str) -> list[Passkey]:
    """Return a person's passkeys, the oldest first."""
    return [
        Passkey(row["id"], row["name"], row["created_at"], row["last_used_at"], row["is_backed_up"])
        for row in passkeys.list_of_user(db, user_id)
    ]


def rename(db: Connection, user_id: str, passkey_id: str, name: str) -> bool:
    """Give a person's own passkey another name, and say whether it is there and the name is one."""
    wanted = clean_name(name)
    return bool(wanted) and passkeys.rename(db, passkey_id, user_id, wanted)


def remove(db: Connection, user_id: str, passkey_id: str, *, context: Context, now: int) -> bool:
    """Remove a person's own passkey, and say whether it was there; `second_factor.remove` does what goes with it."""
    if not passkeys.delete_one(db, passkey_id, user_id):
        return False
    record(db, Event.PASSKEY_REMOVED, context, now=now, user_id=user_id, passkey_id=passkey_id)
    return True


def registration_options(db: Connection, settings: Settings, user: User, *, binding: str, now: int) -> dict[str, Any]:
    """Return what `navigator.credentials.create` needs, as JSON (PublicKeyCredentialCreationOptionsJSON)."""
    options = generate_registration_options(
        rp_id=rp_id(settings),
        rp_name=settings.brand_name,
        user_id=user.id.encode(),
        user_name=user.email,
        user_display_name=user.name or user.email,
        challenge=challenges.new(db, REGISTRATION, binding, user.id, settings, now),
        timeout=TIMEOUT_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            # Not required: a security key without PIN cannot be discovered, and is still a second factor.
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=_descriptors(db, user.id),
    )
    return options_to_json_dict(options)


def sign_in_options(db: Connection, settings: Settings, *, binding: str, now: int) -> dict[str, Any]:
    """Return what `navigator.credentials.get` needs to sign in whoever holds a passkey."""
    options = generate_authentication_options(
        rp_id=rp_id(settings),
        challenge=challenges.new(db, SIGN_IN, binding, None, settings, now),
        timeout=TIMEOUT_MILLISECONDS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def second_factor_options(db: Connection, settings: Settings, user: User, *, binding: str, now: int) -> dict[str, Any]:
    """Return what `navigator.credentials.get` needs to ask for one of the person's own passkeys."""
    options = generate_authentication_options(
        rp_id=rp_id(settings),
        challenge=challenges.new(db, SECOND_FACTOR, binding, user.id, settings, now),
        timeout=TIMEOUT_MILLISECONDS,
        allow_credentials=_descriptors(db, user.id),
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return options_to_json_dict(options)


def register(
    db: Connection,
    sealer: Sealer,
    settings: Settings,
    user: User,
    credential: str,
    *,
    binding: str,
    name: str = "",
    context: Context,
    now: int,
    except_session_id: str | None = None,
) -> Passkey:
    """Store the passkey that a browser made: `credential` is RegistrationResponseJSON as text.

    It counts as bound in the session `except_session_id`.
    Raises PasskeyError; commit in that case too, as the challenge is used up.
    """
    sent = challenges.read(credential)
    challenge = challenges.consume(db, sent, REGISTRATION, binding, user.id, now)
    try:
        verified = verify_registration(
            credential=sent,
            expected_challenge=challenge,
            expected_rp_id=rp_id(settings),
            expected_origin=settings.origin,
        )
        credential_id = bytes_to_base64url(verified.credential_id)
    except Exception as error:  # whatever its parsers raise on hostile input
        raise unusable(f"registration: {type(error).__name__}: {error}") from error
    users.lock(db, user.id)  # or two at once could pass the limit
    existing = passkeys.list_of_user(db, user.id)
    if len(existing) >= MAX_PASSKEYS or len(credential_id) > MAX_CREDENTIAL_ID_LENGTH:
        raise PasskeyError("too_many", _("You have as many passkeys as an account can have. Remove one first."))
    transports = _transports(sent)
    stored_name = clean_name(name) or default_name(verified.aaguid, transports, [one["name"] for one in existing])
    made = Passkey(opaque.new_identifier(ID_PREFIX), stored_name, now, None, verified.credential_backed_up)
    row = {
        "id": made.id,
        "user_id": user.id,
        "credential_id": credential_id,
        "public_key": bytes_to_base64url(verified.credential_public_key),
        "sign_count": verified.sign_count,
        "name": made.name,
        "aaguid": verified.aaguid,
        "transports": transports,
        "is_backed_up": made.is_backed_up,
        "created_at": now,
        "last_used_at": None,
    }
    if not passkeys.insert_passkey(db, row):
        raise PasskeyError("known_credential", _("This passkey is already registered."))
    record(db, Event.PASSKEY_ADDED, context, now=now, user_id=user.id, passkey_id=made.id, aaguid=verified.aaguid)
    factor_binding.bound(db, sealer, user.id, made.name, context=context, now=now, except_session_id=except_session_id)
    return made


def prove(
    db: Connection,
    settings: Settings,
    credential: str,
    *,
    purpose: str,
    binding: str,
    user_id: str | None = None,
    context: Context,
    now: int,
) -> Proof:
    """Check a signature and note the use: `credential` is AuthenticationResponseJSON as text.

    `purpose` is SIGN_IN, or SECOND_FACTOR of the person `user_id`. Raises PasskeyError; commit in that case too, as
    the challenge is used up and a counter that went back is recorded.
    """
    sent = challenges.read(credential)
    challenge = challenges.consume(db, sent, purpose, binding, user_id, now)
    credential_id = sent.get("id")
    is_id = isinstance(credential_id, str) and _CREDENTIAL_ID.fullmatch(credential_id) is not None
    stored = passkeys.find_by_credential(db, str(credential_id)) if is_id else None
    if stored is None or (user_id is not None and stored["user_id"] != user_id):
        raise PasskeyError("unknown_passkey", _("This passkey is not known here. Sign in another way."))
    verified = _verify(settings, sent, stored, challenge, is_alone=purpose == SIGN_IN)
    _check_owner(sent, stored["user_id"])
    users.lock(db, stored["user_id"])
    user = users.find_by_id(db, stored["user_id"])
    if user is None or not user.is_active:
        raise PasskeyError("disabled_account", _("This passkey is not known here. Sign in another way."))
    is_risen = passkeys.use(
        db,
        stored["id"],
        user.id,
        sign_count=verified.new_sign_count,
        is_backed_up=verified.credential_backed_up,
        now=now,
    )
    if not is_risen:
        record(
            db,
            Event.PASSKEY_COUNTER_REGRESSED,
            context,
            now=now,
            user_id=user.id,
            passkey_id=stored["id"],
            stored=stored["sign_count"],
            presented=verified.new_sign_count,
        )
        # WebAuthn section 6.1.1: somebody may have a copy of the key
        raise PasskeyError("counter_regressed", _("This passkey may have been copied, so it was refused."))
    is_synced = verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    return Proof(user, stored["id"], "swk" if is_synced else "hwk", verified.user_verified)


def sign_in(db: Connection, settings: Settings, credential: str, *, binding: str, context: Context, now: int) -> Proof:
    """Prove a person by a passkey alone, and write down what came of it. Raises PasskeyError; commit in every case.

    Begin the session in the same transaction: a disabling that comes in between then ends it.
    """
    try:
        proof = prove(db, settings, credential, purpose=SIGN_IN, binding=binding, context=context, now=now)
    except PasskeyError as error:
        record(db, Event.SIGN_IN_FAILED, context, now=now, reason=f"passkey: {error.reason}")
        raise
    user_id, amr = proof.user.id, list(proof.amr_alone)
    record(
        db,
        Event.SIGN_IN_SUCCEEDED,
        context,
        now=now,
        user_id=user_id,
        actor=user_id,
        amr=amr,
        passkey_id=proof.passkey_id,
    )
    return proof


def _verify(
    settings: Settings, sent: dict[str, Any], stored: Mapping[Any, Any], challenge: bytes, *, is_alone: bool
) -> VerifiedAuthentication:
    try:
        verified = verify_authentication(
            credential=sent,
            expected_challenge=challenge,
            expected_rp_id=rp_id(settings),
            expected_origin=settings.origin,
            credential_public_key=base64url_to_bytes(stored["public_key"]),
            credential_current_sign_count=0,  # the counter is compared where it is written, in one statement
        )
    except Exception as error:  # whatever its parsers raise on hostile input
        raise unusable(f"{type(error).__name__}: {error}") from error
    if is_alone and not verified.user_verified:
        text = _("This passkey has no PIN or fingerprint. Sign in with your password; then it is your second step.")
        raise PasskeyError("not_verified", text)
    return verified


def _check_owner(sent: Mapping[str, Any], user_id: str) -> None:
    # WebAuthn section 7.2, step 6: the user handle, where there is one, names the owner of the credential
    handle = sent["response"].get("userHandle")
    if handle and str(handle).rstrip("=") != bytes_to_base64url(user_id.encode()):
        raise unusable("user handle")


def _descriptors(db: Connection, user_id: str) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(row["credential_id"]),
            transports=[AuthenticatorTransport(name) for name in row["transports"]],
        )
        for row in passkeys.list_of_user(db, user_id)
    ]


def _transports(sent: Mapping[str, Any]) -> list[str]:
    named = sent["response"].get("transports")
    known = {transport.value for transport in AuthenticatorTransport}
    return sorted({name for name in named if isinstance(name, str)} & known) if isinstance(named, list) else []
