"""`urn:ietf:params:oauth:grant-type:device_code`: a device that asks elsewhere for its person's decision (RFC 8628).

Three rows tell of one device: what it polls with (`device_code`), what the person types in (`user_code`, used up by the
decision), and when it polled last. Each is written by one side only, so that no poll can undo a decision.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin
from sqlalchemy import Connection

from clients.metadata import DEVICE_CODE
from server.accounts.sessions import Session
from server.accounts.user import User
from server.events.context import Context
from server.events.names import Event
from server.grants.decision import (
    POLL_INTERVAL_SECONDS,
    POLL_MEMORY_SECONDS,
    authorize,
    check_first,
    first_tokens,
    paced,
    record_decision,
)
from server.grants.response import TokenResponse
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.errors import (
    AccessDeniedError,
    AuthorizationPendingError,
    ExpiredTokenError,
    InvalidGrantError,
    InvalidRequestError,
    SlowDownError,
)
from server.storage import authorizations, one_time, users
from server.tokens import opaque

KIND, USER_CODE_KIND, POLL_KIND = "device_code", "user_code", "device_poll"
PREFIX = "odc_"
LIFETIME_SECONDS = 600
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 section 6.1: no vowels, no look-alikes; eight of them are 34 bits."""
USER_CODE_LETTERS = 8
MAX_TYPED_CHARACTERS = 64
_REFUSED = "The device_code is not valid, or was used"
_EXPIRED = "The device_code has expired"


@dataclass(frozen=True, slots=True)
class DeviceAuthorization:
    """What the device gets: the code it polls with, and the one it shows."""

    device_code: str
    user_code: str


def normalize_user_code(typed: str) -> str | None:
    """Return a user code however it was typed, None for what can be none (RFC 8628 section 6.1)."""
    letters = "".join(c for c in typed[:MAX_TYPED_CHARACTERS].upper() if c.isalnum())
    return letters if len(letters) == USER_CODE_LETTERS and set(letters) <= set(LETTERS) else None


def shown(user_code: str) -> str:
    """Return a user code as people read it: XXXX-XXXX."""
    half = USER_CODE_LETTERS // 2
    return f"{user_code[:half]}-{user_code[half:]}"


def _user_code_digest(user_code: str) -> str:
    return opaque.digest(USER_CODE_KIND, user_code)


def _new_user_code(db: Connection) -> str:
    while True:
        code = "".join(secrets.choice(LETTERS) for _ in range(USER_CODE_LETTERS))
        if one_time.find(db, USER_CODE_KIND, _user_code_digest(code)) is None:
            return code


def begin(db: Connection, request: AuthorizationRequest, *, now: int) -> DeviceAuthorization:
    """Store a device's request and return its codes."""
    device_code, user_code = opaque.mint(PREFIX), _new_user_code(db)
    digest, expires_at, client_id = opaque.digest(KIND, device_code), now + LIFETIME_SECONDS, request.client_id
    asked = {"device": digest, "request": replace(request, device=user_code).to_json()}
    rows: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
        (KIND, digest, {"status": "pending"}),
        (USER_CODE_KIND, _user_code_digest(user_code), asked),
        (POLL_KIND, digest, {"at": None, "interval": POLL_INTERVAL_SECONDS}),
    )
    for kind, key, payload in rows:
        one_time.add(
            db,
            kind,
            key,
            payload,
            now=now,
            expires_at=expires_at,
            client_id=client_id,
            purge_at=expires_at + POLL_MEMORY_SECONDS,
        )
    return DeviceAuthorization(device_code, user_code)


def find_request(db: Connection, user_code: str, now: int) -> AuthorizationRequest | None:
    """Return what the device asks for, None where nobody waits for a decision about this code."""
    row = one_time.find_live(db, USER_CODE_KIND, _user_code_digest(user_code), now)
    return None if row is None else AuthorizationRequest.from_json(row["payload"]["request"])


