"""Bytes that no HTTP library would send, to a server in a process of its own.

Whatever comes in, the answer is below 500 or the connection ends, and the server goes on serving others.
"""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import httpx
import pytest

from tests.support.process import ServerProcess

REQUEST_SECONDS = 2
MAX_BODY = 65_536
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
EVIL = "evil.example"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all of these: none of them may harm it."""
    process = ServerProcess(tmp_path_factory.mktemp("server"), request_seconds=REQUEST_SECONDS).start()
    yield process
    process.kill()


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=REQUEST_SECONDS + 18)


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the server ends the connection; a reset is an end as well."""
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


def exchange(server: ServerProcess, request: bytes) -> bytes:
    """Send bytes and return the whole answer. The server must end the connection by itself."""
    with closing(connect(server)) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have seen enough before the end
            connection.sendall(request)
        return read_all(connection)


def status_of(answer: bytes) -> int:
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert match is not None, answer
    return int(match[1])


def post(path: str, headers: str, body: bytes = b"") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode("latin-1") + body


def get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode("latin-1")


def check_alive(server: ServerProcess) -> None:
    with server.http() as http:
        assert http.get("/health/ready").status_code == 200


LENGTHS = {
    "negative": "-1",
    "negative and large": "-9223372036854775808",
    "a word": "many",
    "a fraction": "1.5",
    "hexadecimal": "0x10",
    "with a sign": "+5",
    "with digits of another script": "\xb2",
    "beyond 64 bits": "18446744073709551617",
    "of 5000 digits": "9" * 5000,
    "two that differ": "5\r\nContent-Length: 6",
    "two in one line": "5, 6",
    "beside a transfer coding": "5\r\nTransfer-Encoding: chunked",
}


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
def test_a_malformed_content_length_is_refused(server: ServerProcess, length: str) -> None:
    """RFC 9112 sections 6.1 and 6.3: it could hide a second request."""
    answer = exchange(server, post("/token", f"{FORM}Content-Length: {length}\r\n", b"hello" + get("/hidden")))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert status_of(answer) in (400, 413)
    check_alive(server)


CHUNKS = {
    "a size that is no number": b"zz\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-1\r\nhello\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"1" + b"0" * 17 + b"\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than it says": b"1\r\nhello\r\n0\r\n\r\n",
    "a chunk without its end": b"5\r\nhelloX0\r\n\r\n",
    "a line that ends too early": b"5\nhello\n0\n\n",
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS)
def test_a_broken_chunked_body_is_refused(server: ServerProcess, body: bytes) -> None:
    """RFC 9112 section 7.1."""
    answer = exchange(server, post("/token", f"{FORM}Transfer-Encoding: chunked\r\n", body + get("/hidden")))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert status_of(answer) == 400
    check_alive(server)


def test_a_chunked_body_that_never_ends_gets_no_more_time_than_others(server: ServerProcess) -> None:
    """RFC 9112 section 8: an incomplete message is no request."""
    began = time.monotonic()
    answer = exchange(server, post("/token", f"{FORM}Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"))
    assert time.monotonic() - began < REQUEST_SECONDS + 6
    assert answer == b"" or status_of(answer) in (400, 408)
    check_alive(server)


