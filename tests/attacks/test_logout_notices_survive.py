"""A server is killed between the end of a sign-in and the notice about it: no application misses it."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from joserfc import jws
from sqlalchemy import Connection, update

from server.storage import outbox, schema
from tests.attacks.conftest import reach
from tests.conftest import Serve, SettingsFor
from tests.support.person import Person
from tests.support.process import ServerProcess
from tests.support.receiver import Answer, Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD

pytestmark = pytest.mark.slow
KILLED_AFTER = (0.0, 0.5)
"""Seconds after the answer to signing out: before the notice is on its way, and while it is."""
HANGS_SECONDS = 1.0
"""How long the application takes to answer, so that the server can be killed before."""


@pytest.fixture
def process(serve: Serve, settings_for: SettingsFor, backend: str, tmp_path: Path) -> ServerProcess:
    settings = settings_for()
    path = tmp_path / "data" / "ostiary.db"
    url = settings.database_url if backend == "postgresql" else f"sqlite:///{path}"
    secret_key = settings.secret_key
    return serve(database_url=url, secret_key=secret_key, fetch_private_addresses="on", mfa="off")


def _end_leases(db: Connection) -> None:
    """Let the time pass for which the dead process has claimed its notices."""
    db.execute(update(schema.outbox).values(next_try_at=int(time.time())))


def _sids(receiver: Receiver) -> list[str]:
    tokens = [request.form["logout_token"].encode() for request in receiver.requests]
    return [json.loads(jws.extract_compact(token).payload)["sid"] for token in tokens]


async def _until_told(receiver: Receiver, sid: str) -> None:
    async with asyncio.timeout(10):
        while sid not in _sids(receiver):
            await asyncio.sleep(0.05)


async def test_a_kill_between_the_end_of_a_sign_in_and_its_notice_loses_nothing(
    process: ServerProcess, receiver: Receiver
) -> None:
    """OpenID Connect Back-Channel Logout 1.0 section 2.5: the notice is stored in the transaction of the end."""
    metadata = {
        "redirect_uris": ["https://client.example/cb"],
        "skip_consent": True,
        "backchannel_logout_uri": receiver.origin + "/out",
    }
    made = await asyncio.to_thread(process.cli, "client", "create", "--metadata", "-", stdin=json.dumps(metadata))
    rp = RelyingParty(reach(process), made["client_id"], made["client_secret"])
    async with Person(rp.server) as person:
        await person.visit("/account/register")
        await person.submit(email=person.email, name="Somebody", password=PASSWORD)
        for seconds in KILLED_AFTER:
            receiver.answers["/out"] = Answer(delay=HANGS_SECONDS)
            tokens = await rp.sign_in(person)
            _, claims = await rp.verified(tokens["id_token"])
            await person.visit(f"/end-session?id_token_hint={tokens['id_token']}")
            assert person.title == "Signed out"
            await asyncio.sleep(seconds)
            process.kill()
            waiting = await process.look(lambda db: outbox.list_items(db, "logout"))
            assert [json.loads(item.sealed)[1] for item in waiting] == [claims["sid"]]
            await asyncio.sleep(HANGS_SECONDS)  # what it has received from the dead process does not count
            receiver.requests.clear()
            del receiver.answers["/out"]
            await process.look(_end_leases)
            await asyncio.to_thread(process.start)
            await _until_told(receiver, claims["sid"])
