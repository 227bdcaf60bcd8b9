"""Whom a client may ask, and how often: OpenID Connect CIBA Core 1.0 sections 7.2, 13 and 15.

A client learns whether somebody is here only where that is no news to it: it shows an ID token about them, or it is the
operator's own (`skip_consent`). Any other client gets the same answer for everybody, and nobody is asked in the end.
"""

from sqlalchemy import Connection

from clients.client import Client
from server.accounts import throttling
from server.accounts.throttling import Kind, ThrottleKey
from server.accounts.user import User
from server.mail.outbox import Mail, enqueue
from server.protocol.errors import TooManyRequestsError, UnknownUserIdError
from server.protocol.services import Services
from server.storage import backchannel_requests, users

MAX_PENDING, MAX_PENDING_OF_CLIENT = 10, 3
"""Requests that wait for one person's decision: of all clients together, and of one."""
RETRY_SECONDS = 60
PAGE = "/account/requests"
_OFTEN = "The person is asked too often, try again later"


def admit(
    db: Connection, services: Services, client: Client, user: User | None, *, named: str, is_told: bool, now: int
) -> User | None:
    """Return whom to ask; None where nobody is, and the client must not notice. Raises protocol errors.

    `named` is how the client named the person, `is_told` whether it may know who is here.
    """
    is_unknown = is_told and user is None
    if services.settings.rate_limits:
        keys = [ThrottleKey(Kind.PROMPT, f"{client.client_id}\0{named}")]
        if is_unknown:
            keys.append(ThrottleKey(Kind.UNKNOWN_PERSON, client.client_id))
        throttled = throttling.reserve(db, keys, now)
        if throttled is not None:
            raise TooManyRequestsError(throttled.retry_after, _OFTEN)
    if is_unknown:
        raise UnknownUserIdError("Nobody here is the person of the hint")
    if user is None or _has_room(db, user, client, now):
        return user
    if is_told:
        raise TooManyRequestsError(RETRY_SECONDS, _OFTEN)
    return None


def _has_room(db: Connection, user: User, client: Client, now: int) -> bool:
    users.lock(db, user.id)  # or requests that come at once would not see each other
    pending = backchannel_requests.count_pending(db, user.id, now)
    return sum(pending.values()) < MAX_PENDING and pending.get(client.client_id, 0) < MAX_PENDING_OF_CLIENT


def tell(db: Connection, services: Services, client: Client, user: User, *, expires_at: int, now: int) -> None:
    """Send the person a mail that leads to the page, unless the client has had many sent lately.

    The page shows the request in any case. An address that nobody has proven gets no mail: it may be a stranger's.
    """
    if not user.email_verified:
        return
    key = ThrottleKey(Kind.PROMPT_MAIL, f"{client.client_id}\0{user.id}")
    if services.settings.rate_limits and throttling.reserve(db, [key], now) is not None:
        return
    told: dict[str, str | int] = {
        "name": user.name or "",
        "client": client.client_name or client.client_id,
        "link": services.settings.url(PAGE),
        "end": expires_at,
    }
    mail = Mail(user.email, "backchannel_request", user.language, told)
    enqueue(db, services.sealer, mail, user_id=user.id, now=now)