def test_a_sender_that_drips_is_cut_off_although_it_never_stops(server: ServerProcess) -> None:
    """Each byte is in time; the request as a whole is not."""
    began = time.monotonic()
    with closing(connect(server)) as connection:
        connection.sendall(post("/token", f"{FORM}Content-Length: 1000\r\n"))
        try:
            while time.monotonic() - began < REQUEST_SECONDS + 8:
                connection.sendall(b"a")
                time.sleep(0.1)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert time.monotonic() - began < REQUEST_SECONDS + 6
    check_alive(server)


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke", "/userinfo", "/authorize", "/end-session"])
def test_a_body_over_64_kib_is_refused_whether_it_says_so_or_not(server: ServerProcess, path: str) -> None:
    """RFC 9110 section 15.5.14."""
    body = b"token=" + b"a" * MAX_BODY
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    said = exchange(server, post(path, f"{FORM}Content-Length: {len(body)}\r\n", body))
    unsaid = exchange(server, post(path, f"{FORM}Transfer-Encoding: chunked\r\n", chunk))
    assert (status_of(said), status_of(unsaid)) == (413, 413)
    assert b'"error":"invalid_request"' in said
    assert b"a" * 100 not in said


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(server: ServerProcess) -> None:
    with closing(connect(server)) as connection:
        connection.sendall(post("/token", f"{FORM}Content-Length: 1000000000\r\n", b"a"))
        began = time.monotonic()
        assert status_of(connection.recv(1000)) == 413
        assert time.monotonic() - began < REQUEST_SECONDS  # later it would be refused for being slow


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke", "/userinfo", "/authorize", "/end-session"])
def test_more_than_a_hundred_form_fields_are_refused(server: ServerProcess, path: str) -> None:
    for body in (b"&".join(b"f%d=" % number for number in range(101)), b"&" * 60_000, b"x&" * 30_000):
        began = time.monotonic()
        answer = exchange(server, post(path, f"{FORM}Content-Length: {len(body)}\r\n", body))
        assert status_of(answer) == 400
        assert time.monotonic() - began < 5


HEADS = {
    "one long header": get("/", f"X: {'a' * 40_000}\r\n"),
    "many headers": get("/", "".join(f"X-{number}: a\r\n" for number in range(4000))),
    "a long path": get("/" + "a" * 40_000),
    "a long query": get("/authorize?state=" + "a" * 40_000),
    "a long cookie": get("/account", f"Cookie: a={'a' * 40_000}\r\n"),
    "a long method": b"A" * 40_000 + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header that never ends": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000,
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_head_that_is_too_large_is_refused(server: ServerProcess, head: bytes) -> None:
    """RFC 6585 section 5."""
    answer = exchange(server, head)
    # What is sent after the answer can make the kernel reset the connection, and the answer is lost with it.
    assert answer == b"" or status_of(answer) in (400, 431)
    check_alive(server)


NOISE = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "NUL in a header": get("/", "X: a\0b\r\n"),
    "a header without a colon": get("/", "nonsense\r\n"),
    "a header name with a space": get("/", "X : a\r\n"),
    "a folded header": get("/", "X: a\r\n b\r\n"),
    "a line break alone in a header": get("/", "X: a\rb\r\n"),
    "a space in the path": get("/a b"),
    "bytes that are not ASCII in the path": get("/\xff\xfe"),
    "a path that is empty": b"GET  HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a method in brackets": b"<GET> / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", NOISE.values(), ids=NOISE)
def test_what_is_no_http_is_refused(server: ServerProcess, request_bytes: bytes) -> None:
    """RFC 9112 sections 2.2, 3 and 5."""
    answer = exchange(server, request_bytes)
    assert answer == b"" or 400 <= status_of(answer) < 500
    check_alive(server)


HOSTS = (EVIL, f"{EVIL}:8000", f"localhost@{EVIL}", f"localhost/{EVIL}", f"{EVIL}/?", '"><script>', "[::1", "", "\xff")
EMITTING = (
    "/",
    "/authorize",
    "/account",
    "/account/",
    "/account/register",
    "/end-session",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/jwks",
    "/nonsense",
    "/token/",
    "/static",
)


@pytest.mark.parametrize("host", HOSTS)
def test_no_url_is_made_from_the_host_header(server: ServerProcess, host: str) -> None:
    """RFC 9110 section 7.2; the issuer alone says where we are."""
    forwarded = f"X-Forwarded-Host: {EVIL}\r\nX-Forwarded-Proto: https\r\nForwarded: host={EVIL}\r\n"
    for path in EMITTING:
        for accept in ("text/html", "application/json"):
            head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: {accept}\r\n{forwarded}\r\n"
            answer = exchange(server, head.encode("latin-1"))
            assert status_of(answer) < 500
            assert EVIL.encode() not in answer
            assert b"<script>" not in answer


