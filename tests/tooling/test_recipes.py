"""docs/recipes.md: every command of it works as it stands, one after the other, with a person where one is needed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from tests.interop.conftest import Visitor
from tests.support.process import QUICK, ROOT, ServerProcess, free_port

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs/recipes.md").read_text("utf-8")
PASSPHRASE = "a long enough pass phrase"
END = "=== end of block"
Decide = Callable[[], Awaitable[None]]


class Shell:
    """A terminal in which somebody pastes blocks one after the other. The first command that fails ends it."""

    def __init__(self, directory: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}
        self._process = subprocess.Popen(
            ["bash"],
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.run("set -eu -o pipefail")

    def run(self, block: str, typed: str = "") -> str:
        """Paste a block, type what it asks for, and return what it prints."""
        stdin, stdout = _pipe(self._process.stdin), _pipe(self._process.stdout)
        stdin.write(f"{block}\n{typed}\necho; echo '{END}'\n")
        stdin.flush()
        printed: list[str] = []
        for line in stdout:
            if line.rstrip("\n") == END:
                return "".join(printed)
            printed.append(line)
        raise AssertionError(f"{block}\nfailed, after it had printed:\n{''.join(printed)}")

    def end(self) -> None:
        """Close the terminal, and with it what it runs beside."""
        _pipe(self._process.stdin).close()
        self._process.wait(20)
        _pipe(self._process.stdout).close()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


class Reader:
    """Somebody who goes through the page, recipe by recipe."""

    def __init__(self, process: ServerProcess, tls_port: int) -> None:
        self.directory = process.directory
        self.process = process
        self._tls_port = tls_port
        self._shell = Shell(process.directory)
        self._printed: dict[str, str] = {}

    def blocks(self, title: str) -> Iterator[str]:
        """Return the commands of a recipe, with the ports of this test."""
        _, found, rest = PAGE.partition(f"\n## {title}\n")
        assert found, title
        for block in re.findall(r"```sh\n(.*?)```", rest.partition("\n## ")[0], flags=re.DOTALL):
            yield block.replace("http://localhost:8000", self.process.issuer).replace("8443", str(self._tls_port))

    async def follow(self, title: str, person: Visitor | None = None, decide: Decide | None = None) -> str:
        """Run a recipe, unless that was done before, and return what it prints.

        The person opens the address that was printed where a code is typed in, and decides before the last block.
        """
        if title not in self._printed:
            self._printed[title] = await self._run_all(list(self.blocks(title)), person, decide)
        return self._printed[title]

    async def _run_all(self, blocks: list[str], person: Visitor | None, decide: Decide | None) -> str:
        printed = [""]
        for block in blocks:
            if decide is not None and block is blocks[-1]:
                await decide()
            is_typed = block == "read -r CODE\n"
            printed.append(self.run(block, await _code_from(person, printed[-1]) if is_typed else ""))
        return "".join(printed)

    def run(self, block: str, typed: str = "") -> str:
        """Run one block; what runs until Ctrl-C runs beside the others."""
        if "ostiary serve" not in block:
            return self._shell.run(block.rstrip(), typed)
        ready = f"https://localhost:{self._tls_port}/health/ready"
        wait = f"until curl -s -o /dev/null --cacert var/mtls/server.pem {ready}; do sleep 0.1; done"
        return self._shell.run(f'{block.rstrip()} > var/mtls.log 2>&1 & trap "kill $!" EXIT\n{wait}')

    def saved(self, name: str) -> Any:
        """Return an answer that a recipe keeps in a file."""
        return json.loads((self.directory / "var" / name).read_text("utf-8"))

    def claims(self, name: str) -> dict[str, Any]:
        """Return what the access token in a file says."""
        claims: dict[str, Any] = jwt.decode(self.saved(name)["access_token"], options={"verify_signature": False})
        return claims

    def end(self) -> None:
        self._shell.end()


async def _code_from(person: Visitor | None, printed: str) -> str:
    """Open the address that was printed, do what it asks for, and return the code that the browser ends at."""
    assert person is not None
    url = next(line for line in printed.splitlines() if "/authorize?" in line)
    return parse_qs(urlsplit(await person.finish(url)).query)["code"][0]


def _answers(printed: str) -> list[Any]:
    """Return the JSON objects of servers among what a recipe prints; they stand in no line of a command's own."""
    lines = "".join(line for line in printed.splitlines(keepends=True) if line.startswith("{"))
    decoder, found, place = json.JSONDecoder(), [], 0
    while place < len(lines):
        value, end = decoder.raw_decode(lines, place)
        found.append(value)
        place = end + len(lines[end:]) - len(lines[end:].lstrip())
    return found


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """The directory of `make run`, and a server in it."""
    directory = tmp_path_factory.mktemp("recipes")
    (directory / ".venv").symlink_to(sys.prefix)
    process = ServerProcess(directory, data_dir=directory / "var", client_registration="token")
    settings = {**QUICK, "issuer": process.issuer, "client_registration": "token"}
    (directory / "ostiary.toml").write_text("".join(f"{name} = {json.dumps(settings[name])}\n" for name in settings))
    process.start()
    reading = Reader(process, free_port())
    for block in reading.blocks("Before"):
        reading.run(block)
    yield reading
    reading.end()
    process.kill()


