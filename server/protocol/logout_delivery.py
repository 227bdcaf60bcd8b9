"""Telling clients that a sign-in has ended: OpenID Connect Back-Channel Logout 1.0 section 2.5.

A crash may send a notice twice, which ends nothing more, and never loses it.
"""

from urllib.parse import urlencode

from sqlalchemy import Connection

from clients.encryption import ID_TOKEN
from server.accounts import logout_notices
from server.accounts.logout_notices import BACK_CHANNEL, TOPIC, Notice
from server.events import audit
from server.events.context import SYSTEM
from server.events.names import Event
from server.observability.logging import logger
from server.outbound.courier import Courier
from server.outbound.fetcher import FetchError
from server.protocol import client_encryption
from server.protocol.client_encryption import NESTED
from server.protocol.request import FORM_TYPE
from server.protocol.services import Services
from server.protocol.signing import algorithm_for
from server.storage import outbox
from server.storage.outbox import Item
from server.tokens import logout_token

PARALLEL = 8
LEASE_SECONDS = 30
FIRST_DELAY_SECONDS = 5
MAX_DELAY_SECONDS = 3600
GIVE_UP_SECONDS = 86_400
MAX_REFUSALS = 3
"""A client that says no this often will not say yes (section 2.8: it answers 400 to what it cannot accept)."""
TAKEN = frozenset({200, 204})
"""Section 2.8: 200, and 204 from the many frameworks that make it of an empty answer."""


class Refused(Exception):  # noqa: N818  an answer, not a failure of ours
    """The client answered, and did not take the notice."""


class SilentClientError(FetchError):
    """The client was not asked, because it did not answer a moment ago."""


class LogoutDelivery(Courier):
    """Sends the logout notices of the outbox."""

    def __init__(self, services: Services) -> None:
        super().__init__(
            services.database, services.clock, TOPIC, self._try, parallel=PARALLEL, lease_seconds=LEASE_SECONDS
        )
        self._services = services
        self._silent_until: dict[str, int] = {}
        """Clients that did not answer just now: their other notices wait, so that those of others need not."""

    async def _try(self, item: Item) -> None:
        notice = logout_notices.read(item)
        try:
            self._check_answers(notice.client_id)
            await self._send(notice)
        except Refused as error:
            await self._failed(item, notice, str(error), is_final=item.tries >= MAX_REFUSALS)
        except SilentClientError as error:
            await self._failed(item, notice, str(error))
        except FetchError as error:
            self._silent_until[notice.client_id] = self._services.clock.now() + FIRST_DELAY_SECONDS
            await self._failed(item, notice, str(error))
        except Exception as error:  # noqa: BLE001  a notice that cannot be signed must not stop the others
            await self._failed(item, notice, f"{type(error).__name__}: {error}")
        else:
            await self._services.database.run(lambda db: outbox.remove_sent(db, item.id))

    def _check_answers(self, client_id: str) -> None:
        until = self._silent_until.get(client_id)
        if until is None:
            return
        if self._services.clock.now() < until:
            raise SilentClientError("the client did not answer a moment ago")
        del self._silent_until[client_id]

    async def _send(self, notice: Notice) -> None:
        services = self._services
        client = await services.registry.find(notice.client_id)
        uri = None if client is None or client.disabled else client.metadata.get(BACK_CHANNEL)
        if client is None or uri is None:
            return  # it was deleted, or no longer wants to know
        token = logout_token.mint(
            services.keys,
            services.settings.issuer,
            subject=services.subject_of(client, notice.user_id),
            client_id=notice.client_id,
            session_id=services.sid_of(client, notice.session_id),
            algorithm=algorithm_for(client, client.id_token_signed_response_alg, services.settings),
            now=services.clock.now(),
        )
        # OpenID Connect Back-Channel Logout 1.0 section 2.4: as its ID tokens are
        await client_encryption.load_keys(services, client)
        token = client_encryption.encrypt(
            services, client, ID_TOKEN, token, {**NESTED, "iss": services.settings.issuer}
        )
        body = urlencode({"logout_token": token}).encode("ascii")
        answer = await services.fetcher.post(str(uri), body, content_type=FORM_TYPE)
        if answer.status in TAKEN:
            return
        said = f"the client answered {answer.status}"
        # What a proxy in front of the client says while it restarts is no answer of the client.
        raise FetchError(said) if answer.status >= 500 or answer.status in (408, 429) else Refused(said)  # noqa: PLR2004

    async def _failed(self, item: Item, notice: Notice, cause: str, *, is_final: bool = False) -> None:
        services = self._services
        now = services.clock.now()
        if not is_final and now - item.created_at < GIVE_UP_SECONDS:
            delay = min(FIRST_DELAY_SECONDS << min(item.tries - 1, 16), MAX_DELAY_SECONDS)
            await services.database.run(
                lambda db: outbox.postpone(db, item, next_try_at=now + delay, error=cause[: outbox.ERROR_LENGTH])
            )
            logger().warning("a logout notice was not taken yet", client=notice.client_id, cause=cause, seconds=delay)
            return

        if await services.database.run(lambda db: _give_up(db, item, notice, cause, now)):
            logger().error("a logout notice is given up", client=notice.client_id, tries=item.tries, cause=cause)


def _give_up(db: Connection, item: Item, notice: Notice, cause: str, now: int) -> bool:
    """Delete a notice that the client does not take and write it down; False where somebody else has claimed it."""
    if not outbox.remove(db, item):
        return False
    audit.record(
        db,
        Event.LOGOUT_NOTICE_FAILED,
        SYSTEM,
        now=now,
        user_id=notice.user_id,
        client_id=notice.client_id,
        session_id=notice.session_id,
        tries=item.tries,
        cause=cause,
    )
    return True
