"""Sending pings: OpenID Connect CIBA Core 1.0 section 10.2.

A crash may send a ping twice, which tells nothing more. A client whose endpoint is away finds out by polling: section 5
lets one in ping mode poll as well.
"""

import json

from sqlalchemy import Connection

from keys.sealing import SealError
from server.events import audit
from server.events.context import SYSTEM
from server.events.names import Event
from server.observability.logging import logger
from server.outbound.courier import Courier
from server.outbound.fetcher import FetchError
from server.protocol import pings
from server.protocol.pings import TOPIC, Ping
from server.protocol.services import Services
from server.storage import outbox
from server.storage.outbox import Item

PARALLEL = 8
LEASE_SECONDS = 30
FIRST_DELAY_SECONDS = 2
MAX_DELAY_SECONDS = 60
TAKEN = frozenset({200, 204})
"""Section 10.2: the client should answer 204, and 200 counts as well. A redirect is not followed."""


class PingDelivery(Courier):
    """Sends the pings of the outbox."""

    def __init__(self, services: Services) -> None:
        super().__init__(
            services.database, services.clock, TOPIC, self._try, parallel=PARALLEL, lease_seconds=LEASE_SECONDS
        )
        self._services = services

    async def _try(self, item: Item) -> None:
        try:
            ping = pings.unseal(self._services.sealer, item)
        except SealError as error:
            await self._failed(item, None, str(error))
            return
        try:
            await self._send(ping)
        except FetchError as error:
            await self._failed(item, ping, str(error))
        else:
            await self._services.database.run(lambda db: outbox.remove_sent(db, item.id))

    async def _send(self, ping: Ping) -> None:
        client = await self._services.registry.find(ping.client_id)
        endpoint = None if client is None or client.disabled else client.backchannel_client_notification_endpoint
        if endpoint is None:
            return  # it was deleted, or no longer wants to know
        # What came of it is not told: whoever runs the endpoint must fetch it, authenticated as the client.
        body = json.dumps({"auth_req_id": ping.auth_req_id}).encode()
        answer = await self._services.fetcher.post(
            endpoint,
            body,
            content_type="application/json",
            headers=[("authorization", f"Bearer {ping.token}")],
        )
        if answer.status not in TAKEN:
            raise FetchError(f"the client answered {answer.status}")

    async def _failed(self, item: Item, ping: Ping | None, cause: str) -> None:
        services, client_id = self._services, None if ping is None else ping.client_id
        now, delay = services.clock.now(), min(FIRST_DELAY_SECONDS << min(item.tries - 1, 8), MAX_DELAY_SECONDS)
        if ping is not None and now + delay < ping.expires_at:
            await services.database.run(lambda db: outbox.postpone(db, item, next_try_at=now + delay, error=cause))
            logger().warning("a ping was not taken yet", client=client_id, cause=cause, seconds=delay)
            return
        if await services.database.run(lambda db: _give_up(db, item, client_id, cause, now)):
            logger().error("a ping is given up", client=client_id, tries=item.tries, cause=cause)


def _give_up(db: Connection, item: Item, client_id: str | None, cause: str, now: int) -> bool:
    """Delete a ping that came of no use and write it down; False where somebody else has claimed it."""
    if not outbox.remove(db, item):
        return False
    audit.record(db, Event.PING_FAILED, SYSTEM, now=now, client_id=client_id, tries=item.tries, cause=cause)
    return True
