"""The audit log as the person it is about reads it."""

import pytest
from sqlalchemy import Connection

from server.accounts import security_log
from server.accounts.security_log import Doer
from server.accounts.user import User
from server.events.audit import record
from server.events.context import CLI, SYSTEM, Context
from server.events.names import Event
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW

OF_THE_SERVER = (
    "client",
    "signing_key",
    "scope",
    "role",
    "organization",
    "invitation",
    "registration",
    "resource",
    "authorization_detail_type",
)


def test_every_event_about_people_has_words_or_is_left_out_on_purpose() -> None:
    rest = set(Event) - set(security_log.WORDS) - security_log.UNSEEN
    assert not [event for event in rest if not event.value.startswith(OF_THE_SERVER)]
    assert not set(security_log.WORDS) & security_log.UNSEEN


async def test_the_log_is_read_page_by_page(database: Database, ada: User) -> None:
    def work(db: Connection) -> None:
        for second in range(2 * security_log.PAGE):
            record(db, Event.SIGN_IN_SUCCEEDED, CONTEXT, now=NOW + second, user_id=ada.id)

    await database.run(work)
    first, before = await database.run(lambda db: security_log.read(db, ada.id))
    second, last = await database.run(lambda db: security_log.read(db, ada.id, before_id=before))
    third, end = await database.run(lambda db: security_log.read(db, ada.id, before_id=last))
    assert (len(first), len(second), len(third), end) == (security_log.PAGE, security_log.PAGE, 1, None)
    times = [entry.at for entry in (*first, *second, *third)]
    assert times == sorted(times, reverse=True)
    assert (first[0].address, first[0].user_agent) == (CONTEXT.address, CONTEXT.user_agent)


@pytest.mark.parametrize(
    ("context", "doer"),
    [
        (CONTEXT, Doer.ANYBODY),
        (CLI, Doer.ADMINISTRATOR),
        (SYSTEM, Doer.SERVER),
        (Context("", "", actor="usr_other"), Doer.ADMINISTRATOR),
        (Context("", "", actor="cli_a"), Doer.ANYBODY),
    ],
)
async def test_the_log_says_who_did_it(database: Database, ada: User, context: Context, doer: Doer) -> None:
    await database.run(lambda db: record(db, Event.USER_UPDATED, context, now=NOW, user_id=ada.id))
    (entry, _created), _ = await database.run(lambda db: security_log.read(db, ada.id))
    assert entry.doer is doer


async def test_what_programs_do_among_themselves_is_left_out(database: Database, ada: User) -> None:
    await database.run(lambda db: record(db, Event.CODE_REDEEMED, CONTEXT, now=NOW, user_id=ada.id))
    entries, _ = await database.run(lambda db: security_log.read(db, ada.id))
    assert [str(entry.text) for entry in entries] == ["The account was created"]


async def test_sign_ins_to_one_application_that_follow_each_other_are_one_entry(database: Database, ada: User) -> None:
    def work(db: Connection) -> None:
        for second in range(3 * security_log.PAGE):
            client_id = "b" if second == security_log.PAGE else "a"
            record(db, Event.CODE_ISSUED, CONTEXT, now=NOW + second, user_id=ada.id, client_id=client_id)

    await database.run(work)
    entries, end = await database.run(lambda db: security_log.read(db, ada.id))
    said = [(entry.client_id, entry.count) for entry in entries]
    assert said == [("a", 2 * security_log.PAGE - 1), ("b", 1), ("a", security_log.PAGE), (None, 1)]
    assert end is None
    assert entries[0].at == NOW + 3 * security_log.PAGE - 1


async def test_a_page_of_the_log_ends_where_too_many_events_are_alike(database: Database, ada: User) -> None:
    def work(db: Connection) -> None:
        for second in range(security_log.READ_AT_ONCE + 5):
            record(db, Event.CODE_ISSUED, CONTEXT, now=NOW + second, user_id=ada.id, client_id="a")

    await database.run(work)
    (entry,), before = await database.run(lambda db: security_log.read(db, ada.id))
    rest, end = await database.run(lambda db: security_log.read(db, ada.id, before_id=before))
    assert (entry.count, [other.count for other in rest], end) == (security_log.READ_AT_ONCE, [5, 1], None)
