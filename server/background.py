"""What a server process does beside answering: noticing changes, rotating keys, mail, clearing what is over."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import Connection

from keys.keyset import KeySet
from keys.sealing import SealError
from keys.signing_key import KeyUse, SigningKey
from server.accounts import lifecycle
from server.mail.delivery import Delivery
from server.observability.logging import logger
from server.pages import devices
from server.protocol.logout_delivery import LogoutDelivery
from server.protocol.ping_delivery import PingDelivery
from server.protocol.services import Services
from server.storage import authorization_detail_types, purge, resources, scopes, signing_keys, versions
from server.storage.database import DatabaseUnavailableError
from server.tokens import key_rotation, subjects

POLL_SECONDS = 0.5
"""A change made on one node is seen on all within this time, and well within a second."""
ROTATION_CHECK_SECONDS = 15
MAIL_SECONDS = 1.0
LOGOUT_SECONDS = PING_SECONDS = 0.5
REMINDER_SECONDS = 60
"""How often a process says of the same trouble that it goes on."""
DATABASE_AWAY = "the database does not answer"
KEY_SEALED = "a signing key cannot be unsealed"


class Background:
    """The loops of one server process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._version = self._keys_version = -1
        self._tasks: list[asyncio.Task[None]] = []
        self._said_at: dict[str, int] = {}
        self._mail = Delivery(
            services.settings, services.database, services.sealer, services.clock, describe_device=devices.describe
        )
        self._logout = LogoutDelivery(services)
        self._pings = PingDelivery(services)

    async def start(self) -> None:
        """Make and load what the first request needs, then start the loops."""
        await self.rotate()
        await self.refresh()
        await self._load_secret()
        settings = self._services.settings
        self._tasks = [
            asyncio.create_task(self._repeat(self.refresh, POLL_SECONDS)),
            asyncio.create_task(self._repeat(self.rotate, ROTATION_CHECK_SECONDS)),
            asyncio.create_task(self._repeat(self.purge, settings.purge_interval_seconds)),
            asyncio.create_task(self._repeat(self._mail.start_due, MAIL_SECONDS)),
            asyncio.create_task(self._repeat(self._logout.start_due, LOGOUT_SECONDS)),
            asyncio.create_task(self._repeat(self._pings.start_due, PING_SECONDS)),
        ]

    async def stop(self) -> None:
        """Stop the loops and wait for them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self._mail.stop(), self._logout.stop(), self._pings.stop())

    async def refresh(self) -> None:
        """Forget what has changed in the database: clients, scopes, keys."""
        database = self._services.database
        version = await database.read(versions.current)
        if self._said_at.pop(DATABASE_AWAY, None) is not None:
            logger().info("the database answers again")
        if version != self._version:
            self._services.scopes = await database.read(scopes.list_scopes)
            self._services.resources = await database.read(resources.list_resources)
            self._services.detail_types = await database.read(authorization_detail_types.list_types)
            self._services.registry.clear()
            self._version = version
        if version != self._keys_version:
            # Last, and tried again where it fails: a key that cannot be unsealed must not keep a client alive.
            self._services.keys.replace(await database.read(self._load_keys))
            self._keys_version = version

    async def _load_secret(self) -> None:
        services = self._services
        now = services.clock.now()
        services.subjects.use(await services.database.run(lambda db: subjects.ensure_secret(db, services.sealer, now)))

    def _load_keys(self, db: Connection) -> KeySet:
        return key_rotation.load(db, self._services.sealer)

    async def rotate(self) -> None:
        """Rotate the keys where the policy says so; of all nodes exactly one does it."""
        services = self._services
        now = services.clock.now()
        keys: list[SigningKey] = await services.database.read(signing_keys.list_keys)
        due = key_rotation.due_by_use(keys, services.settings, now)
        changes = [*due[KeyUse.SIGNATURE], *due[KeyUse.ENCRYPTION]]
        if not changes:
            return
        fresh = await asyncio.to_thread(key_rotation.prepare, changes, services.settings)
        await services.database.run(lambda db: key_rotation.rotate(db, services.sealer, services.settings, fresh, now))
        logger().info("keys changed", signing=len(due[KeyUse.SIGNATURE]), encryption=len(due[KeyUse.ENCRYPTION]))

    async def purge(self) -> None:
        """Delete what is over, a bounded batch at a time."""
        while await self._services.database.run(lambda db: purge.purge_batch(db, self._services.clock.now())):
            await asyncio.sleep(0.05)
        while await self._services.database.run(lambda db: lifecycle.erase_due(db, self._services.clock.now())):
            await asyncio.sleep(0.05)

    async def _repeat(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self.attempt(work)

    async def attempt(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do one turn of a loop. What fails is logged and never raised."""
        try:
            await work()
        except DatabaseUnavailableError as error:
            self._say(DATABASE_AWAY, error)
        except SealError as error:
            self._say(KEY_SEALED, error)
        except Exception:  # noqa: BLE001  a loop that ends would leave the node with old keys for ever
            logger().exception("background work failed")

    def _say(self, trouble: str, error: Exception) -> None:
        """Log a trouble that lasts when it begins, and now and then: all loops meet it, twice a second."""
        now = self._services.clock.now()
        said_at = self._said_at.get(trouble)
        if said_at is None or now - said_at >= REMINDER_SECONDS:
            self._said_at[trouble] = now
            logger().error(trouble, cause=str(error))
