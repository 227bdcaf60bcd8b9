"""The secret of pairwise identifiers, and clients in a sector, on the command line."""

import asyncio
import json
from pathlib import Path

from keys.sealing import generate_root_key
from server.configured_database import database_of
from server.root_key import sealer_of
from server.tokens import subjects
from tests.cli.conftest import CommandLine
from tests.conftest import SettingsFor
from tests.support.process import free_port
from tests.support.receiver import Answer, Receiver
from tests.support.tls import TlsFront


def _make_secret(settings_for: SettingsFor) -> bytes:
    settings = settings_for()

    async def make() -> bytes:
        database = database_of(settings, is_server=False)
        try:
            return await database.run(lambda db: subjects.ensure_secret(db, sealer_of(settings), 0))
        finally:
            await database.close()

    return asyncio.run(make())


def test_it_is_given_up_only_when_the_root_key_is_lost(ostiary: CommandLine, settings_for: SettingsFor) -> None:
    first = _make_secret(settings_for)
    assert "can be read" in ostiary.refusal("key", "renew-subjects")
    assert _make_secret(settings_for) == first
    other = CommandLine({**ostiary.environment, "OSTIARY_SECRET_KEY": generate_root_key()})
    assert "server_secret:pairwise_subjects cannot be unsealed" in other.refusal("key", "reseal", "--json")
    assert "FAIL  server secrets" in other.run("doctor").stdout
    assert other.json("key", "renew-subjects")["state"] == "new"
    assert other.json("key", "reseal")["server_secrets"] == 0
    assert "FAIL  server secrets" in ostiary.run("doctor").stdout


async def test_an_operators_client_must_be_listed_in_its_sector(ostiary: CommandLine, tmp_path: Path) -> None:
    """OpenID Connect Dynamic Client Registration 1.0 section 5."""
    async with Receiver() as receiver, TlsFront(tmp_path, free_port(), int(receiver.origin.rpartition(":")[2])) as tls:
        receiver.answers["/s.json"] = Answer(body=json.dumps(["https://a.example/cb", "https://b.example/cb"]).encode())
        ostiary.environment |= {"OSTIARY_FETCH_PRIVATE_ADDRESSES": "on", "OSTIARY_CA_FILE": str(tls.certificate)}
        metadata = {
            "redirect_uris": ["https://a.example/cb", "https://b.example/cb"],
            "subject_type": "pairwise",
            "sector_identifier_uri": f"{tls.origin}/s.json",
        }
        create = ("client", "create", "--client-id", "shop", "--metadata", "-")
        made = await asyncio.to_thread(ostiary.json, *create, stdin=json.dumps(metadata))
        assert made["sector_identifier_uri"] == f"{tls.origin}/s.json"
        evil = json.dumps({"redirect_uris": ["https://evil.example/cb"]})
        for command in (("client", "update", "shop", "--metadata", "-"), (*create[:3], "other", *create[4:])):
            given = evil if command[1] == "update" else json.dumps({**metadata, **json.loads(evil)})
            line = await asyncio.to_thread(ostiary.refusal, *command, stdin=given)
            assert "without https://evil.example/cb" in line
        fetched = len(receiver.requests)
        rename = json.dumps({"client_name": "Shop"})
        await asyncio.to_thread(ostiary.json, "client", "update", "shop", "--metadata", "-", stdin=rename)
        assert len(receiver.requests) == fetched, "a name has nothing to do with the sector"