PATHS = (
    f"//{EVIL}",
    f"//{EVIL}/account",
    f"//{EVIL}/%2e%2e",
    f"/\\{EVIL}",
    f"@{EVIL}",
    f"/@{EVIL}",
    f"http://{EVIL}/authorize",
    f"https://{EVIL}",
    f"/account//{EVIL}",
    f"/account/%0d%0aLocation:%20//{EVIL}",
    f"/authorize/..//{EVIL}",
    "/static/../app.py",
    "/static/%2e%2e/%2e%2e/app.py",
    "/static//etc/passwd",
    "/static/%00",
    "/static/" + "a" * 5000,
    "/interaction/%00",
    "/interaction/%ED%A0%80",
    "/%",
    "/%zz",
    "*",
)


@pytest.mark.parametrize("path", PATHS)
def test_an_odd_path_leads_nowhere_else(server: ServerProcess, path: str) -> None:
    """RFC 9112 section 3.2; CVE-2026-48710 and PYSEC-2026-248 in a library that reads the URL from the request."""
    for accept in ("text/html", "application/json"):
        answer = exchange(server, get(path, f"Accept: {accept}\r\n"))
        assert 300 <= status_of(answer) < 500
        head = answer.partition(b"\r\n\r\n")[0].lower()
        locations = re.findall(rb"^location: (.*)$", head, re.MULTILINE)
        assert all(EVIL.encode() not in location for location in locations)
        assert b"root:" not in answer


def announced_paths(server: ServerProcess) -> list[str]:
    with server.http() as http:
        document = http.get("/.well-known/openid-configuration").json()
    urls = [url for name, url in document.items() if name.endswith(("_endpoint", "_uri"))]
    pages = ["/", "/account", "/account/register", "/account/set-password", "/health/live", "/health/ready"]
    deeper = ["/interaction/x", "/interaction/x/sign-in", "/sign-out/x", "/account/sessions/end", "/static/x.css"]
    documents = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/robots.txt"]
    return [httpx.URL(url).path for url in urls] + pages + deeper + documents


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "SEARCH"])
def test_methods_that_nothing_takes_are_refused_everywhere(server: ServerProcess, method: str) -> None:
    """RFC 9110 sections 9.1 and 15.5.6."""
    with server.http() as http:
        for path in announced_paths(server):
            response = http.request(method, path)
            assert response.status_code == 405, path
            # Static files are served by Starlette, which leaves the header out.
            assert response.headers.get("allow") or path.startswith("/static/")


def test_methods_that_do_not_exist_end_before_the_application(server: ServerProcess) -> None:
    for method in ("FOO", "get", "__init__", "GETT", "CONNECT"):
        answer = exchange(server, f"{method} /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert status_of(answer) in (400, 405, 501)
    check_alive(server)


def test_head_says_what_get_would_without_a_body_and_options_nothing_secret(server: ServerProcess) -> None:
    """RFC 9110 sections 9.3.2 and 9.3.7."""
    with server.http(follow_redirects=False) as http:
        for path in announced_paths(server):
            head, get_, options = http.head(path), http.get(path), http.options(path)
            assert head.status_code == get_.status_code < 500, path
            assert head.content == b""
            assert head.headers.get("content-type") == get_.headers.get("content-type")
            assert options.status_code in (204, 405), path
            assert "access-control-allow-credentials" not in options.headers
            for response in (head, get_, options):
                assert response.headers["x-content-type-options"] == "nosniff"
                assert response.headers["x-request-id"]


def test_nothing_above_was_an_internal_error(server: ServerProcess) -> None:
    """What the log says at the end of this file, whatever ran before."""
    check_alive(server)
    assert "Traceback" not in server.log
    assert "a request failed" not in server.log


@pytest.mark.parametrize("rest", [b"", b"grant_type=", b"x" * 20], ids=["no body", "a part", "more of it"])
def test_a_request_behind_another_has_a_deadline_of_its_own(server: ServerProcess, rest: bytes) -> None:
    """The end of the first request must not stop the clock of the second, which came in the same piece."""
    first = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    second = b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n" + FORM.encode() + b"\r\n" + rest
    began = time.monotonic()
    answer = exchange(server, first + second)
    assert status_of(answer) == 200
    assert time.monotonic() - began < REQUEST_SECONDS + 3
