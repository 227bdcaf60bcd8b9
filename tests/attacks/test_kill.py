"""A server is killed again and again under load: what was answered stays true, what got lost can be tried again."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import Connection, func, select, text

from keys.sealing import generate_root_key
from server.accounts import lifecycle
from server.cli import serve as serve_command
from server.events.context import CLI
from server.storage import schema, users
from server.storage.database import Database
from tests.attacks.conftest import count, reach
from tests.conftest import Serve
from tests.support.person import Person
from tests.support.postgresql import Cluster
from tests.support.process import ServerProcess
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD

pytestmark = pytest.mark.slow
SEED = 20_260_801
KILLS = 6
KILLS_AT_FIRST_START = 3
PEOPLE = 3
FAMILIES_TRIED = 6
ALGORITHMS = ("ES256", "RS256")
ENCRYPTION_ALGORITHMS = ("ECDH-ES", "RSA-OAEP-256")
WEB: dict[str, Any] = {
    "redirect_uris": ["https://client.example/cb"],
    "grant_types": ["authorization_code", "refresh_token"],
    "skip_consent": True,
}
SERVICE: dict[str, Any] = {"grant_types": ["client_credentials"], "response_types": [], "scope": "read:things"}
Settings = dict[str, Any]


@dataclass
class Family:
    """One sign-in as its client knows it."""

    refresh_token: str
    is_asking: bool = False
    """Whether the client has asked for the successor and got no answer."""


@dataclass
class Evidence:
    """What the clients were told, and what a kill kept from them."""

    access_tokens: list[str] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)

    def take(self, response: httpx.Response) -> dict[str, Any]:
        """Keep the tokens of an answer. No answer may be a refusal: nobody did anything wrong."""
        assert response.status_code == httpx.codes.OK, response.text
        tokens: dict[str, Any] = response.json()
        self.access_tokens.append(tokens["access_token"])
        return tokens


class Customer:
    """A person who signs in again and again, and the application that refreshes the tokens."""

    def __init__(self, process: ServerProcess, client: dict[str, str], email: str, evidence: Evidence) -> None:
        self.rp = RelyingParty(reach(process), client["client_id"], client["client_secret"])
        self.chance = random.Random(email)
        self.person = Person(self.rp.server, email=email)
        self.evidence = evidence
        self.code: str | None = None
        """A code whose redemption was not answered."""

    async def live(self) -> None:
        while True:
            family = await self.sign_in(prompt=self.chance.choice(["login", None]))
            for _ in range(3):
                await self.refresh(family)

    async def sign_in(self, prompt: str | None = None) -> Family:
        self.code = await self.rp.code_for(self.person, prompt=prompt)
        tokens = self.evidence.take(await self.rp.redeem(self.code))
        self.code = None
        self.evidence.families.append(Family(tokens["refresh_token"]))
        return self.evidence.families[-1]

    async def refresh(self, family: Family) -> str:
        family.is_asking = True
        tokens = self.evidence.take(await self.rp.refresh(family.refresh_token))
        family.refresh_token, family.is_asking = str(tokens["refresh_token"]), False
        return family.refresh_token

    async def try_code_again(self) -> None:
        """Redeem a code whose answer got lost: it was used up, or it was not; then sign in again."""
        if self.code is not None:
            answer = await self.rp.redeem(self.code)
            assert answer.status_code == 200 or answer.json()["error"] == "invalid_grant", answer.text
        await self.sign_in()


class Shop:
    """A server with clients and people at work."""

    def __init__(self, process: ServerProcess) -> None:
        self.process = process
        self.evidence = Evidence()
        with ThreadPoolExecutor(2) as pool:
            web, service = pool.map(self._add_client, (WEB, SERVICE))
        self.service = RelyingParty(reach(process), service["client_id"], service["client_secret"])
        emails = [f"p{number}@example.com" for number in range(PEOPLE)]
        self.customers = [Customer(process, web, email, self.evidence) for email in emails]

    def _add_client(self, metadata: dict[str, Any]) -> dict[str, str]:
        made: dict[str, str] = self.process.cli("client", "create", "--metadata", "-", stdin=json.dumps(metadata))
        return made

    async def __aenter__(self) -> Self:
        for customer in self.customers:
            await customer.person.visit("/account/register")
            await customer.person.submit(email=customer.person.email, name="Somebody", password=PASSWORD)
        return self

    async def __aexit__(self, *_: object) -> None:
        for customer in self.customers:
            await customer.person.http.aclose()

    async def _serve_machines(self) -> None:
        while True:
            self.evidence.take(await self.service.post("/token", grant_type="client_credentials"))

    async def work_until_killed(self, seconds: float) -> None:
        """Let everybody work, and pull the plug after a while."""
        work = [self._serve_machines(), *(customer.live() for customer in self.customers)]
        tasks = [asyncio.create_task(self._until_killed(task)) for task in work]
        await asyncio.sleep(seconds)
        self.process.kill()
        await asyncio.gather(*tasks)

    async def _until_killed(self, work: Awaitable[None]) -> None:
        try:
            await work
        except httpx.TransportError as error:
            self.evidence.lost[type(error).__name__] += 1

    async def recover(self) -> None:
        """Let the clients do what clients do after a failure."""
        asking = [family for family in self.evidence.families if family.is_asking]
        self.evidence.lost["refresh"] += len(asking)
        self.evidence.lost["code"] += sum(customer.code is not None for customer in self.customers)
        client = self.customers[0]
        for family in asking + self.evidence.families[-FAMILIES_TRIED:]:
            token = family.refresh_token
            successor = await client.refresh(family)
            retried = client.evidence.take(await client.rp.refresh(token))
            assert retried["refresh_token"] == successor
        for customer in self.customers:
            await customer.try_code_again()

    async def verify(self, tokens: list[str]) -> None:
        """Check tokens with the published keys."""
        async with self.service.server.http() as http:
            keys = KeySet.import_key_set((await http.get("/jwks")).json())
        for token in tokens:
            assert jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims["iss"] == self.process.issuer


def _active_keys(db: Connection) -> list[str]:
    column = schema.signing_keys.c.algorithm
    is_active = schema.signing_keys.c.state == "active"
    return sorted(db.execute(select(column).where(is_active)).scalars())


def _live_tokens_of_each_family(db: Connection) -> set[int]:
    table = schema.refresh_tokens
    families = set(db.execute(select(table.c.authorization_id).distinct()).scalars())
    live = select(table.c.authorization_id, func.count()).where(table.c.consumed_at.is_(None))
    found = {str(name): int(number) for name, number in db.execute(live.group_by(table.c.authorization_id))}
    return {found.get(name, 0) for name in families}


def _is_sound(db: Connection) -> bool:
    """Let SQLite check its own file; PostgreSQL has not been killed."""
    return db.dialect.name != "sqlite" or db.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"


@pytest.fixture
def location(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of a server on the test's database; the embedded one and its root key are made by the server."""
    # A slow machine must not let the retries come too late.
    settings: Settings = {"mfa": "off", "signing_algorithms": ",".join(ALGORITHMS), "refresh_reuse_seconds": 60}
    if backend == "sqlite":
        yield {**settings, "database_url": f"sqlite:///{tmp_path / 'data' / 'ostiary.db'}"}
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.create_database(request.getfixturevalue("migrated_template"))
    yield {**settings, "database_url": cluster.url(name), "secret_key": generate_root_key()}
    cluster.drop_database(name)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_kills_under_load_lose_nothing_that_was_answered(serve: Serve, location: Settings) -> None:
    """RFC 6749 section 4.1.2 and RFC 9700 section 4.14.2 hold across kills: single use, and retries that work."""
    chance = random.Random(SEED)
    process = serve(**location)
    verified = 0
    async with Shop(process) as shop:
        evidence = shop.evidence
        for _ in range(KILLS):
            await shop.work_until_killed(chance.uniform(0.05, 0.5))
            await asyncio.to_thread(process.start)
            await shop.recover()
            await shop.verify(evidence.access_tokens[verified:])
            verified = len(evidence.access_tokens)
            assert await process.look(_active_keys) == sorted([*ALGORITHMS, *ENCRYPTION_ALGORITHMS])
        for family in evidence.families:
            await shop.customers[0].refresh(family)
        await shop.verify(evidence.access_tokens)
    assert await process.look(_is_sound)
    assert await process.look(_live_tokens_of_each_family) == {1}
    assert process.run("doctor").returncode == 0
    # Or the kills came while nobody was waiting, and this showed nothing.
    assert evidence.lost["refresh"] + evidence.lost["code"] > 0, evidence.lost


