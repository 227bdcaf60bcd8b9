"""The programs that tests start: the server itself, Node.js, Chromium."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page

from keys.sealing import generate_root_key
from tests.conftest import Serve
from tests.support.chromium import Chromium, violations
from tests.support.node import run_script
from tests.support.postgresql import Cluster
from tests.support.process import ServerProcess


def test_a_server_process_answers_and_stops_when_asked(serve: Serve) -> None:
    server = serve()
    with server.http() as http:
        assert http.get("/.well-known/openid-configuration").json()["issuer"] == server.issuer
    assert server.run("doctor").returncode == 0
    assert server.stop() in (0, -signal.SIGTERM)  # uvicorn ends by the signal once it has finished
    assert "Traceback" not in server.log


def test_a_server_process_that_cannot_start_fails_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="OSTIARY_ISSUER must start with https"):
        ServerProcess(tmp_path, issuer="http://login.example.com").start()


def test_a_killed_server_starts_again_on_its_data(serve: Serve) -> None:
    server = serve()
    created = server.run("user", "create", "ada@example.com", "--json")
    assert created.returncode == 0, created.stderr
    server.kill()
    server.start()
    assert server.run("user", "show", "ada@example.com").returncode == 0


@pytest.mark.slow
def test_a_server_of_several_workers_serves_and_is_killed_whole(
    serve: Serve, cluster: Cluster, migrated_template: str
) -> None:
    name = cluster.create_database(migrated_template)
    server = serve(database_url=cluster.url(name), secret_key=generate_root_key(), workers=2)
    assert server.run("doctor").returncode == 0
    with server.http() as http:
        assert http.get("/health/ready").json()["status"] == "ok"
    server.kill()
    with server.http() as http, pytest.raises(httpx.ConnectError):
        http.get("/health/ready")
    server.start().stop()
    assert "Traceback" not in server.log
    cluster.drop_database(name)


def test_a_node_script_gets_its_argument_and_gives_json_back(tmp_path: Path) -> None:
    script = tmp_path / "echo.mjs"
    script.write_text("console.log(JSON.stringify({got: JSON.parse(process.argv[2])}))", "utf-8")
    assert run_script(script, {"issuer": "x"}) == {"got": {"issuer": "x"}}


@pytest.mark.parametrize("package", ["oidc-client-ts", "openid-client", "oauth4webapi"])
def test_the_javascript_clients_are_there(package: str) -> None:
    assert run_script(Path(__file__).with_name("names_of_package.mjs"), package) != []


def test_a_node_script_that_fails_fails_the_test_with_what_it_said(tmp_path: Path) -> None:
    script = tmp_path / "broken.mjs"
    script.write_text("throw new Error('out of cheese')", "utf-8")
    with pytest.raises(AssertionError, match="out of cheese"):
        run_script(script)


@pytest.mark.browser
async def test_chromium_shows_a_page_of_a_server_process(serve: Serve, chromium: Chromium, chromium_page: Page) -> None:
    await chromium_page.goto(serve().issuer + "/account")
    assert "Sign in" in await chromium_page.title()
    assert chromium.problems == []


@pytest.mark.browser
async def test_axe_sees_what_is_wrong_with_a_page(chromium_page: Page) -> None:
    await chromium_page.set_content("<html lang=en><title>t</title><main><h1>h</h1><img src='data:,'></main></html>")
    assert [one.partition(":")[0] for one in await violations(chromium_page)] == ["image-alt"]


@pytest.mark.browser
async def test_axe_waits_for_a_page_that_has_answered_with_nothing_yet(chromium_page: Page) -> None:
    begun = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n\r\n")
        await begun.wait()
        writer.write(b"<!doctype html><html lang=en><title>t</title><main><h1>h</h1><img src='data:,'></main></html>")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        await chromium_page.goto(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", wait_until="commit")
        looking = asyncio.create_task(violations(chromium_page))
        done, _ = await asyncio.wait({looking}, timeout=0.5)
        assert not done, "a look at a page of which nothing is there"
        begun.set()
        assert [one.partition(":")[0] for one in await looking] == ["image-alt"]


@pytest.mark.browser
async def test_a_page_cannot_reach_out_of_this_machine(chromium: Chromium, chromium_page: Page) -> None:
    await chromium_page.set_content("<img alt='' src='https://elsewhere.example/x.png'>", wait_until="load")
    assert any("ERR_NAME_NOT_RESOLVED" in problem for problem in chromium.problems)
