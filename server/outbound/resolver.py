"""Looking names up, and connecting to what was found and to nothing else."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpcore

from server.outbound.addresses import is_public, literal

ALLOWING = "OSTIARY_FETCH_PRIVATE_ADDRESSES"
"""The setting that lets fetches go to addresses that are not public."""


class RefusedAddressError(Exception):
    """A name has no address, or one that may not be reached; the text is for the log."""


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a name once, looks at the addresses, and connects to one of these: DNS cannot answer twice.

    The system's resolver blocks a thread for as long as it likes, also when nobody waits any more. So it has threads of
    its own, `threads` at most, and one name has one of them at most: a name server that never answers holds up neither
    cryptography and passwords in the event loop's own threads nor, with one name, all other names.
    """

    def __init__(self, *, allow_private: bool, threads: int) -> None:
        self._allow_private = allow_private
        self._inner = httpcore.AnyIOBackend()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="dns")
        self._running: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's interface
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers."""
        last: Exception = RefusedAddressError(f"{host} has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                last = error
        raise last

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            addresses = [host] if literal(host) is not None else await self._resolved(host, port)
        except OSError:
            raise RefusedAddressError(f"{host} has no address") from None
        if not self._allow_private and not all(is_public_text(address) for address in addresses):
            raise RefusedAddressError(f"{host} leads to an address that is not public, which {ALLOWING} would allow")
        return addresses

    async def _resolved(self, host: str, port: int) -> list[str]:
        question = (host, port)
        running = self._running.get(question)
        if running is None:
            loop = asyncio.get_running_loop()
            running = self._running[question] = loop.run_in_executor(self._threads, _look_up, host, port)
            running.add_done_callback(lambda done: self._done(question, done))
        # Whoever waits may go away; the thread cannot.
        return await asyncio.shield(running)

    def _done(self, question: tuple[str, int], done: asyncio.Future[list[str]]) -> None:
        self._running.pop(question, None)
        if not done.cancelled():
            done.exception()  # looked at, although nobody may wait for it any more

    async def connect_unix_socket(self, *_arguments: Any, **_options: Any) -> Any:
        """Refuse."""
        raise RefusedAddressError("a socket of this machine is no address")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def is_public_text(address: str) -> bool:
    """Whether an address, as the resolver writes it, is public."""
    parsed = literal(address)
    return parsed is not None and is_public(parsed)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
