"""Sending the mails of the outbox. A crash may send one twice (with the same Message-ID), and never loses it."""

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
from server.outbound.courier import Courier
from server.settings import Settings
from server.storage import outbox
from server.storage.database import Database
from server.storage.outbox import Item

PARALLEL = 4
LEASE_SECONDS = 120
FIRST_DELAY_SECONDS = 5
MAX_DELAY_SECONDS = 3600
GIVE_UP_SECONDS = 259_200
MIN_SECRET_LENGTH = 4
MEND = "see `ostiary doctor`, then try with `ostiary mail test ADDRESS`"


class Delivery(Courier):
    """Sends the mails of the outbox."""

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
        super().__init__(database, clock, TOPIC, self._try, parallel=PARALLEL, lease_seconds=LEASE_SECONDS)
        self._settings = settings
        self._sealer = sealer
        self._transport = transport or transport_for(settings)
        self._password = parse_smtp_url(settings.smtp_url).password if settings.smtp_url else ""
        self._describe_device = describe_device

    @cached_property
    def _renderer(self) -> MailRenderer:
        return MailRenderer(self._settings, self._describe_device)

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
