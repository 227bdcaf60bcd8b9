"""Alice has an account and uses it through the API."""

from collections.abc import AsyncIterator

import pytest

from tests.api.documented import Api
from tests.support.server import RunningServer


@pytest.fixture
async def api(server: RunningServer) -> AsyncIterator[Api]:
    """The API of a server where Alice has an account."""
    await server.add_person(username="alice", organization="Wonderland", roles=["editor"])
    async with Api(server) as calls:
        yield calls
