"""Two server processes on one PostgreSQL database are one server."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from keys.sealing import generate_root_key
from server.events.names import Event
from server.storage import schema
from server.storage.database import PostgreSQLDatabase
from tests.attacks.conftest import count, reach, statuses
from tests.conftest import SettingsFor
from tests.support.person import Person
from tests.support.postgresql import Cluster
from tests.support.process import ServerProcess
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD

pytestmark = pytest.mark.slow
ISSUER = "https://login.example.com"
SEEN_SECONDS = 1.0
KEYS_SECONDS = 2.0
IN_PARALLEL = 8
CLIENT = {
    "redirect_uris": ["https://client.example/cb"],
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "client_name": "Web Shop",
    "scope": "openid profile email offline_access read:things",
}


def _start_at_once(*processes: ServerProcess) -> None:
    with ThreadPoolExecutor(len(processes)) as pool:
        list(pool.map(ServerProcess.start, processes))


async def _run(database_url: str, work: Callable[[Connection], Any]) -> Any:
    database = PostgreSQLDatabase(database_url, pool_size=1)
    try:
        return await database.run(work)
    finally:
        await database.close()


@dataclass
class Nodes:
    """Two nodes and their database."""

    a: ServerProcess
    b: ServerProcess
    database_url: str

    def kill(self) -> None:
        self.a.kill()
        self.b.kill()

    async def run(self, work: Callable[[Connection], Any]) -> Any:
        """Run work in a transaction of the nodes' database."""
        return await _run(self.database_url, work)

    async def add_person(self, email: str) -> str:
        """Let a person make an account."""
        async with Person(reach(self.a), email=email) as person:
            await person.visit("/account/register")
            await person.submit(email=email, name="Somebody", password=PASSWORD)
            assert person.title == "Your account"
        return email

    def add_client(self) -> dict[str, str]:
        made: dict[str, str] = self.a.cli("client", "create", "--metadata", "-", stdin=json.dumps(CLIENT))
        return made

    def relying_parties(self, client: dict[str, str]) -> tuple[RelyingParty, RelyingParty]:
        """Return one client as it speaks to the first and to the second node."""
        at_a = RelyingParty(reach(self.a), client["client_id"], client["client_secret"])
        at_b = RelyingParty(reach(self.b), client["client_id"], client["client_secret"])
        at_b.verifier, at_b.state, at_b.nonce = at_a.verifier, at_a.state, at_a.nonce
        return at_a, at_b


