"""Fetching from addresses that others chose, without reaching what only we can reach.

https only; the name is resolved once and the connection goes to that very address, which must be public; no redirects,
no credentials, no cookies; bounded in size and in time from the first byte to the last (RFC 9700 section 4, C076), and
in number, by what it is for and by host (`lanes.py`). The time holds all of it: the wait for a turn, DNS, the answer.
"""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import httpcore

from server.outbound.addresses import is_public, literal
from server.outbound.lanes import BusyError, Lane, Turns
from server.outbound.media import JSON, Media, media_type_of
from server.outbound.resolver import ALLOWING, GuardedBackend, RefusedAddressError

MAX_BYTES = 65_536
TOTAL_SECONDS = 5.0
MAX_URL_CHARACTERS = 2000
OK = 200


class FetchError(Exception):
    """The address may not be reached, did not answer in time, or not as it should. The text is for the log alone.

    It says what only we can see, such as where a name leads inside our network: no client may read it.
    """


class BusyFetchError(FetchError):
    """Too many such fetches are under way; nothing was asked."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. Its body is at most MAX_BYTES long."""

    status: int
    content_type: str
    cache_control: str
    body: bytes


class _Road:
    """Connections, name resolution and turns of one lane."""

    def __init__(self, lane: Lane, context: ssl.SSLContext, *, allow_private: bool) -> None:
        self.turns = Turns(lane)
        self.backend = GuardedBackend(allow_private=allow_private, threads=lane.at_once)
        self.pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=lane.at_once,
            max_keepalive_connections=0,
            network_backend=self.backend,
        )


class Fetcher:
    """Makes requests for one server process. `allow_private` also allows loopback, private addresses and http there."""

    def __init__(self, *, allow_private: bool = False, ca_file: Path | None = None) -> None:
        self._allow_private = allow_private
        self._ca_file = ca_file
        self._roads: dict[Lane, _Road] = {}

    def problem_of(self, url: str) -> str | None:
        """Return why a URL may never be fetched, None where its address decides. Says nothing about DNS."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return "it is not a URL"
        if len(url) > MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
            return "it is too long or has characters that no URL may have"
        if parts.scheme != "https" and not (self._allow_private and parts.scheme == "http"):
            return f"it must start with https:// ({ALLOWING} also allows http, for development)"
        if not parts.hostname or parts.username is not None or parts.password is not None or parts.fragment:
            return "it needs a host, and no user name, password or fragment"
        if port == 0:
            return "it has port 0"
        address = literal(parts.hostname)
        if address is not None and not (self._allow_private or is_public(address)):
            return f"it leads to an address that is not public, which {ALLOWING} would allow"
        return None

    async def get(self, url: str, *, media: Media = JSON, lane: Lane = Lane.DOCUMENTS) -> Fetched:
        """Fetch a document; a success in another media type is none. Raises FetchError."""
        fetched = await self._request("GET", url, [("accept", media.accept)], None, lane)
        if fetched.status == OK and not media.is_fine(media_type_of(fetched.content_type)):
            raise FetchError(f"{url} answers in another media type than {media.accept}")
        return fetched

    async def post(
        self, url: str, content: bytes, *, content_type: str, headers: Iterable[tuple[str, str]] = ()
    ) -> Fetched:
        """Send a body. Raises FetchError."""
        return await self._request("POST", url, [("content-type", content_type), *headers], content, Lane.DELIVERIES)

    async def _request(
        self, method: str, url: str, headers: Iterable[tuple[str, str]], content: bytes | None, lane: Lane
    ) -> Fetched:
        problem = self.problem_of(url)
        if problem is not None:
            raise FetchError(f"{url} is not fetched: {problem}")
        parts, road = urlsplit(url), self._road(lane)
        sent = [("host", parts.netloc), ("user-agent", "Ostiary"), ("accept-encoding", "identity"), *headers]
        if content is not None:
            sent.append(("content-length", str(len(content))))
        try:
            async with (
                asyncio.timeout(TOTAL_SECONDS),
                road.turns.take(str(parts.hostname)),
                road.pool.stream(method, url, headers=sent, content=content) as response,
            ):
                return await _read(url, response)
        except TimeoutError:
            raise FetchError(f"{url} did not answer within {TOTAL_SECONDS:.0f} s") from None
        except BusyError:
            raise BusyFetchError(f"{url} is not fetched: busy with others of its kind") from None
        except RefusedAddressError as error:
            raise FetchError(str(error)) from None
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
            OSError,
            ssl.SSLError,
        ) as error:
            raise FetchError(f"{url} does not answer: {type(error).__name__} {error}"[:500]) from None

    @cached_property
    def _context(self) -> ssl.SSLContext:
        # Made for the first fetch: the system's certificates take time and memory that many servers never need.
        context = ssl.create_default_context(cafile=None if self._ca_file is None else str(self._ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _road(self, lane: Lane) -> _Road:
        road = self._roads.get(lane)
        if road is None:
            road = self._roads[lane] = _Road(lane, self._context, allow_private=self._allow_private)
        return road

    async def close(self) -> None:
        """Close all connections."""
        for road in self._roads.values():
            await road.pool.aclose()
            road.backend.close()


async def _read(url: str, response: httpcore.Response) -> Fetched:
    body = bytearray()
    async for part in response.aiter_stream():
        body += part
        if len(body) > MAX_BYTES:
            raise FetchError(f"{url} answers with more than {MAX_BYTES} bytes")
    named = {name.lower(): value.decode("latin-1") for name, value in response.headers}
    return Fetched(response.status, named.get(b"content-type", ""), named.get(b"cache-control", ""), bytes(body))
