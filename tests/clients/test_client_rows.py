"""The rows of clients and their secrets, in either database."""

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from clients import secrets
from clients.client import Client
from server.app import DatabaseClients
from server.storage import clients, versions
from server.storage.database import Database
from tests.clients.registered import metadata_of
from tests.keys.material import NOW

METADATA = metadata_of(client_name="Netzladen ä店", scope="openid email", contacts=["a@client.example"])


async def add(database: Database, client_id: str = "cli_a", secret: str | None = None) -> None:
    await database.run(lambda db: clients.insert_client(db, client_id, METADATA, now=NOW))
    if secret is not None:
        digest = secrets.digest(secret)
        await database.run(lambda db: clients.insert_secret(db, client_id, f"sec_{secret}", digest, now=NOW))


async def stored(database: Database, client_id: str = "cli_a") -> Client | None:
    return await database.read(lambda db: clients.find_client(db, client_id))


async def test_a_client_is_found_as_it_was_created(database: Database) -> None:
    await add(database, secret="one")
    client = await DatabaseClients(database).find_client("cli_a")
    assert client is not None
    assert (client.client_id, client.metadata, client.disabled, client.created_at) == ("cli_a", METADATA, False, NOW)
    assert [(secret.id, secret.expires_at) for secret in client.secrets] == [("sec_one", None)]
    assert secrets.matches("one", client.secrets, NOW)


async def test_a_client_id_is_found_as_it_is_written_only(database: Database) -> None:
    await add(database)
    for other in ("CLI_A", "cli_", "cli_a ", "cli%", "cli_b", ""):
        assert await stored(database, other) is None


async def test_a_client_id_is_taken_once(database: Database) -> None:
    await add(database)
    with pytest.raises(IntegrityError):
        await add(database)


async def test_metadata_is_replaced_as_a_whole(database: Database) -> None:
    await add(database, secret="one")
    fresh = metadata_of(client_name="Other")
    assert await database.run(lambda db: clients.update_metadata(db, "cli_a", fresh, now=NOW + 1))
    client = await stored(database)
    assert client is not None
    assert (client.metadata, client.created_at, len(client.secrets)) == (fresh, NOW, 1)


async def test_a_client_is_disabled_and_enabled_again(database: Database) -> None:
    await add(database)
    for disabled_at in (NOW, None):
        await database.run(lambda db, at=disabled_at: clients.set_disabled(db, "cli_a", at, now=NOW))  # type: ignore[misc]
        client = await stored(database)
        assert client is not None
        assert client.disabled is (disabled_at is not None)


async def test_a_deleted_client_takes_its_secrets_along(database: Database) -> None:
    await add(database, secret="one")
    await add(database, "cli_b", secret="two")
    assert await database.run(lambda db: clients.remove_client(db, "cli_a"))
    assert await stored(database) is None
    await add(database)
    again, other = await stored(database), await stored(database, "cli_b")
    assert again is not None
    assert again.secrets == ()
    assert other is not None
    assert len(other.secrets) == 1


async def test_a_change_of_a_client_that_does_not_exist_says_so(database: Database) -> None:
    assert not await database.run(lambda db: clients.update_metadata(db, "cli_a", METADATA, now=NOW))
    assert not await database.run(lambda db: clients.set_disabled(db, "cli_a", NOW, now=NOW))
    assert not await database.run(lambda db: clients.remove_client(db, "cli_a"))
    assert await database.read(clients.list_clients) == []


async def rotate(database: Database, secret: str, at: int, overlap: int) -> dict[str, int | None]:
    """Rotate the secret of `cli_a` and return when each one ends."""

    def work(db: Connection) -> Client | None:
        clients.expire_secrets(db, "cli_a", at + overlap)
        clients.insert_secret(db, "cli_a", f"sec_{secret}", secrets.digest(secret), now=at)
        return clients.find_client(db, "cli_a")

    client = await database.run(work)
    return {secret.id: secret.expires_at for secret in client.secrets} if client is not None else {}


async def test_a_rotation_ends_the_old_secrets_and_lengthens_none(database: Database) -> None:
    await add(database, secret="a")
    await add(database, "cli_b", secret="foreign")
    expected: dict[str, int | None] = {"sec_a": NOW + 30, "sec_b": None}
    assert await rotate(database, "b", NOW + 10, 20) == expected
    expected |= {"sec_b": NOW + 20 + 3600, "sec_c": None}
    assert await rotate(database, "c", NOW + 20, 3600) == expected
    # Without an overlap nothing that was valid stays valid, whatever a rotation before has promised.
    expected = {"sec_a": NOW + 25, "sec_b": NOW + 25, "sec_c": NOW + 25, "sec_d": None}
    assert await rotate(database, "d", NOW + 25, 0) == expected
    other = await stored(database, "cli_b")
    assert other is not None
    assert other.secrets[0].expires_at is None


async def test_clients_are_listed_page_by_page_without_secrets(database: Database) -> None:
    names = [f"cli_{number}" for number in range(5)]
    for name in reversed(names):
        await add(database, name, secret=name)
    first = await database.read(lambda db: clients.list_clients(db, limit=3))
    rest = await database.read(lambda db: clients.list_clients(db, after=first[-1].client_id, limit=3))
    assert [client.client_id for client in (*first, *rest)] == names
    assert all(client.secrets == () for client in first)


async def test_every_change_moves_the_version(database: Database) -> None:
    changes = (
        lambda db: clients.insert_client(db, "cli_a", METADATA, now=NOW),
        lambda db: clients.insert_secret(db, "cli_a", "sec_1", secrets.digest("x"), now=NOW),
        lambda db: clients.expire_secrets(db, "cli_a", NOW),
        lambda db: clients.update_metadata(db, "cli_a", METADATA, now=NOW),
        lambda db: clients.set_disabled(db, "cli_a", NOW, now=NOW),
        lambda db: clients.set_disabled(db, "cli_a", None, now=NOW),
        lambda db: clients.remove_client(db, "cli_a"),
    )
    for number, change in enumerate(changes, 1):
        await database.run(change)
        assert await database.read(versions.current) == number
