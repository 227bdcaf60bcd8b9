"""Request objects at addresses that clients registered: RFC 9101 section 5.2.3, OpenID Connect Core section 6.2.

Fetched anew for each request, because a client may change what is there. But a link is all that it takes to make us
fetch, so each client has a pace; beyond it, what was fetched last goes on for a while. A stranger who uses the pace up
so keeps that copy fresh, and keeps nobody from signing in.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import urldefrag

from clients.client import Client
from server.clock import Clock
from server.observability.logging import logger
from server.outbound.fetcher import BusyFetchError, Fetcher, FetchError
from server.outbound.lanes import Lane
from server.outbound.media import REQUEST_OBJECT
from server.pacing import Pace

AT_ONCE, A_SECOND = 10, 1
COPY_SECONDS = 60
MAX_COPIES = 200
OK = 200


@dataclass(frozen=True, slots=True)
class _Copy:
    body: bytes
    fetched_at: int

    def is_for(self, fragment: str, now: int) -> bool:
        """Whether it may stand for what is there now; a fragment is the digest of what the client means."""
        if now >= self.fetched_at + COPY_SECONDS:
            return False
        digest = urlsafe_b64encode(hashlib.sha256(self.body).digest()).rstrip(b"=").decode()
        return fragment in ("", digest)


class RequestObjects:
    """The one that fetches request objects, for one server process."""

    def __init__(self, fetcher: Fetcher, clock: Clock, *, is_paced: bool) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._pace = Pace(clock, at_once=AT_ONCE, a_second=A_SECOND, is_on=is_paced)
        self._copies: OrderedDict[tuple[str, str], _Copy] = OrderedDict()

    async def fetch(self, client: Client, request_uri: str) -> bytes | None:
        """Return what is at an address that is registered for the client; None, with the cause in the log."""
        address, fragment = urldefrag(request_uri)
        key = (client.client_id, address)
        try:
            return await self._fetch(client, address, key)
        except BusyFetchError as error:
            copy = self._copies.get(key)
            if copy is not None and copy.is_for(fragment, self._clock.now()):
                return copy.body
            cause = str(error)
        except FetchError as error:
            cause = str(error)
        logger().warning("request_object_not_fetched", client=client.client_id, cause=cause)
        return None

    async def _fetch(self, client: Client, address: str, key: tuple[str, str]) -> bytes:
        if not self._pace.take(client.client_id):
            raise BusyFetchError(f"{address} is not fetched: too often for this client")
        lane = Lane.UNVERIFIED_REQUEST_OBJECTS if client.is_unverified else Lane.REQUEST_OBJECTS
        fetched = await self._fetcher.get(address, media=REQUEST_OBJECT, lane=lane)
        if fetched.status != OK:
            raise FetchError(f"{address} answers {fetched.status}")
        self._copies[key] = _Copy(fetched.body, self._clock.now())
        self._copies.move_to_end(key)
        if len(self._copies) > MAX_COPIES:
            self._copies.popitem(last=False)
        return fetched.body