@pytest.fixture(scope="module")
def nodes(cluster: Cluster, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two nodes, one after the other."""
    name = cluster.create_database(migrated_template)
    url = cluster.url(name)
    directory: Path = tmp_path_factory.mktemp("nodes")
    settings: dict[str, Any] = {"database_url": url, "secret_key": generate_root_key(), "issuer": ISSUER, "mfa": "off"}
    running = Nodes(ServerProcess(directory, **settings), ServerProcess(directory, **settings), url)
    try:
        running.a.start()
        running.b.start()
        yield running
    finally:
        running.kill()
        cluster.drop_database(name)


@pytest.fixture(scope="module")
def client(nodes: Nodes) -> dict[str, str]:
    """A confidential web application."""
    return nodes.add_client()


@pytest.fixture
async def alice(nodes: Nodes) -> str:
    """The address of somebody new."""
    return await nodes.add_person(f"alice-{time.monotonic_ns()}@example.com")


async def _seen_within(seconds: float, is_seen: Callable[[], Awaitable[bool]]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await is_seen():
            return True
        await asyncio.sleep(0.05)
    return False


async def _kids(rp: RelyingParty) -> set[str]:
    async with rp.server.http() as http:
        return {key["kid"] for key in (await http.get("/jwks")).json()["keys"]}


async def _is_active(rp: RelyingParty, token: str) -> bool:
    answer = await rp.post("/introspect", token=token)
    return answer.status_code == 200 and answer.json()["active"] is True


def _states(db: Connection) -> list[str]:
    signs = schema.signing_keys.c.algorithm == "RS256"  # the others encrypt
    return sorted(db.execute(select(schema.signing_keys.c.state).where(signs)).scalars())


async def test_a_code_redeemed_at_both_nodes_at_once_gives_tokens_once(
    nodes: Nodes, client: dict[str, str], alice: str
) -> None:
    """RFC 6749 section 4.1.2."""
    at_a, at_b = nodes.relying_parties(client)
    async with Person(at_a.server, email=alice) as person:
        code = await at_a.code_for(person)
    responses = await asyncio.gather(*(rp.redeem(code) for rp in (at_a, at_b) for _ in range(IN_PARALLEL)))
    assert statuses(responses) == [200] + [400] * (2 * IN_PARALLEL - 1)
    tokens = next(response.json() for response in responses if response.status_code == 200)
    for rp in (at_a, at_b):
        assert (await rp.userinfo(tokens["access_token"])).status_code == 401
        assert not await _is_active(rp, tokens["refresh_token"])


async def test_a_refresh_token_used_at_both_nodes_at_once_has_one_successor(
    nodes: Nodes, client: dict[str, str], alice: str
) -> None:
    """RFC 9700 section 4.14.2."""
    at_a, at_b = nodes.relying_parties(client)
    async with Person(at_a.server, email=alice) as person:
        token = (await at_a.sign_in(person))["refresh_token"]
    responses = await asyncio.gather(*(rp.refresh(token) for rp in (at_a, at_b) for _ in range(IN_PARALLEL)))
    assert set(statuses(responses)) == {200}
    successors = {response.json()["refresh_token"] for response in responses}
    assert len(successors) == 1
    assert (await at_b.refresh(successors.pop())).status_code == 200


async def test_a_sign_in_goes_from_node_to_node(nodes: Nodes, client: dict[str, str], alice: str) -> None:
    """Each request of the browser reaches the other node: form, session, consent and code are in the database."""
    at_a, at_b = nodes.relying_parties(client)
    async with Person(reach(nodes.a, nodes.b), email=alice) as person:
        code = await at_a.code_for(person, prompt="login consent")
        tokens = (await at_b.redeem(code)).json()
        await person.visit("/account")
        assert person.title == "Your account"
    _, claims = await at_a.verified(tokens["id_token"])
    assert claims["nonce"] == at_a.nonce
    for rp in (at_a, at_b):
        assert (await rp.userinfo(tokens["access_token"])).json()["sub"] == claims["sub"]


async def test_a_disabled_person_is_out_at_both_nodes_within_a_second(nodes: Nodes, client: dict[str, str]) -> None:
    """RFC 7662 section 2.2: what was revoked is not active."""
    mallory = await nodes.add_person("mallory@example.com")
    at_a, at_b = nodes.relying_parties(client)
    async with Person(at_a.server, email=mallory) as person:
        tokens = await at_a.sign_in(person)
        cookies = person.http.cookies
    for rp in (at_a, at_b):
        assert (await rp.userinfo(tokens["access_token"])).status_code == 200
        assert await _is_active(rp, tokens["access_token"])
    nodes.b.cli("user", "disable", mallory)

    async def is_out() -> bool:
        for rp in (at_a, at_b):
            if (await rp.userinfo(tokens["access_token"])).status_code != 401:
                return False
            if await _is_active(rp, tokens["access_token"]) or await _is_active(rp, tokens["refresh_token"]):
                return False
            async with Person(rp.server, email=mallory) as browser:
                browser.http.cookies = cookies
                if (await browser.visit("/account")).title != "Sign in":
                    return False
        return True

    assert await _seen_within(SEEN_SECONDS, is_out)
    assert {(await rp.refresh(tokens["refresh_token"])).status_code for rp in (at_a, at_b)} == {400}


async def test_a_disabled_client_is_out_at_both_nodes_within_a_second(nodes: Nodes, alice: str) -> None:
    client = nodes.add_client()
    at_both = nodes.relying_parties(client)
    async with Person(at_both[0].server, email=alice) as person:
        tokens = await at_both[0].sign_in(person)
    for rp in at_both:
        machine = await rp.post("/token", grant_type="client_credentials", scope="read:things")
        assert machine.status_code == 200, machine.text
        assert (await rp.userinfo(tokens["access_token"])).status_code == 200
    nodes.a.cli("client", "disable", client["client_id"])

    async def is_out() -> bool:
        answers = [await rp.post("/token", grant_type="client_credentials") for rp in at_both]
        answers += [await rp.userinfo(tokens["access_token"]) for rp in at_both]
        answers += [await rp.refresh(tokens["refresh_token"]) for rp in at_both]
        return statuses(answers) == [401] * 6

    assert await _seen_within(SEEN_SECONDS, is_out)


async def test_a_key_rotated_at_one_node_is_published_by_the_other_and_all_tokens_verify(
    nodes: Nodes, client: dict[str, str], alice: str
) -> None:
    """OpenID Connect Core section 10.1.1."""
    at_a, at_b = nodes.relying_parties(client)
    async with Person(at_a.server, email=alice) as person:
        before = await at_a.sign_in(person)
        old = await _kids(at_b)
        nodes.a.cli("key", "rotate", "--now")

        async def is_published() -> bool:
            return len(await _kids(at_b) - old) == 1 and await _kids(at_a) == await _kids(at_b)

        assert await _seen_within(KEYS_SECONDS, is_published)
        after = [await rp.sign_in(person) for rp in (at_a, at_b)]
    for issued in (before, *after):
        for rp in (at_a, at_b):
            header, _ = await rp.verified(issued["access_token"])
            assert (header["kid"] in old) == (issued is before)
            assert (await rp.userinfo(issued["access_token"])).status_code == 200


async def test_of_two_nodes_that_find_a_key_due_at_once_exactly_one_acts(nodes: Nodes) -> None:
    activated = schema.audit_log.c.event == Event.KEY_ACTIVATED.value
    nodes.a.cli("key", "rotate")
    nodes.kill()
    before = await nodes.run(_states)
    assert (before.count("active"), before.count("next")) == (1, 1)
    is_next = (schema.signing_keys.c.state == "next") & (schema.signing_keys.c.algorithm == "RS256")
    await nodes.run(lambda db: db.execute(update(schema.signing_keys).where(is_next).values(activate_at=1)).rowcount)
    await asyncio.to_thread(_start_at_once, nodes.a, nodes.b)
    states = await nodes.run(_states)
    assert (states.count("active"), states.count("retiring")) == (1, before.count("retiring") + 1)
    assert await nodes.run(lambda db: count(db, schema.audit_log, activated)) == 1
    kids = [await _kids(RelyingParty(reach(node))) for node in (nodes.a, nodes.b)]
    assert kids[0] == kids[1]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_nodes_that_start_for_the_first_time_at_once_make_one_key_and_one_administrator(
    settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for()
    known: dict[str, Any] = {
        "database_url": settings.database_url,
        "secret_key": settings.secret_key,
        "issuer": settings.issuer,
    }
    processes = [ServerProcess(tmp_path, **known) for _ in range(3)]
    try:
        await asyncio.to_thread(_start_at_once, *processes)
        kids = [await _kids(RelyingParty(reach(process))) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert kids[0] == kids[1] == kids[2]
    assert await _run(settings.database_url, _states) == ["active"]
    assert await _run(settings.database_url, lambda db: count(db, schema.users)) == 1
