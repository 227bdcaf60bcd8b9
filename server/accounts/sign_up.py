"""People who make their own account: who may, what is wrong with the form, and what an answer may tell.

In this order: `problems`, `reserve` in a transaction of its own, `PasswordHasher.hash`, `register` in another. The
password is hashed whoever has the address, so that the time of the answer does not tell.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import identifiers, invitations, mailing, password_policy, registration, throttling, verification
from server.accounts.identifiers import InvalidIdentifierError
from server.accounts.passwords import PasswordHasher
from server.accounts.profile import InvalidProfileError, validate_profile
from server.accounts.registration import EmailTakenError, UsernameTakenError
from server.accounts.throttling import Throttled
from server.accounts.user import User, find_by_email
from server.accounts.verification import Origin
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.languages import Message
from server.languages import Message as _
from server.settings import EmailVerification, Registration, Settings
from server.storage import users

NAME_CHARACTERS = 200


class RegistrationClosedError(Exception):
    """Nobody may make an account, or only with an invitation."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What somebody typed into the form."""

    email: str
    name: str
    password: str = field(repr=False)
    username: str | None = None
    organization: str | None = None
    invitation: str | None = None
    """Digest of an invitation: `invitations.digest_of` its token."""
    language: str | None = None
    """BCP 47 tag of the language in which they are here."""


def is_allowed(db: Connection, settings: Settings, invitation: str | None, now: int) -> bool:
    """Whether somebody with this invitation (a digest), or none, may make an account."""
    if settings.registration is Registration.OPEN:
        return True
    is_invited = invitation is not None and invitations.find(db, invitation, now) is not None
    return settings.registration is Registration.INVITE and is_invited


async def problems(account: NewAccount, hasher: PasswordHasher, settings: Settings) -> dict[str, list[Message]]:
    """Return what is wrong, by field: nothing of it depends on who has an account. Raises PasswordHasherBusyError."""
    words = password_policy.words_of(
        settings.brand_name, account.email, account.name, account.username, account.organization
    )
    found: dict[str, list[Message]] = {
        "password": await password_policy.check_all(hasher, settings, account.password, words),
        "name": _name_problems(account.name),
    }
    checks: dict[str, Callable[[], object]] = {
        "email": lambda: identifiers.normalize_email(account.email),
        "username": lambda: identifiers.normalize_username(account.username) if account.username else None,
        "organization": lambda: registration.checked_organization(account.organization),
    }
    for name, check in checks.items():
        try:
            check()
        except InvalidIdentifierError as error:
            found[name] = [error.message]
    return {name: messages for name, messages in found.items() if messages}


def _name_problems(name: str) -> list[Message]:
    if not name.strip() or len(name.strip()) > NAME_CHARACTERS:
        return [
            _.plural(
                "Give your name, at most %(n)s character.",
                "Give your name, at most %(n)s characters.",
                n=NAME_CHARACTERS,
            )
        ]
    try:
        validate_profile({"name": name})
    except InvalidProfileError:
        return [_("The name has a character that cannot be stored.")]
    return []


def reserve(db: Connection, settings: Settings, *, context: Context, now: int) -> Throttled | None:
    """Count the attempt; commit before going on: a taken address must count too, or addresses could be probed."""
    if not settings.rate_limits:
        return None
    return throttling.reserve(db, (throttling.registration_key(context.address),), now)


def register(
    db: Connection,
    account: NewAccount,
    password_hash: str,
    *,
    sealer: Sealer,
    settings: Settings,
    context: Context,
    now: int,
    origin: Origin | None = None,
) -> User | None:
    """Make the account and send what is to be mailed. Return the person, who may be signed in at once.

    None where the address must be verified first, whether or not somebody has it: the answer is "check your mail",
    and only the mail tells. Raises EmailTakenError (never in that case), UsernameTakenError, RegistrationClosedError,
    InvitationOverError. `origin` is the browser that the mailed link signs in.
    """
    if account.username and users.find_by_username(db, identifiers.normalize_username(account.username)):
        # first, or a username that is known to be taken would tell which addresses are not
        raise UsernameTakenError("this username is taken")
    invitation = _accepted_invitation(db, account, settings, now)
    is_verified = invitation is not None and invitation.email is not None
    if invitation is not None and invitation.email is not None:
        # Whoever has the link has proven this spelling; one that normalizes alike may be another mailbox.
        account = replace(account, email=invitation.email)
    must_verify = settings.email_verification is EmailVerification.REQUIRED and not is_verified
    roles = {*([settings.default_role] if settings.default_role else []), *(invitation.roles if invitation else ())}
    try:
        user = _store(db, account, password_hash, roles, is_verified=is_verified, context=context, now=now)
    except EmailTakenError:
        if not must_verify:
            raise
        _refuse_silently(db, account, password_hash, roles, sealer=sealer, settings=settings, context=context, now=now)
        return None
    if invitation is not None:
        record(db, Event.INVITATION_ACCEPTED, context, now=now, user_id=user.id, invitation=invitation.id)
    if settings.email_verification is not EmailVerification.OFF:
        verification.send(
            db,
            user,
            sealer=sealer,
            settings=settings,
            context=context,
            now=now,
            origin=origin if must_verify else None,
        )
    return None if must_verify else user


def _accepted_invitation(
    db: Connection, account: NewAccount, settings: Settings, now: int
) -> invitations.Invitation | None:
    if settings.registration is Registration.CLOSED:
        raise RegistrationClosedError("registration is closed")
    if account.invitation is not None:
        return invitations.accept(db, account.invitation, account.email, now)
    if settings.registration is Registration.INVITE:
        raise RegistrationClosedError("registration needs an invitation")
    return None


def _store(
    db: Connection,
    account: NewAccount,
    password_hash: str,
    roles: set[str],
    *,
    is_verified: bool,
    context: Context,
    now: int,
) -> User:
    user = registration.register(
        db,
        email=account.email,
        name=account.name.strip(),
        username=account.username,
        organization=account.organization,
        roles=roles,
        password_hash=password_hash,
        email_verified=is_verified,
        context=context,
        now=now,
    )
    if account.language is None:
        return user
    users.note_language(db, user.id, account.language)
    return replace(user, language=account.language)


def _refuse_silently(
    db: Connection,
    account: NewAccount,
    password_hash: str,
    roles: set[str],
    *,
    sealer: Sealer,
    settings: Settings,
    context: Context,
    now: int,
) -> None:
    """Do what a free address would take, take it back, and tell the owner of the address."""
    stand_in = replace(account, email=f"{secrets.token_hex(16)}@nobody.invalid", username=None)
    with db.begin_nested() as savepoint:
        _store(db, stand_in, password_hash, roles, is_verified=False, context=context, now=now)
        savepoint.rollback()
    holder = find_by_email(db, account.email)
    holder_id = None if holder is None else holder.id
    record(db, Event.REGISTRATION_REFUSED, context, now=now, user_id=holder_id, reason="email_taken")
    if holder is not None:
        mailing.tell_holder(db, holder, sealer=sealer, settings=settings, now=now)
