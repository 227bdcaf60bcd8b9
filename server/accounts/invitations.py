"""Invitations: links with which one person may make an account, perhaps with a given address and given roles."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import claim_limits, identifiers, registration
from server.accounts.user import find_by_email
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.mail.outbox import Mail, enqueue
from server.settings import Settings
from server.storage import invitations, one_time
from server.storage.rows import Row
from server.tokens import opaque

KIND = invitations.KIND
PREFIX = "oiv_"
PATH = "/account/register"
ID_PREFIX = "inv_"
ID_CHARACTERS = 20
_ID = re.compile(rf"{ID_PREFIX}[0-9a-f]{{{ID_CHARACTERS}}}", re.ASCII)


class InvitationOverError(Exception):
    """The invitation is unknown, used, revoked, too old, or for another e-mail address."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An open invitation."""

    digest: str
    """What an interaction keeps of it."""
    email: str | None
    """Whom it is for; whoever accepts it has proven this address. None: for whoever has the link."""
    roles: tuple[str, ...]
    created_at: int
    expires_at: int

    @property
    def id(self) -> str:
        """Its name for operators, with which nobody can accept it."""
        return ID_PREFIX + self.digest[:ID_CHARACTERS]

    def is_for(self, email: str) -> bool:
        """Whether somebody with this (valid) address may accept it."""
        return self.email is None or identifiers.normalize_email(self.email) == identifiers.normalize_email(email)


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation and the link that accepts it, which is shown once."""

    invitation: Invitation
    link: str


def create(
    db: Connection, *, email: str | None, roles: Iterable[str], settings: Settings, context: Context, now: int
) -> NewInvitation:
    """Make a link. Raises InvalidIdentifierError, InvalidRoleError, ClaimTooLargeError, EmailTakenError."""
    cleaned = None if email is None else identifiers.clean_email(email)
    if cleaned is not None and find_by_email(db, cleaned) is not None:
        raise registration.EmailTakenError("this e-mail address is taken")
    given = registration.checked_roles(roles)
    claim_limits.check_roles(db, {*given, settings.default_role} - {""})
    token = opaque.mint(PREFIX)
    digest = digest_of(token)
    invitation = Invitation(digest, cleaned, given, now, now + settings.invitation_seconds)
    payload = {"email": cleaned, "roles": list(invitation.roles)}
    one_time.add(db, KIND, digest, payload, now=now, expires_at=invitation.expires_at)
    record(db, Event.INVITATION_CREATED, context, now=now, invitation=invitation.id, roles=list(invitation.roles))
    return NewInvitation(invitation, settings.url(f"{PATH}?invitation={token}"))


def mail(db: Connection, new: NewInvitation, *, inviter: str, language: str | None, sealer: Sealer, now: int) -> None:
    """Mail the link to the one whom the invitation is for."""
    if new.invitation.email is None:
        raise ValueError("this invitation has no address")
    values = {"link": new.link, "inviter": inviter}
    enqueue(db, sealer, Mail(new.invitation.email, "invitation", language, values), user_id=None, now=now)


def digest_of(token: str) -> str:
    """Return what is kept instead of a link's token."""
    return opaque.digest(KIND, token)


def find(db: Connection, digest: str, now: int) -> Invitation | None:
    """Return an open invitation and leave it open."""
    row = one_time.find_live(db, KIND, digest, now)
    return None if row is None else _invitation(row)


def accept(db: Connection, digest: str, email: str, now: int) -> Invitation:
    """Use the invitation up; of several calls at once one gets it. Raises InvitationOverError.

    Do it in the transaction that makes the account: if that fails, the invitation stays open.
    """
    row = one_time.consume(db, KIND, digest, now)
    if row is None or not _invitation(row).is_for(email):
        raise InvitationOverError("this invitation is over, or for another e-mail address")
    return _invitation(row)


def list_open(db: Connection, now: int) -> list[Invitation]:
    """Return the open invitations, the newest first."""
    return [_invitation(row) for row in invitations.list_open(db, now)]


def revoke(db: Connection, invitation_id: str, *, context: Context, now: int) -> bool:
    """Take an open invitation back, and say whether there was one."""
    if not _ID.fullmatch(invitation_id) or not invitations.revoke(db, invitation_id.removeprefix(ID_PREFIX), now):
        return False
    record(db, Event.INVITATION_REVOKED, context, now=now, invitation=invitation_id)
    return True


def _invitation(row: Row) -> Invitation:
    payload = row["payload"]
    return Invitation(row["digest"], payload["email"], tuple(payload["roles"]), row["created_at"], row["expires_at"])
