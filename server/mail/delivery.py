"""Emptying the outbox: claim and commit, hand over, commit again. Nothing slow happens inside a transaction.

A mail is deleted after it was handed over, so a crash in between sends it a second time (with the same Message-ID), and
never loses it.
"""

import asyncio
from collections.abc import Callable
from functools import cached_property

from sqlalchemy import Connection

from keys.sealing import Sealer, SealError
from server.clock import Clock
from server.events import audit
from server.events.context import SYSTEM
from server.events.names import Event
from server.mail.outbox import TOPIC, Mail, unseal
from server.mail.outgoing import MailError
from server.mail.rendering import MailRenderer
from server.mail.transport import Transport, transport_for
from server.mail_settings import parse_smtp_url
from server.observability.logging import REDACTED, logger, redact
from server.settings import Settings
from server.storage import outbox
from server.storage.database import Database, DatabaseUnavailableError
from server.storage.outbox import Item

PARALLEL = 4
"""Mails that one process sends at a time: one that hangs leaves the others their way."""
LEASE_SECONDS = 120
"""Longer than a try can take. A process that dies leaves its mails to others after this time."""
FIRST_DELAY_SECONDS = 5
MAX_DELAY_SECONDS = 3600
GIVE_UP_SECONDS = 259_200
STOP_SECONDS = 5.0
"""Time that mails on their way have when the server stops."""
MIN_SECRET_LENGTH = 4
MEND = "see `ostiary doctor`, then try with `ostiary mail test ADDRESS`"


class Delivery:
    """Sends the mails of the outbox, together with any number of others on the same database."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        sealer: Sealer,
        clock: Clock,
        *,
        transport: Transport | None = None,
        describe_device: Callable[[str], str] = str,
    ) -> None:
        self._settings = settings
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._transport = transport or transport_for(settings)
        self._password = parse_smtp_url(settings.smtp_url).password if settings.smtp_url else ""
        self._describe_device = describe_device
        self._running: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    @cached_property
    def _renderer(self) -> MailRenderer:
        return MailRenderer(self._settings, self._describe_device)

    async def start_due(self) -> None:
        """Start sending what is due, without waiting for it."""
        free = PARALLEL - len(self._running)
        if free <= 0:
            return
        now = self._clock.now()
        due = await self._database.read(lambda db: outbox.count_due(db, TOPIC, now=now, limit=free))
        for _ in range(due):
            task = asyncio.create_task(self._drain())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def run_due(self) -> None:
        """Send what is due, and return when every mail was tried."""
        await self.start_due()
        await asyncio.gather(*self._running)

    async def stop(self) -> None:
        """Give mails on their way a little time; what is not sent then is sent again after its lease."""
        self._is_stopping = True
        if not self._running:
            return
        _done, late = await asyncio.wait(set(self._running), timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _drain(self) -> None:
        try:
            while not self._is_stopping and (item := await self._claim()) is not None:
                await self._try(item)
        except DatabaseUnavailableError as error:
            logger().warning("the database does not answer", cause=str(error))
        except Exception:  # noqa: BLE001  the lease ends by itself: the mail is tried again
            logger().exception("sending mail failed")

    async def _claim(self) -> Item | None:
        now = self._clock.now()
        return await self._database.run(lambda db: outbox.claim(db, TOPIC, now=now, lease_until=now + LEASE_SECONDS))

    async def _try(self, item: Item) -> None:
        mail: Mail | None = None
        try:
            mail = unseal(self._sealer, item)
            outgoing = self._renderer.render(mail, mail_id=item.id, created_at=item.created_at)
            await self._transport.send(outgoing)
        except MailError as error:
            await self._failed(item, mail, str(error), is_permanent=error.is_permanent)
        except SealError as error:
            await self._failed(item, mail, str(error))
        except Exception as error:  # noqa: BLE001  a mail that cannot be put into words must not stop the others
            await self._failed(item, mail, f"{type(error).__name__}: {error}")
        else:
            await self._database.run(lambda db: outbox.remove_sent(db, item.id))

    async def _failed(self, item: Item, mail: Mail | None, cause: str, *, is_permanent: bool = False) -> None:
        cause = self._without_secrets(cause, mail)
        now = self._clock.now()
        template = mail.template if mail else None
        if is_permanent or now - item.created_at >= GIVE_UP_SECONDS:
            if await self._database.run(lambda db: give_up(db, item, template, cause, now)):
                logger().error(
                    "a mail is given up", mail=item.id, template=template, tries=item.tries, cause=cause, mend=MEND
                )
            return
        delay = delay_after(item.tries)
        await self._database.run(lambda db: outbox.postpone(db, item, next_try_at=now + delay, error=cause))
        logger().warning(
            "a mail could not be sent yet", mail=item.id, template=template, cause=cause, next_try_in_seconds=delay
        )

    def _without_secrets(self, cause: str, mail: Mail | None) -> str:
        # servers quote what they refuse: the address, a link, even a password
        secrets = [self._password]
        if mail is not None:
            secrets += [mail.to, *(str(value) for value in mail.values.values())]
        for secret in sorted((text for text in secrets if len(text) >= MIN_SECRET_LENGTH), key=len, reverse=True):
            cause = cause.replace(secret, REDACTED)
        return str(redact(cause))


def delay_after(tries: int) -> int:
    """Return the pause after this many failed tries: 5 s, 10 s, 20 s ... 1 h."""
    return min(FIRST_DELAY_SECONDS << min(tries - 1, 16), MAX_DELAY_SECONDS)


def give_up(db: Connection, item: Item, template: str | None, cause: str, now: int) -> bool:
    """Delete a mail that nobody can deliver and write it down; False where somebody else has claimed it by now."""
    if not outbox.remove(db, item):
        return False
    audit.record(
        db,
        Event.MAIL_FAILED,
        SYSTEM,
        now=now,
        user_id=item.user_id,
        mail=item.id,
        template=template,
        tries=item.tries,
        cause=cause,
    )
    return True
