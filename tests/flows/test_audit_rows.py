"""What people and clients do is in the audit log: once, in the transaction of what it records."""

import ast
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

import server
from server.events.audit import record
from server.events.context import CLI
from server.events.names import Event
from server.storage import audit
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

SOURCES = Path(server.__file__).parent


class Log:
    """Counts what was written down."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server

    async def counts(self) -> Counter[str]:
        rows = await self._server.run(lambda db: audit.list_rows(db, limit=10_000))
        return Counter(str(row["event"]) for row in rows)

    async def of(self, act: Callable[[], Awaitable[object]]) -> Counter[str]:
        """Return what an act has written down."""
        before = await self.counts()
        await act()
        return await self.counts() - before


@pytest.fixture
def log(server: RunningServer) -> Log:
    return Log(server)


def _is(*events: Event) -> Counter[str]:
    return Counter(event.value for event in events)


def test_every_event_is_written_down_somewhere() -> None:
    """A name that nothing uses would promise operators an alert that never comes."""
    used: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Event":
                used.add(node.attr)
    assert {event.name for event in Event} <= used


async def test_what_fails_is_not_written_down(server: RunningServer, log: Log) -> None:
    """The row is in the transaction of what it records: neither is there without the other."""

    def work(db: Connection) -> None:
        record(db, Event.USER_UPDATED, CLI, now=1, user_id="usr_x")
        raise LookupError

    async def act() -> None:
        with pytest.raises(LookupError):
            await server.run(work)

    assert await log.of(act) == Counter()


async def test_a_sign_in_with_a_new_factor_and_consent(person: Person, rp: RelyingParty, log: Log) -> None:
    assert await log.of(lambda: person.visit(rp.url())) == Counter()
    assert await log.of(lambda: person.sign_in(password="wrong")) == _is(Event.SIGN_IN_FAILED)
    assert await log.of(person.sign_in) == _is(Event.SIGN_IN_SUCCEEDED)
    written = await log.of(person.enrol)
    assert written == _is(Event.TOTP_ENROLLED, Event.RECOVERY_CODES_GENERATED, Event.SESSIONS_ENDED)
    await person.visit(rp.url())
    assert await log.of(lambda: person.consent("deny")) == _is(Event.CONSENT_DENIED)
    await person.visit(rp.url())
    assert await log.of(person.consent) == _is(Event.CONSENT_GRANTED, Event.CODE_ISSUED)
    assert await log.of(lambda: person.visit(rp.url())) == _is(Event.CODE_ISSUED)


async def test_the_second_factor(server: RunningServer, person: Person, rp: RelyingParty, log: Log) -> None:
    await person.visit(rp.url())
    await person.sign_in()
    await person.enrol()
    server.clock.advance(60)
    async with Person(server) as phone:
        await phone.visit(rp.url())
        await phone.sign_in()
        assert await log.of(lambda: phone.submit(code="000000")) == _is(Event.SECOND_FACTOR_FAILED)
        phone.secret = person.secret
        assert await log.of(lambda: phone.submit(code=phone.code())) == _is(Event.SECOND_FACTOR_SUCCEEDED)
    async with Person(server) as tablet:
        await tablet.visit(rp.url())
        await tablet.sign_in()
        written = await log.of(lambda: tablet.submit(code=person.recovery_codes[0]))
        assert written == _is(Event.SECOND_FACTOR_SUCCEEDED, Event.RECOVERY_CODE_USED)


async def test_the_life_of_tokens(server: RunningServer, person: Person, rp: RelyingParty, log: Log) -> None:
    code = await rp.code_for(person)
    assert await log.of(lambda: rp.redeem(code)) == _is(Event.CODE_REDEEMED)
    assert await log.of(lambda: rp.redeem(code)) == _is(Event.CODE_REPLAYED)
    tokens = (await rp.redeem(await rp.code_for(person))).json()
    assert await log.of(lambda: rp.refresh(tokens["refresh_token"])) == Counter()
    server.clock.advance(60)
    assert await log.of(lambda: rp.refresh(tokens["refresh_token"])) == _is(Event.REFRESH_TOKEN_REUSED)
    tokens = (await rp.redeem(await rp.code_for(person))).json()
    revoke = await log.of(lambda: rp.post("/revoke", token=tokens["refresh_token"]))
    assert revoke == _is(Event.TOKEN_REVOKED)
    assert await log.of(lambda: rp.post("/revoke", token=tokens["refresh_token"])) == Counter()
    stranger = RelyingParty(server, rp.client_id, "wrong")
    written = await log.of(lambda: stranger.post("/token", grant_type="client_credentials"))
    assert written == _is(Event.CLIENT_AUTHENTICATION_FAILED)


async def test_signing_out(person: Person, rp: RelyingParty, log: Log) -> None:
    tokens = await rp.sign_in(person)
    hint = f"/end-session?id_token_hint={tokens['id_token']}"
    assert await log.of(lambda: person.visit(hint)) == _is(Event.SESSION_ENDED)
    assert await log.of(lambda: person.visit(hint)) == Counter()