def approve(
    db: Connection, request: AuthorizationRequest, user: User, session: Session, *, context: Context, now: int
) -> None:
    """Let the device have tokens. Of several decisions about a code the first counts; raises ExpiredTokenError."""
    asked = _decide(db, request, now)
    authorization = authorize(db, request, user, session, now=now, expires_at=asked["expires_at"])
    payload = {"status": "approved", "authorization_id": authorization["id"]}
    _answer(db, asked, payload, user.id, now)
    record_decision(db, Event.DEVICE_APPROVED, request, user.id, context, now, authorization_id=authorization["id"])


def deny(db: Connection, request: AuthorizationRequest, user_id: str, *, context: Context, now: int) -> None:
    """Tell the device that the person refused. Raises ExpiredTokenError."""
    _answer(db, _decide(db, request, now), {"status": "denied"}, user_id, now)
    record_decision(db, Event.DEVICE_DENIED, request, user_id, context, now)


def _decide(db: Connection, request: AuthorizationRequest, now: int) -> Mapping[str, Any]:
    asked = one_time.consume(db, USER_CODE_KIND, _user_code_digest(request.device or ""), now)
    if asked is None:
        raise ExpiredTokenError("The code has expired or was used")
    return asked


def _answer(db: Connection, asked: Mapping[str, Any], payload: Mapping[str, Any], user_id: str, now: int) -> None:
    if not one_time.replace_payload(db, KIND, asked["payload"]["device"], payload, user_id=user_id, now=now):
        raise ExpiredTokenError("The code has expired or was used")


class DeviceCodeGrant(BaseGrant, TokenEndpointMixin):
    """Gives the tokens once the person has approved, to one poll of any number."""

    GRANT_TYPE = DEVICE_CODE
    NEEDS_DATABASE = True
    row: Mapping[str, Any]

    def validate_token_request(self) -> None:
        """Say how the decision stands (section 3.5); nothing is used up before it is favourable."""
        db, now = self.server.db, self.server.now
        device_code = self.request.parameters.get("device_code")
        if device_code is None:
            raise InvalidRequestError("The device_code is missing")
        row = one_time.find(db, KIND, opaque.digest(KIND, device_code))
        if row is None or row["client_id"] != self.client.client_id or row["consumed_at"] is not None:
            raise InvalidGrantError(_REFUSED)
        if row["expires_at"] <= now:
            raise ExpiredTokenError(_EXPIRED)
        if row["payload"]["status"] == "denied":
            raise AccessDeniedError("The person denied access")
        if row["payload"]["status"] == "pending":
            self._pace(row["digest"])
            raise AuthorizationPendingError("The person has not decided yet")
        authorization = authorizations.find_live(db, row["payload"]["authorization_id"], now)
        if authorization is None:
            # The sign-in in which the person approved has ended, or the person was disabled.
            raise InvalidGrantError(_REFUSED)
        check_first(self, authorization, row["payload"])
        self.row = row

    def _pace(self, digest: str) -> None:
        """Slow down a device that asks too often: five seconds more from now on (section 3.5)."""
        db, now = self.server.db, self.server.now
        poll = one_time.find(db, POLL_KIND, digest)
        before: Mapping[str, Any] = {} if poll is None else poll["payload"]
        is_early, interval = paced(before.get("at"), int(before.get("interval", POLL_INTERVAL_SECONDS)), now)
        payload = {"at": now, "interval": interval}
        one_time.replace_payload(db, POLL_KIND, digest, payload, user_id=None, now=now)
        if is_early:
            raise SlowDownError("The device asks too often")

    def create_token_response(self) -> TokenResponse:
        """Use the code up and mint the tokens."""
        db, now = self.server.db, self.server.now
        if one_time.consume(db, KIND, self.row["digest"], now) is None:
            raise InvalidGrantError(_REFUSED)
        authorization = authorizations.find_live(db, self.row["payload"]["authorization_id"], now)
        user = None if authorization is None else users.find_by_id(db, authorization["user_id"])
        if authorization is None or user is None:
            raise InvalidGrantError(_REFUSED)
        return first_tokens(self, authorization, user)
