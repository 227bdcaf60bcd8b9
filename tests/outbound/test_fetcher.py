"""Fetching what strangers point at: C076."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from server.outbound import fetcher as module
from server.outbound.fetcher import MAX_BYTES, Fetcher, FetchError
from server.outbound.media import JSON, KEY_SET, REQUEST_OBJECT, Media

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _server(answer: Answer) -> AsyncIterator[int]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _says(text: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return answer


def _serves(content_type: str) -> Answer:
    named = f"Content-Type: {content_type}\r\n" if content_type else ""
    return _says(f"HTTP/1.1 200 OK\r\n{named}Content-Length: 2\r\n\r\n{{}}".encode())


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "ftp://example.com/", "https://user@example.com/", "https://a:b@example.com/",
        "https://example.com/#x", "https:///x", "https://example.com:0/", "https://[::1", "https://127.0.0.1/",
        "https://[::ffff:169.254.169.254]/", "https://example.com/ x", "https://exämple.com/", "file:///etc/passwd", "",
        "https://example.com/" + "x" * 2000,
    ],
)  # fmt: skip
async def test_urls_that_are_never_fetched(url: str) -> None:
    fetcher = Fetcher()
    assert fetcher.problem_of(url) is not None
    with pytest.raises(FetchError, match="is not fetched"):
        await fetcher.get(url)
    await fetcher.close()


async def test_what_a_setting_would_allow_is_said_with_its_name() -> None:
    for url in ("http://localhost:8000/", "https://127.0.0.1/", "https://10.0.0.5/"):
        closed, opened = Fetcher(), Fetcher(allow_private=True)
        assert "OSTIARY_FETCH_PRIVATE_ADDRESSES" in str(closed.problem_of(url))
        assert opened.problem_of(url) is None
        await closed.close()
        await opened.close()


async def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address counts: a name with a public and a private one could lead to either."""

    def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", ("93.184.215.14", 443)), (2, 1, 6, "", ("10.0.0.5", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(FetchError, match="not public"):
        await Fetcher().get("https://keys.example/jwks")


async def test_dns_is_asked_once_so_that_it_cannot_answer_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the connection goes to the address that was looked at."""
    asked = 0
    async with _server(_serves("application/json")) as port:

        def resolve(*_: Any, **__: Any) -> list[Any]:
            nonlocal asked
            asked += 1
            return [(2, 1, 6, "", ("127.0.0.1" if asked == 1 else "192.0.2.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        answer = await Fetcher(allow_private=True).get(f"http://keys.example:{port}/jwks")
    assert (answer.status, answer.body, asked) == (200, b"{}", 1)


async def test_a_name_server_that_never_answers_holds_up_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its threads are not those of cryptography, one name has one of them, and its time is part of the whole time."""
    monkeypatch.setattr(module, "TOTAL_SECONDS", 0.4)
    released = threading.Event()
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        if host == "slow.example":
            released.wait(10)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    fetcher = Fetcher(allow_private=True)
    async with _server(_serves("application/json")) as port:
        try:
            for _ in range(2):  # the second time the threads of the first are still busy
                slow = [fetcher.get(f"http://slow.example:{port}/") for _ in range(20)]
                results = await asyncio.gather(*slow, return_exceptions=True)
                assert all("did not answer within" in str(result) for result in results)
            answer = await fetcher.get(f"http://quick.example:{port}/")
            assert await asyncio.wait_for(asyncio.to_thread(lambda: "crypto"), 1) == "crypto"
        finally:
            released.set()
    assert (answer.status, asked) == (200, ["slow.example", "quick.example"])
    await fetcher.close()


@pytest.mark.parametrize(
    ("media", "fine", "wrong"),
    [
        (JSON, ["application/json", "Application/JSON;charset=utf-8", "application/x+json"], ["text/html", "", "json"]),
        (KEY_SET, ["application/jwk-set+json", "application/json"], ["text/html", "text/plain", "application/jsonx"]),
        (
            REQUEST_OBJECT,
            ["application/oauth-authz-req+jwt", "application/jwt", "application/x+jwt", "text/plain;charset=utf-8", ""],
            ["text/html", "application/json", "image/png", "application/xhtml+xml"],
        ),
    ],
)  # fmt: skip
async def test_a_document_comes_under_its_media_type(media: Media, fine: list[str], wrong: list[str]) -> None:
    """C076: what somebody uploaded to the same host, or a page, is no document."""
    fetcher = Fetcher(allow_private=True)
    for name in fine:
        async with _server(_serves(name)) as port:
            assert (await fetcher.get(f"http://127.0.0.1:{port}/", media=media)).body == b"{}", name
    for name in wrong:
        async with _server(_serves(name)) as port:
            with pytest.raises(FetchError, match="another media type"):
                await fetcher.get(f"http://127.0.0.1:{port}/", media=media)


async def test_redirects_are_not_followed() -> None:
    async with _server(
        _says(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    ) as port:
        answer = await Fetcher(allow_private=True).get(f"http://127.0.0.1:{port}/")
    assert answer.status == 302


async def test_too_much_is_not_read() -> None:
    text = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BYTES + 1) + b"x" * (MAX_BYTES + 1)
    async with _server(_says(text)) as port:
        with pytest.raises(FetchError, match="more than 65536 bytes"):
            await Fetcher(allow_private=True).get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"], ids=["silent", "dripping"])
async def test_a_slow_answer_ends_in_time(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    monkeypatch.setattr(module, "TOTAL_SECONDS", 0.3)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        for _ in range(8):
            if start:
                writer.write(b".")
            await asyncio.sleep(0.1)
        writer.close()
        done.set()

    done = asyncio.Event()
    async with _server(answer) as port:
        with pytest.raises(FetchError, match="did not answer within"):
            await Fetcher(allow_private=True).get(f"http://127.0.0.1:{port}/")
        await done.wait()


@pytest.mark.parametrize("text", [b"HTTP", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
async def test_a_broken_answer_is_an_error_of_one_kind(text: bytes) -> None:
    async with _server(_says(text)) as port:
        with pytest.raises(FetchError, match="does not answer"):
            await Fetcher(allow_private=True).get(f"http://127.0.0.1:{port}/")


async def test_a_body_is_sent_as_given() -> None:
    received = b""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        received = await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(3)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    async with _server(answer) as port:
        url = f"http://127.0.0.1:{port}/logout"
        done = await Fetcher(allow_private=True).post(url, b"a=b", content_type="application/x-www-form-urlencoded")
    assert done.status == 204
    assert received.endswith(b"\r\n\r\na=b")
    assert b"cookie" not in received.lower()
