"""The demonstration, running for a browser."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.demo import running
from tests.support.process import free_port


@dataclass(frozen=True)
class RunningDemo:
    """Where the examples are, and who may sign in."""

    server: str
    shop: str
    spa: str
    email: str
    password: str
    service_output: str


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[RunningDemo]:
    """All examples, registered with each other."""
    ports = {name: free_port() for name in ("server", "shop", "api", "spa")}
    context = running(ports, tmp_path)
    demo, facts = await asyncio.to_thread(context.__enter__)
    try:
        urls = demo.urls
        output = await asyncio.to_thread(demo.run_service, facts)
        yield RunningDemo(urls["server"], urls["shop"], urls["spa"], facts["email"], facts["password"], output)
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)
