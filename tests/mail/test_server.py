"""A running server sends what is in its outbox, also after it was killed."""

import asyncio
import time
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from server.configured_database import database_of
from server.mail.outbox import TOPIC, Mail, enqueue
from server.root_key import sealer_of
from server.settings import Settings
from server.storage import outbox, schema
from tests.conftest import Serve
from tests.support.server import RunningServer

SECONDS = 10


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("mail/*.eml"))


async def test_a_running_server_sends_mail_within_seconds(server: RunningServer) -> None:
    mail = Mail("alice@example.com", "factor_added", None, {"name": "", "factor": "totp", "time": 1, "device": "x/1"})
    sealer = server.services.sealer
    await server.run(lambda db: enqueue(db, sealer, mail, user_id=None, now=server.clock.now()))
    async with asyncio.timeout(SECONDS):
        while not _files(server.settings.data_dir) or await _waiting(server):
            await asyncio.sleep(0.05)
    (file,) = _files(server.settings.data_dir)
    text = next(message_from_bytes(file.read_bytes(), policy=default).iter_parts()).get_content()
    assert "prove that it is you: Authenticator app." in text


async def _waiting(server: RunningServer) -> int:
    return (await server.run(lambda db: outbox.counts(db, TOPIC))).waiting


@pytest.mark.slow
def test_a_mail_that_was_committed_before_a_kill_is_sent_after_it(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    settings = Settings.model_validate({"issuer": server.issuer, "data_dir": tmp_path / "data"})
    mail = Mail("alice@example.com", "test", None)

    async def run(work: Callable[[Connection], object]) -> None:
        database = database_of(settings, is_server=False)
        await database.run(work)
        await database.close()

    for _ in range(5):
        asyncio.run(run(lambda db: enqueue(db, sealer_of(settings), mail, user_id=None, now=int(time.time()))))
    server.kill()
    # a mail that was on its way has a lease: let it be over
    asyncio.run(run(lambda db: db.execute(update(schema.outbox).values(next_try_at=0))))
    server.start()
    deadline = time.monotonic() + SECONDS
    while len(_files(settings.data_dir)) < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(_files(settings.data_dir)) == 5
    assert server.cli("mail", "list") == []
    server.stop()
