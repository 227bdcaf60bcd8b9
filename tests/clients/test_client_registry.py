"""What every node remembers of the clients in the database, and when it forgets."""

import pytest

from clients.client import Client
from clients.registry import ClientRegistry
from keys.sealing import Sealer
from server.app import DatabaseClients, services_for
from server.background import Background
from server.storage import clients
from server.storage.database import Database
from tests.clients.registered import metadata_of
from tests.conftest import SettingsFor
from tests.keys.material import NOW
from tests.support.server import FakeClock


class Node:
    """One server process, as far as clients are concerned: its cache, and the loop that notices changes."""

    def __init__(self, database: Database, settings_for: SettingsFor) -> None:
        self.services = services_for(settings_for(), database, Sealer([bytes(range(32))]), FakeClock(NOW))
        self.background = Background(self.services)

    async def find(self, client_id: str = "cli_a") -> Client | None:
        return await self.services.registry.find(client_id)

    async def refresh(self) -> None:
        await self.background.refresh()


async def add(database: Database) -> None:
    await database.run(lambda db: clients.insert_client(db, "cli_a", metadata_of(), now=NOW))


async def test_every_node_forgets_what_another_one_changed(database: Database, settings_for: SettingsFor) -> None:
    await add(database)
    nodes = [Node(database, settings_for) for _ in range(2)]
    await nodes[0].background.rotate()
    for node in nodes:
        await node.refresh()
        first = await node.find()
        assert first is not None
        assert not first.disabled
    await database.run(lambda db: clients.set_disabled(db, "cli_a", NOW, now=NOW))
    for node in nodes:
        await node.refresh()
        client = await node.find()
        assert client is not None
        assert client.disabled
    await database.run(lambda db: clients.remove_client(db, "cli_a"))
    for node in nodes:
        await node.refresh()
        assert await node.find() is None
    await add(database)
    for node in nodes:
        assert await node.find() is None
        await node.refresh()
        assert await node.find() is not None


async def test_a_node_forgets_nothing_while_nothing_changes(database: Database, settings_for: SettingsFor) -> None:
    await add(database)
    node = Node(database, settings_for)
    await node.background.rotate()
    await node.refresh()
    client = await node.find()
    for _ in range(3):
        await node.refresh()
        assert await node.find() is client


async def test_a_change_that_is_rolled_back_changes_nothing(database: Database, settings_for: SettingsFor) -> None:
    await add(database)
    node = Node(database, settings_for)
    await node.background.rotate()
    await node.refresh()
    client = await node.find()

    def fail(db: object) -> None:
        clients.remove_client(db, "cli_a")  # type: ignore[arg-type]
        raise KeyError

    with pytest.raises(KeyError):
        await database.run(fail)
    await node.refresh()
    assert await node.find() is client


async def test_what_cannot_be_a_client_id_is_found_nowhere(database: Database) -> None:
    """RFC 6749 appendix A.1. PostgreSQL could not even be asked for some of these."""
    await add(database)
    registry = ClientRegistry(DatabaseClients(database))
    for client_id in ("", " ", "a b", "a\0", "a\n", "ä", "\ud800", "x" * 256, "' or 1=1 --", "%", "x" * 100_000):
        assert await registry.find(client_id) is None
    assert await registry.find("x" * 255) is None
    assert await registry.find("cli_a") is not None