def _kill_while_starting(process: ServerProcess, seconds: float) -> None:
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(process.start)
        time.sleep(seconds)
        process.kill()
        starting.exception()
    process.kill()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # on PostgreSQL the operator makes the tables
async def test_a_first_start_that_is_killed_is_made_good_by_the_next(tmp_path: Path, location: Settings) -> None:
    """Tables, root key, signing keys and the first administrator are made once, however often it was broken off."""
    chance = random.Random(SEED)
    process = ServerProcess(tmp_path, **location)
    try:
        for _ in range(KILLS_AT_FIRST_START):
            _kill_while_starting(process, chance.uniform(0.4, 1.6))
        process.start()
        assert "/account/set-password?token=opw_" in process.log
        assert await process.look(_is_sound)
        assert await process.look(_active_keys) == sorted([*ALGORITHMS, *ENCRYPTION_ALGORITHMS])
        assert await process.look(lambda db: count(db, schema.users)) == 1
        assert process.run("doctor").returncode == 0
    finally:
        process.kill()


async def test_a_server_whose_first_administrator_was_disabled_starts_again(database: Database) -> None:
    assert await database.run(serve_command._first_administrator) is not None
    await database.run(_disable_everybody)
    assert await database.run(serve_command._first_administrator) is None
    assert await database.run(lambda db: count(db, schema.users)) == 1


def _disable_everybody(db: Connection) -> None:
    for user in users.list_users(db):
        assert lifecycle.disable(db, user, context=CLI, now=int(time.time()))
