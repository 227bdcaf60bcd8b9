"""An outbox with somebody who fills it, servers that take mail, and a delivery between them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiosmtpd.smtp import SMTP, Envelope

from keys.sealing import Sealer
from server.mail.delivery import Delivery
from server.mail.outbox import TOPIC, Mail, enqueue
from server.mail.outgoing import Outgoing
from server.mail.transport import Transport
from server.root_key import sealer_of
from server.settings import Settings
from server.storage import outbox
from server.storage.database import Database
from server.storage.outbox import Item
from tests.conftest import SettingsFor
from tests.mail.certificate import self_signed
from tests.support.server import FakeClock

LINK = "https://login.example.com/verify?token=overy-secret-token"


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Leave no logger behind that writes where this test's output went."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def mails_wait() -> None:
    """Here they leave by themselves."""


class Collector:
    """A transport that keeps what it is given, and fails when it is told to."""

    destination = "a list"

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []
        self.tried: list[str] = []
        self.failures: dict[str, BaseException] = {}
        """What to raise, by recipient."""
        self.hanging: set[str] = set()
        """Recipients whose mails hang for ever."""

    async def send(self, mail: Outgoing) -> None:
        self.tried.append(mail.recipient)
        await asyncio.sleep(0.001)  # as a network would: others get their turn
        if mail.recipient in self.hanging:
            await asyncio.Event().wait()
        if mail.recipient in self.failures:
            raise self.failures[mail.recipient]
        self.taken.append(mail)

    async def check(self) -> None:
        """Nothing can be wrong."""

    @property
    def recipients(self) -> list[str]:
        return [mail.recipient for mail in self.taken]


@dataclass
class Post:
    """One server's outbox."""

    settings: Settings
    database: Database
    sealer: Sealer
    clock: FakeClock
    collector: Collector = field(default_factory=Collector)

    def delivery(self, transport: Transport | None = None) -> Delivery:
        """Return a delivery as one node has it."""
        return Delivery(self.settings, self.database, self.sealer, self.clock, transport=transport or self.collector)

    async def put(self, to: str = "alice@example.com", template: str = "verify_email", **values: str | int) -> None:
        """Put a mail into the outbox."""
        mail = Mail(to, template, None, {"link": LINK, "name": "Alice Ample", **values})
        now = self.clock.now()
        await self.database.run(lambda db: enqueue(db, self.sealer, mail, user_id=None, now=now))

    async def waiting(self) -> list[Item]:
        """Return what is in the outbox."""
        return await self.database.run(lambda db: outbox.list_items(db, TOPIC))


@pytest.fixture
async def post(database: Database, settings_for: SettingsFor, clock: FakeClock) -> Post:
    """An empty outbox."""
    settings = settings_for()
    return Post(settings, database, sealer_of(settings), clock)


@dataclass
class MailServer:
    """An SMTP server on the loopback address."""

    port: int
    received: list[Envelope] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """What RCPT is answered, by recipient."""
    data_answer: str = "250 OK"

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        if self.data_answer.startswith("250"):
            self.received.append(envelope)
        return self.data_answer


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that only who knows it trusts, with its key."""
    return self_signed(tmp_path_factory.mktemp("certificate") / "localhost.pem")


@pytest.fixture
def trusting(certificate: Path) -> ssl.SSLContext:
    """What a machine uses that trusts the certificate."""
    return ssl.create_default_context(cafile=str(certificate))


StartMailServer = Callable[..., Any]


@pytest.fixture
async def start_mail_server(certificate: Path) -> AsyncIterator[StartMailServer]:
    """Start mail servers: `tls` is starttls, tls or none, options are those of aiosmtpd's SMTP."""
    servers: list[asyncio.Server] = []

    async def start(tls: str = "none", **options: Any) -> MailServer:
        mail_server = MailServer(0)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if tls == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(mail_server, hostname="localhost", loop=loop, **options),
            "127.0.0.1",
            0,
            ssl=context if tls == "tls" else None,
        )
        servers.append(server)
        mail_server.port = server.sockets[0].getsockname()[1]
        return mail_server

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()
