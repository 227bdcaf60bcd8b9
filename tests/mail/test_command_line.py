"""`ostiary mail`, and what doctor and reseal say of mails."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from keys.sealing import generate_root_key
from server.configured_database import database_of
from server.mail.outbox import Mail, enqueue
from server.root_key import sealer_of
from server.settings import Settings
from server.storage import outbox
from tests.cli.conftest import CommandLine, ostiary  # noqa: F401  a fixture
from tests.conftest import SettingsFor
from tests.support.process import free_port

LINK = "https://login.example.com/verify?token=overy-secret-token"
Put = Callable[..., str]


@pytest.fixture
def put(settings_for: SettingsFor, ostiary: CommandLine) -> Put:  # noqa: F811  the fixture
    """Put a mail into the outbox, as one that failed where an error is given."""
    ostiary.json("user", "list")  # makes the database

    def work(to: str = "alice@example.com", error: str | None = None, settings: Settings | None = None) -> str:
        used = settings or settings_for()

        async def run() -> str:
            database = database_of(used, is_server=False)
            mail = Mail(to, "verify_email", None, {"link": LINK, "name": ""})
            await database.run(lambda db: enqueue(db, sealer_of(used), mail, user_id=None, now=1_000_000_000))
            items = await database.run(outbox.list_items)
            if error is not None:
                claimed = await database.run(
                    lambda db: outbox.claim(db, "mail", now=1_000_000_001, lease_until=1_000_000_100)
                )
                assert claimed is not None
                await database.run(lambda db: outbox.postpone(db, claimed, next_try_at=4_000_000_000, error=str(error)))
            await database.close()
            return items[-1].id

        return asyncio.run(run())

    return work


def test_waiting_mails_are_listed_with_masked_addresses_and_without_their_links(
    ostiary: CommandLine,  # noqa: F811  the fixture
    put: Put,
) -> None:
    mail_id = put(error="450 try later")
    (row,) = ostiary.json("mail", "list")
    assert row["id"] == mail_id
    assert row["template"] == "verify_email"
    assert row["to"] == "a***@example.com"
    assert (row["state"], row["tries"], row["last_error"]) == ("failing", 1, "450 try later")
    shown = ostiary.run("mail", "list")
    assert shown.exit_code == 0
    for output in (shown.stdout, json.dumps(row)):
        assert "secret-token" not in output
        assert "alice@" not in output


def test_a_row_of_a_lost_root_key_is_listed_with_what_to_do(
    ostiary: CommandLine,  # noqa: F811  the fixture
    put: Put,
) -> None:
    put()
    result = ostiary.run("mail", "list", "--json", OSTIARY_SECRET_KEY=generate_root_key())
    (row,) = json.loads(result.stdout)
    assert row["template"] is None
    assert "OSTIARY_SECRET_KEY" in row["last_error"]
    assert row["state"] == "waiting"


def test_failing_mails_are_tried_again_when_asked(
    ostiary: CommandLine,  # noqa: F811  the fixture
    put: Put,
) -> None:
    first = put(error="450 try later")
    assert "no failing mail mail_x" in ostiary.refusal("mail", "retry", "mail_x")
    assert ostiary.json("mail", "retry", first)["tried_again"] == 1
    assert ostiary.json("mail", "list")[0]["next_try_at"] < 4_000_000_000
    assert ostiary.json("mail", "retry")["tried_again"] == 1


def test_a_test_mail_goes_into_a_file_where_no_server_is_set(
    ostiary: CommandLine,  # noqa: F811  the fixture
) -> None:
    done = ostiary.json("mail", "test", "alice@example.com")
    assert done["from"] == "no-reply@login.example.com"
    (file,) = (Path(ostiary.environment["OSTIARY_DATA_DIR"]) / "mail").glob("*.eml")
    assert b"To: alice@example.com" in file.read_bytes()
    assert "no e-mail address" in ostiary.refusal("mail", "test", "alice")


def test_a_mail_server_that_is_away_is_said_with_what_to_check(
    ostiary: CommandLine,  # noqa: F811  the fixture
) -> None:
    url = f"smtp://127.0.0.1:{free_port()}?tls=none"
    refusal = ostiary.refusal("mail", "test", "alice@example.com", OSTIARY_SMTP_URL=url)
    assert "OSTIARY_SMTP_URL" in refusal
    ostiary.json("mail", "list")  # makes the database
    result = ostiary.run("doctor", "--json", OSTIARY_SMTP_URL=url)
    assert result.exit_code == 1
    (line,) = [line for line in json.loads(result.stdout) if line["check"] == "mail"]
    assert not line["ok"]
    assert "check OSTIARY_SMTP_URL" in line["detail"]


def test_the_doctor_says_where_mails_go_and_how_they_stand(
    ostiary: CommandLine,  # noqa: F811  the fixture
    put: Put,
) -> None:
    put(error="450 try later")
    put()
    result = ostiary.run("doctor", "--json")
    (line,) = [line for line in json.loads(result.stdout) if line["check"] == "mail"]
    assert line["ok"]
    assert ".eml files in" in line["detail"]
    assert "2 waiting, 1 failing (`ostiary mail list` says why)" in line["detail"]
    assert "set OSTIARY_SMTP_URL" in line["detail"]


def test_waiting_mails_are_sealed_again_under_a_new_root_key(
    ostiary: CommandLine,  # noqa: F811  the fixture
    put: Put,
    settings_for: SettingsFor,
) -> None:
    put()
    fresh, former = generate_root_key(), settings_for().secret_key
    result = ostiary.run("key", "reseal", "--json", OSTIARY_SECRET_KEY=f"{fresh},{former}")
    assert json.loads(result.stdout)["outbox"] == 1
    result = ostiary.run("mail", "list", "--json", OSTIARY_SECRET_KEY=fresh)
    assert json.loads(result.stdout)[0]["to"] == "a***@example.com"


def test_a_mail_that_cannot_be_unsealed_is_named_and_holds_nothing_up(
    ostiary: CommandLine,  # noqa: F811  the fixture
    put: Put,
    settings_for: SettingsFor,
) -> None:
    lost = put(settings=settings_for(secret_key=generate_root_key()))
    put()
    checked = ostiary.run("doctor")
    assert checked.exit_code == 1
    assert f"FAIL  sealed outbox: the row outbox:{lost} cannot be unsealed" in checked.stdout
    fresh = f"{generate_root_key()},{settings_for().secret_key}"
    result = ostiary.run("key", "reseal", "--json", OSTIARY_SECRET_KEY=fresh)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["outbox"] == 1
    assert f"the row outbox:{lost} cannot be unsealed" in result.stderr
    assert result.stderr.count("cannot be unsealed") == 1
    assert "1 rows stay as they are" in result.stderr.splitlines()[-1]
