"""The cache in the registry of clients: bounded, and never older than the last change."""

import asyncio

import pytest

from clients.client import Client
from clients.registry import ClientRegistry
from tests.clients.registered import client_of


class CountedClients:
    """A store that counts how often it is asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.known: dict[str, Client] = {}
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def find_client(self, client_id: str) -> Client | None:
        self.asked.append(client_id)
        answer = self.known.get(client_id)
        await self.may_answer.wait()
        return answer


@pytest.fixture
def store() -> CountedClients:
    made = CountedClients()
    made.known = {name: client_of(client_id=name) for name in ("a", "b", "c")}
    return made


async def test_the_store_is_asked_once_for_a_client_and_once_for_an_unknown_one(store: CountedClients) -> None:
    registry = ClientRegistry(store)
    for _ in range(3):
        assert await registry.find("a") is store.known["a"]
        assert await registry.find("nobody") is None
    assert store.asked == ["a", "nobody"]
    registry.clear()
    assert registry.cached("a") is None
    await registry.find("a")
    await registry.find("nobody")
    assert store.asked == ["a", "nobody"] * 2


async def test_only_a_client_that_was_found_is_cached(store: CountedClients) -> None:
    registry = ClientRegistry(store)
    assert registry.cached("a") is None
    await registry.find("a")
    await registry.find("nobody")
    assert registry.cached("a") is store.known["a"]
    assert registry.cached("nobody") is None


async def test_what_was_read_before_a_change_is_not_remembered_after_it(store: CountedClients) -> None:
    """Otherwise a client could stay enabled in the cache for as long as nothing else changes."""
    registry = ClientRegistry(store)
    for name in ("a", "nobody"):
        store.may_answer.clear()
        reading = asyncio.create_task(registry.find(name))
        await asyncio.sleep(0)
        store.known = {"a": client_of(client_id="a", disabled=True), "nobody": client_of(client_id="nobody")}
        registry.clear()
        store.may_answer.set()
        await reading
        assert await registry.find(name) is store.known[name]


async def test_the_cache_is_bounded_and_keeps_what_is_used(store: CountedClients) -> None:
    registry = ClientRegistry(store, max_entries=2)
    for name in ("a", "b", "a", "c"):
        await registry.find(name)
    assert [registry.cached(name) is not None for name in "abc"] == [True, False, True]


async def test_made_up_names_push_no_client_out(store: CountedClients) -> None:
    registry = ClientRegistry(store, max_entries=2)
    await registry.find("a")
    for number in range(100):
        await registry.find(f"nobody-{number}")
    assert registry.cached("a") is store.known["a"]
    assert len(registry._unknown) == 2
