"""Background work while something it needs is away (docs/operations.md, troubleshooting)."""

import pytest
from structlog.testing import capture_logs

from keys.sealing import SealError
from server.background import REMINDER_SECONDS, Background
from server.storage.database import DatabaseUnavailableError
from tests.support.server import RunningServer

pytestmark = pytest.mark.parametrize("overrides", [{"log_level": "info"}], indirect=True)


async def _nothing() -> None:
    """Succeed without asking the database, as a delivery does that has its hands full."""


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (DatabaseUnavailableError("connection refused"), "the database does not answer"),
        (SealError("connection refused"), "a signing key cannot be unsealed"),
    ],
)
async def test_a_trouble_that_lasts_is_said_once_a_minute(server: RunningServer, error: Exception, event: str) -> None:
    background = Background(server.services)

    async def fail() -> None:
        raise error

    with capture_logs() as lines:
        for _ in range(5):
            await background.attempt(fail)
        server.clock.advance(REMINDER_SECONDS - 1)
        await background.attempt(fail)
        assert lines == [{"event": event, "cause": "connection refused", "log_level": "error"}]
        server.clock.advance(1)
        await background.attempt(fail)
        assert len(lines) == 2


async def test_the_end_of_an_outage_is_said_once_and_the_next_one_at_once(server: RunningServer) -> None:
    background = Background(server.services)

    async def fail() -> None:
        raise DatabaseUnavailableError("away")

    await background.refresh()
    with capture_logs() as lines:
        for work in (fail, _nothing, fail, background.refresh, background.refresh, fail):
            await background.attempt(work)
    assert [line["event"] for line in lines] == [
        "the database does not answer",
        "the database answers again",
        "the database does not answer",
    ]


async def test_a_loop_that_meets_a_bug_leaves_its_stack_and_goes_on(server: RunningServer) -> None:
    background = Background(server.services)

    async def fail() -> None:
        raise ZeroDivisionError

    with capture_logs() as lines:
        await background.attempt(fail)
        await background.attempt(fail)
    assert [(line["event"], line["exc_info"]) for line in lines] == [("background work failed", True)] * 2