@pytest.fixture
async def ada(reader: Reader) -> AsyncIterator[Visitor]:
    """The person of the page, and her browser."""
    async with Visitor(reader.process) as person:
        person.email, person.password = "ada@example.com", PASSPHRASE
        yield person


async def _come_in(ada: Visitor) -> None:
    await ada.sign_in()
    if ada.title == "Protect your account":  # which she is asked once
        await ada.postpone()


def test_the_recipes_of_the_table_are_those_of_the_page() -> None:
    table = re.findall(r"^\| \[(.+?)\]\(#", PAGE, re.MULTILINE)
    assert table == [title for title in re.findall(r"^## (.+)$", PAGE, re.MULTILINE) if title != "Before"]
    tested = re.findall(r'follow\(\s*"(.+?)"', Path(__file__).read_text("utf-8"))
    assert set(table) == set(tested)


async def test_a_service_gets_a_token_for_an_api(reader: Reader) -> None:
    printed = await reader.follow("Client credentials for an API")
    assert reader.claims("job.json")["aud"] == "https://notes.example.com/"
    assert "access token (JWT)" in printed


async def test_a_service_proves_its_key(reader: Reader) -> None:
    (answer,) = _answers(await reader.follow("A key instead of a secret"))
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "notes:read")


async def test_a_service_shows_its_certificate(reader: Reader) -> None:
    (told,) = _answers(await reader.follow("Mutual TLS"))
    assert told["active"] is True
    assert set(told["cnf"]) == {"x5t#S256"}


async def test_a_person_signs_in_with_a_code(reader: Reader, ada: Visitor) -> None:
    (about,) = _answers(await reader.follow("Authorization code with PKCE", ada))
    assert about["name"] == "Ada Lovelace"
    assert {"access_token", "id_token", "refresh_token"} <= reader.saved("site.json").keys()


async def test_a_request_is_pushed_and_the_token_bound(reader: Reader, ada: Visitor) -> None:
    (about,) = _answers(await reader.follow("Pushed requests and DPoP", ada))
    assert about["name"] == "Ada Lovelace"
    assert reader.saved("bound.json")["token_type"] == "DPoP"
    assert set(reader.claims("bound.json")["cnf"]) == {"jkt"}


async def test_a_person_allows_one_payment(reader: Reader, ada: Visitor) -> None:
    answers = _answers(await reader.follow("Rich authorization requests", ada))
    assert answers[-1]["authorization_details"] == [{"type": "payment", "amount": "12.50 EUR", "to": "The baker"}]


async def test_a_person_connects_a_device(reader: Reader, ada: Visitor) -> None:
    async def connect() -> None:
        await ada.visit(reader.saved("device.json")["verification_uri"])
        await ada.submit(user_code=reader.saved("device.json")["user_code"])
        await _come_in(ada)
        await ada.consent()

    *_, tokens = _answers(await reader.follow("Device flow", decide=connect))
    assert {"access_token", "id_token", "refresh_token"} <= tokens.keys()


async def test_a_person_is_asked_elsewhere(reader: Reader, ada: Visitor) -> None:
    async def approve() -> None:
        await ada.visit("/account/requests")
        await _come_in(ada)
        assert "Basket 4711" in ada.text
        await ada.submit(("decision", "approve"))

    *_, tokens = _answers(await reader.follow("CIBA", decide=approve))
    assert {"access_token", "id_token"} <= tokens.keys()


async def test_a_person_signs_out(reader: Reader, ada: Visitor) -> None:
    await ada.visit("/account")
    await _come_in(ada)
    printed = await reader.follow("Signing out")
    await ada.visit(printed.split()[-1])
    await ada.submit(("decision", "sign-out"))
    assert ada.left_for == "https://office.example.com/?state=4711"


async def test_a_token_is_exchanged_for_the_next_api(reader: Reader, ada: Visitor) -> None:
    await reader.follow("Authorization code with PKCE", ada)
    await reader.follow("Token exchange")
    before, after = reader.claims("site.json"), reader.claims("stock.json")
    assert (after["aud"], after["sub"], after["scope"]) == ("https://stock.example.com/", before["sub"], "notes:read")
    assert after["act"]["client_id"] == after["client_id"] != before["client_id"]


async def test_a_service_vouches_for_a_person(reader: Reader) -> None:
    await reader.follow("A key instead of a secret")
    (answer,) = _answers(await reader.follow("JWT bearer grant"))
    assert answer["scope"] == "notes:read"


async def test_an_opaque_token_ends_at_once(reader: Reader) -> None:
    token, told, *_, over = _answers(await reader.follow("Opaque access tokens"))
    assert token["access_token"].startswith("oat_")
    assert (told["active"], over) == (True, {"active": False})


async def test_a_clinic_knows_a_person_by_another_name(reader: Reader, ada: Visitor) -> None:
    (about,) = _answers(await reader.follow("Pairwise subjects", ada))
    assert about["name"] == "Ada Lovelace"
    assert about["sub"] not in (reader.saved("ada.json")["id"], "")


async def test_a_program_registers_itself(reader: Reader) -> None:
    (known,) = _answers(await reader.follow("Dynamic registration"))
    assert known["client_name"] == "Newcomer"
    assert reader.saved("registered.json")["client_secret_expires_at"] == 0
