"""The server as a process: start, second start, refusal, slow senders, kill, overload, an outage of the database."""

import asyncio
import json
import re
import signal
import socket
import time
from collections.abc import Callable

import httpx
import pytest

from tests.conftest import Serve
from tests.support.person import Person
from tests.support.process import ServerProcess
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer

KILLS = 2
HEAD = b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"


def _token(server: ServerProcess, client: dict[str, str]) -> httpx.Response:
    with server.http() as http:
        return http.post(
            "/token",
            data={"grant_type": "client_credentials"},
            auth=(client["client_id"], client["client_secret"]),
        )


def _service(server: ServerProcess) -> dict[str, str]:
    result = server.run("client", "create", "--profile", "service", "--scope", "read:things", "--json")
    assert result.returncode == 0, result.stderr
    made: dict[str, str] = json.loads(result.stdout)
    return made


def _within_a_second(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


def test_the_first_start_prints_a_link_and_the_second_one_reuses_everything(serve: Serve) -> None:
    server = serve()
    link = re.search(r"http://\S+/account/set-password\?token=opw_\S+", server.log)
    assert link is not None
    with server.http() as http:
        page = http.get(link[0])
        assert page.status_code == 200
        csrf = re.search(r'name="csrf_token" value="([0-9a-f]+)"', page.text)
        action = re.search(r'action="([^"]+)"', page.text)
        assert csrf is not None
        assert action is not None
        done = http.post(action[1], data={"csrf_token": csrf[1], "password": PASSWORD})
        assert done.status_code == 303
        first_keys = http.get("/jwks").json()
    assert server.stop() in (0, -signal.SIGTERM)
    before = len(server.log)
    server.start()
    assert "set-password" not in server.log[before:]
    with server.http() as http:
        assert http.get("/jwks").json() == first_keys
    (made,) = (line for line in server.log.splitlines() if "keys changed" in line)
    assert re.search(r'signing"?[=:] ?1\b', made), made
    assert re.search(r'encryption"?[=:] ?[1-9]', made), "those that others encrypt to are counted apart"
    assert (server.directory / "data" / "secret-key").stat().st_mode & 0o777 == 0o600


def test_a_second_server_on_the_same_sqlite_file_is_refused(serve: Serve) -> None:
    server = serve()
    result = server.run("serve", "--port", "0")
    assert result.returncode == 1
    assert "one SQLite file serves one process" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_command_line_works_beside_a_running_server_and_is_seen_within_a_second(serve: Serve) -> None:
    server = serve()
    client = _service(server)
    assert _token(server, client).status_code == 200
    assert server.run("client", "disable", client["client_id"]).returncode == 0
    assert _within_a_second(lambda: _token(server, client).status_code == 401)
    assert server.run("key", "rotate", "--now").returncode == 0
    with server.http() as http:

        def signing() -> int:
            return [key["use"] for key in http.get("/jwks").json()["keys"]].count("sig")

        assert _within_a_second(lambda: signing() == 2)


def test_a_kill_loses_nothing_that_was_answered(serve: Serve) -> None:
    server = serve()
    client = _service(server)
    assert _token(server, client).status_code == 200
    for _ in range(KILLS):
        created = server.run("user", "create", f"p{time.monotonic_ns()}@example.com", "--json")
        assert created.returncode == 0
        server.kill()
        server.start()
        assert _token(server, client).status_code == 200
    assert server.run("doctor").returncode == 0
    assert server.run("user", "list", "--json").stdout.count('"id"') == KILLS + 1


def test_slow_and_oversized_requests_are_cut_off(serve: Serve) -> None:
    server = serve(request_seconds=1)
    for start in (
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        HEAD + b"Content-Length: 9\r\n\r\na",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(start)
            began = time.monotonic()
            answer = connection.recv(1000)
            assert time.monotonic() - began < 5
            assert answer == b"" or b" 408 " in answer.splitlines()[0]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000)
        assert b" 431 " in connection.recv(1000)
    with server.http() as http:
        assert http.get("/health/live").json() == {"status": "ok"}


def test_the_server_header_tells_nothing_and_every_answer_has_a_request_id(serve: Serve) -> None:
    server = serve()
    with server.http() as http:
        first, second = http.get("/"), http.get("/nonsense", headers={"accept": "text/html"})
    assert "server" not in first.headers
    assert second.status_code == 404
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert second.headers["x-request-id"] in second.text
    deadline = time.monotonic() + 5
    while second.headers["x-request-id"] not in server.log and time.monotonic() < deadline:
        time.sleep(0.05)  # the line is written after the answer
    assert second.headers["x-request-id"] in server.log


async def test_a_full_password_queue_is_503_and_the_token_endpoint_goes_on(server: RunningServer) -> None:
    secret = await server.add_service()
    service = RelyingParty(server, "service", secret)
    await server.add_client("spa", token_endpoint_auth_method="none")
    rp = RelyingParty(server, "spa")
    hasher = server.services.hasher
    async with Person(server) as person:
        await person.visit(rp.url())
        form = person.form
        data = {**form.fields, "email": "x@example.com", "password": "y"}
        hasher.close()
        server.services.hasher = type(hasher)(12, 65_536, 1, 1)
        answers = asyncio.gather(*(person.http.post(form.action, data=data) for _ in range(12)))
        assert (await service.post("/token", grant_type="client_credentials")).status_code == 200
        statuses = [answer.status_code for answer in await answers]
    assert 503 in statuses
    assert set(statuses) <= {503, 400, 429}


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_health_goes_red_when_the_database_is_gone(server: RunningServer) -> None:
    async with server.http() as http:
        assert (await http.get("/health/ready")).json()["status"] == "ok"
        database = server.services.database
        await database.close()
        broken = type(database)("postgresql://ostiary@/x?host=/nonexistent", pool_size=1)  # type: ignore[call-arg]
        server.services.database = broken
        response = await http.get("/health/ready")
        assert response.status_code == 503
        assert response.json()["checks"]["database"] == "unavailable"
        assert (await http.get("/health/live")).status_code == 200
        page = await http.get("/account", headers={"accept": "text/html", "cookie": "__Host-ostiary_session=x"})
        assert page.status_code == 503
        assert page.headers["retry-after"]
        server.services.database = database
