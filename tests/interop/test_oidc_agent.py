"""Debian's oidc-agent: a command line that asks for a person's tokens, keeps them and renews them."""

import asyncio
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from clients.metadata import DEVICE_CODE
from tests.interop.conftest import Visitor
from tests.support.listening import ListeningServer

pytestmark = pytest.mark.interop
SECONDS = 20
TRIES = 10
"""Its agent serves one command at a time, and does not listen in between."""
LISTENS = "00010000"
"""The flags of a socket that accepts connections, in /proc/net/unix."""
SCOPE = "openid profile offline_access"
DEVICE = {
    "client_name": "Agent",
    "grant_types": [DEVICE_CODE, "refresh_token"],
    "response_types": [],
    "redirect_uris": [],
    "scope": "openid profile email offline_access",
}


class Agent:
    """`oidc-agent` with a folder of its own; its files are sealed with a password."""

    def __init__(self, folder: Path, issuer: str) -> None:
        self.issuer = issuer
        self._socket = folder / "socket"
        self._log = folder / "log"
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "OIDC_CONFIG_DIR": str(folder),
            "OIDC_SOCK": str(self._socket),
            "OIDC_ENCRYPTION_PW": "only for this test",
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        assert shutil.which("oidc-agent"), "oidc-agent is not installed: run scripts/provision"
        with self._log.open("ab") as log:
            # Without --console it would leave for the background, where nobody waits for it.
            command = ("oidc-agent", "--console", "--log-stderr", "--pw-store", "--socket-path", str(self._socket))
            self._process = await asyncio.create_subprocess_exec(
                *command, env=self._environment, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        while not self._is_listening():
            assert self._process.returncode is None, self._log.read_text("utf-8")
            await asyncio.sleep(0.02)

    def _is_listening(self) -> bool:
        # The file is there a moment before anybody listens at it.
        table = [line.split() for line in Path("/proc/net/unix").read_text("utf-8").splitlines()]
        return any(row[-1] == str(self._socket) and row[3] == LISTENS for row in table)

    async def stop(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()
        self._socket.unlink(missing_ok=True)

    async def begin(self, *command: str) -> asyncio.subprocess.Process:
        """Start a command that will ask a person for something."""
        return await asyncio.create_subprocess_exec(
            *command,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def run(self, *command: str) -> str:
        """Run a command that must succeed, and return what it prints."""
        for _ in range(TRIES):
            process = await self.begin(*command)
            async with asyncio.timeout(SECONDS):
                printed, _ = await process.communicate()
            if b"Could not connect to oidc-agent" not in printed:
                break
            await asyncio.sleep(0.1)
        return self._checked(process, printed)

    async def finish(self, process: asyncio.subprocess.Process) -> str:
        """Wait for the end of a command, which must be a good one."""
        async with asyncio.timeout(SECONDS):
            printed, _ = await process.communicate()
        return self._checked(process, printed)

    def _checked(self, process: asyncio.subprocess.Process, printed: bytes) -> str:
        assert process.returncode == 0, printed.decode() + self._log.read_text("utf-8")
        return printed.decode().strip()

    async def generate(self, *options: str) -> asyncio.subprocess.Process:
        """Begin `oidc-gen`, which makes an account's configuration."""
        fixed = ("--issuer", self.issuer, "--scope", SCOPE, "--pw-env", "--prompt", "none", "--confirm-default")
        return await self.begin("oidc-gen", "alice", *fixed, *options)

    async def token(self, *options: str) -> str:
        """Return an access token."""
        return await self.run("oidc-token", "alice", *options)


async def read_until(process: asyncio.subprocess.Process, pattern: str) -> str:
    """Return what a pattern finds in the next lines that a command prints."""
    assert process.stdout is not None
    printed = ""
    async with asyncio.timeout(SECONDS):
        while line := (await process.stdout.readline()).decode():
            printed += line
            if found := re.search(pattern, line):
                return found[1]
    raise AssertionError(printed)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.fixture
def overrides() -> dict[str, Any]:
    return {"client_registration": "open"}


@pytest.fixture
async def agent(listening: ListeningServer) -> AsyncIterator[Agent]:
    """A running agent."""
    folder = Path(tempfile.mkdtemp(prefix="ostiary-agent-"))  # short: the name of a socket has 100 characters
    running = Agent(folder, listening.issuer)
    try:
        await running.start()
        yield running
    finally:
        await running.stop()
        shutil.rmtree(folder)


@pytest.fixture
async def visitor(listening: ListeningServer) -> AsyncIterator[Visitor]:
    """Alice's browser."""
    async with Visitor(listening) as alice:
        yield alice


async def _connect(visitor: Visitor, process: asyncio.subprocess.Process) -> None:
    """Type in the code that the command shows, and agree."""
    user_code = await read_until(process, r"enter the code: (\S+)")
    await visitor.visit(f"{visitor.server.issuer}/device")
    await visitor.submit(user_code=user_code)
    await visitor.sign_in()
    await visitor.postpone()
    await visitor.consent()
    assert visitor.title == "Device connected", visitor.text


async def _check_renewal(agent: Agent, listening: ListeningServer) -> str:
    """Renew twice, so that the second time a rotated refresh token is used; return the last token."""
    first = await agent.token()
    assert claims_of(first)["iss"] == listening.issuer
    assert await agent.token() == first
    second, third = await agent.token("--force-new"), await agent.token("--force-new")
    assert len({first, second, third}) == 3
    return third


@pytest.mark.parametrize("method", ["none", "client_secret_basic"])
async def test_oidc_agent_connects_as_a_device(
    listening: ListeningServer, agent: Agent, visitor: Visitor, method: str
) -> None:
    """RFC 8628 and RFC 6749 section 6; the refresh token outlives the agent in its file."""
    secret = await listening.add_client("agent", token_endpoint_auth_method=method, **DEVICE)
    process = await agent.generate("--flow", "device", "--client-id", "agent", "--client-secret", secret)
    await _connect(visitor, process)
    await agent.finish(process)
    last = await _check_renewal(agent, listening)
    async with listening.http(headers={"authorization": f"Bearer {last}"}) as http:
        assert (await http.get("/userinfo")).json()["name"] == "Alice Ample"
    narrow = claims_of(await agent.token("--force-new", "--scope", "openid"))
    assert narrow["scope"] == "openid"
    await agent.stop()
    await agent.start()
    await agent.run("oidc-add", "alice", "--pw-env")
    assert claims_of(await agent.token())["client_id"] == "agent"


async def test_oidc_agent_registers_itself_and_signs_in_with_a_browser(
    listening: ListeningServer, agent: Agent, visitor: Visitor
) -> None:
    """RFC 7591, RFC 8252 section 7.3, RFC 7636; the agent listens for the answer itself."""
    process = await agent.generate("--flow", "code", "--no-url-call", "--no-scheme")
    url = await read_until(process, r"(http\S+/authorize\?\S+)")
    callback = await visitor.finish(url)
    with contextlib.suppress(Exception):
        await visitor.http.get(callback)
    await agent.finish(process)
    last = claims_of(await _check_renewal(agent, listening))
    assert last["client_id"].startswith("cli_")
