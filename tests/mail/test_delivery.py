"""The outbox is emptied: once in the normal case, again after a crash, later after a failure, never lost."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from keys.sealing import Sealer, generate_root_key, parse_root_keys
from server.mail.delivery import (
    FIRST_DELAY_SECONDS,
    GIVE_UP_SECONDS,
    LEASE_SECONDS,
    MAX_DELAY_SECONDS,
    PARALLEL,
    delay_after,
)
from server.mail.outbox import TOPIC
from server.mail.outgoing import MailError
from server.observability import logging
from server.storage import audit, outbox, schema
from tests.mail.conftest import LINK, Post

ALICE, BOB = "alice@example.com", "bob@example.com"


async def _audited(post: Post) -> list[dict[str, Any]]:
    rows = await post.database.run(
        lambda db: audit.list_rows(db, user_id=None, event="mail.failed", since=None, limit=100)
    )
    return [dict(row) for row in rows]


async def test_what_is_put_into_the_outbox_is_sent_once_and_forgotten(post: Post) -> None:
    await post.put(ALICE)
    delivery = post.delivery()
    await delivery.run_due()
    await delivery.run_due()
    assert post.collector.recipients == [ALICE]
    assert await post.waiting() == []


async def test_nothing_is_sent_when_the_transaction_is_rolled_back(post: Post) -> None:
    def fail(_db: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await post.database.run(fail)
    await post.delivery().run_due()
    assert post.collector.tried == []


async def test_two_nodes_send_each_mail_once(post: Post) -> None:
    people = [f"person{number}@example.com" for number in range(40)]
    for person in people:
        await post.put(person)
    nodes = [post.delivery() for _ in range(3)]
    await asyncio.gather(*(node.run_due() for node in nodes))
    assert sorted(post.collector.recipients) == sorted(people)
    assert await post.waiting() == []


async def test_parallel_claims_get_different_rows(post: Post) -> None:
    for _ in range(5):
        await post.put()
    now = post.clock.now()
    claimed = await asyncio.gather(
        *(
            post.database.run(lambda db: outbox.claim(db, TOPIC, now=now, lease_until=now + LEASE_SECONDS))
            for _ in range(8)
        )
    )
    ids = [item.id for item in claimed if item is not None]
    assert len(ids) == len(set(ids))
    rest = 0
    while await post.database.run(lambda db: outbox.claim(db, TOPIC, now=now, lease_until=now + LEASE_SECONDS)):
        rest += 1
    assert len(ids) + rest == 5


async def test_a_node_that_dies_while_it_sends_leaves_the_mail_to_others(post: Post) -> None:
    await post.put(ALICE)
    now = post.clock.now()
    claimed = await post.database.run(lambda db: outbox.claim(db, TOPIC, now=now, lease_until=now + LEASE_SECONDS))
    assert claimed is not None
    other = post.delivery()
    post.clock.advance(LEASE_SECONDS - 1)
    await other.run_due()
    assert post.collector.tried == []
    post.clock.advance(1)
    await other.run_due()
    assert post.collector.recipients == [ALICE]


async def test_a_node_that_was_slow_cannot_put_back_what_another_has_claimed(post: Post) -> None:
    await post.put(ALICE)
    now = post.clock.now()
    slow = await post.database.run(lambda db: outbox.claim(db, TOPIC, now=now, lease_until=now))
    quick = await post.database.run(lambda db: outbox.claim(db, TOPIC, now=now, lease_until=now + LEASE_SECONDS))
    assert slow is not None
    assert quick is not None
    assert not await post.database.run(lambda db: outbox.postpone(db, slow, next_try_at=now, error="late"))
    assert not await post.database.run(lambda db: outbox.remove(db, slow))
    (row,) = await post.waiting()
    assert (row.next_try_at, row.last_error) == (now + LEASE_SECONDS, None)


def test_pauses_grow_to_an_hour() -> None:
    assert [delay_after(tries) for tries in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert delay_after(11) == delay_after(5000) == MAX_DELAY_SECONDS == 3600


async def test_a_failed_mail_is_tried_again_after_its_pause(post: Post) -> None:
    await post.put(ALICE)
    post.collector.failures[ALICE] = MailError("the mail server cannot be used: refused")
    delivery = post.delivery()
    await delivery.run_due()
    (row,) = await post.waiting()
    assert row.tries == 1
    assert row.last_error == "the mail server cannot be used: refused"
    assert row.next_try_at == post.clock.now() + FIRST_DELAY_SECONDS
    post.clock.advance(FIRST_DELAY_SECONDS - 1)
    await delivery.run_due()
    assert len(post.collector.tried) == 1
    post.clock.advance(1)
    await delivery.run_due()
    assert (await post.waiting())[0].next_try_at == post.clock.now() + 2 * FIRST_DELAY_SECONDS
    post.collector.failures.clear()
    post.clock.advance(2 * FIRST_DELAY_SECONDS)
    await delivery.run_due()
    assert post.collector.recipients == [ALICE]
    assert await post.waiting() == []
    assert await _audited(post) == []


async def test_a_mail_is_given_up_after_three_days_and_written_down(
    post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.configure(post.settings)
    await post.put(ALICE)
    post.collector.failures[ALICE] = MailError("the mail server does not answer in time")
    delivery = post.delivery()
    started = post.clock.now()
    while waiting := await post.waiting():
        assert post.clock.now() - started <= GIVE_UP_SECONDS + MAX_DELAY_SECONDS
        await delivery.run_due()
        post.clock.advance(max(1, waiting[0].next_try_at - post.clock.now(), delay_after(waiting[0].tries + 1)))
    assert post.clock.now() - started >= GIVE_UP_SECONDS
    (event,) = await _audited(post)
    assert event["details"]["template"] == "verify_email"
    assert event["details"]["cause"] == "the mail server does not answer in time"
    assert event["details"]["tries"] == len(post.collector.tried) > 70
    assert event["actor"] == "system"
    logged = capsys.readouterr().err
    assert "a mail is given up" in logged
    assert "ostiary mail test" in logged


async def test_a_permanent_refusal_gives_up_at_once(post: Post) -> None:
    await post.put(ALICE)
    post.collector.failures[ALICE] = MailError("the recipient was refused: 550 no such user", is_permanent=True)
    await post.delivery().run_due()
    assert await post.waiting() == []
    (event,) = await _audited(post)
    assert event["details"]["tries"] == 1


@pytest.mark.parametrize("failure", [MailError("no"), RuntimeError("a bug"), KeyError("x")], ids=repr)
async def test_a_failing_mail_does_not_hold_up_others(post: Post, failure: Exception) -> None:
    people = [f"person{number}@example.com" for number in range(6)]
    await post.put(ALICE)
    for person in people:
        await post.put(person)
    post.collector.failures[ALICE] = failure
    await post.delivery().run_due()
    assert sorted(post.collector.recipients) == people
    assert len(await post.waiting()) == 1


async def test_a_mail_that_cannot_be_put_into_words_is_kept_and_does_not_hold_up_others(post: Post) -> None:
    await post.put(ALICE, "no_such_template")
    await post.put(ALICE, "email_code")  # without its code
    await post.put(BOB)
    await post.delivery().run_due()
    assert post.collector.recipients == [BOB]
    errors = sorted(str(item.last_error) for item in await post.waiting())
    assert [error.partition(":")[0] for error in errors] == ["TemplateNotFound", "UndefinedError"]


async def test_a_mail_that_hangs_leaves_the_others_their_way(post: Post) -> None:
    await post.put(ALICE)
    post.collector.hanging.add(ALICE)
    delivery = post.delivery()
    await delivery.start_due()
    await asyncio.sleep(0.05)
    for number in range(3):
        await post.put(f"person{number}@example.com")
    await delivery.start_due()
    async with asyncio.timeout(10):
        while len(post.collector.taken) < 3:
            await asyncio.sleep(0.01)
    assert ALICE not in post.collector.recipients
    for task in delivery._running:
        task.cancel()
    await delivery.stop()


async def test_one_node_sends_only_a_few_at_a_time(post: Post) -> None:
    for number in range(PARALLEL + 3):
        post.collector.hanging.add(f"person{number}@example.com")
        await post.put(f"person{number}@example.com")
    delivery = post.delivery()
    async with asyncio.timeout(10):
        while len(post.collector.tried) < PARALLEL:
            await delivery.start_due()
            await asyncio.sleep(0.01)
    await delivery.start_due()
    await asyncio.sleep(0.05)
    assert len(post.collector.tried) == PARALLEL
    for task in delivery._running:
        task.cancel()
    await delivery.stop()


async def test_a_server_that_stops_finishes_the_mail_on_its_way(post: Post) -> None:
    for number in range(30):
        await post.put(f"person{number}@example.com")
    delivery = post.delivery()
    await delivery.start_due()
    async with asyncio.timeout(10):
        while not post.collector.tried:
            await asyncio.sleep(0)
    await delivery.stop()
    rest = await post.waiting()
    assert all(item.tries == 0 for item in rest)
    assert len(post.collector.taken) == len(post.collector.tried) == 30 - len(rest)
    assert rest


async def test_a_row_sealed_under_a_lost_root_key_waits_for_its_key(post: Post) -> None:
    await post.put(ALICE)
    delivery = post.delivery()
    known, delivery._sealer = delivery._sealer, Sealer(parse_root_keys(generate_root_key()))
    await delivery.run_due()
    (row,) = await post.waiting()
    assert "OSTIARY_SECRET_KEY" in str(row.last_error)
    delivery._sealer = known
    post.clock.advance(FIRST_DELAY_SECONDS)
    await delivery.run_due()
    assert post.collector.recipients == [ALICE]


async def test_a_row_that_was_exchanged_for_another_is_not_sent(post: Post) -> None:
    await post.put(ALICE)
    await post.put(BOB)
    first, second = await post.waiting()
    await post.database.run(
        lambda db: (
            db.execute(
                update(schema.outbox).where(schema.outbox.c.id == first.id).values(sealed=second.sealed)
            ).rowcount
        )
    )
    await post.delivery().run_due()
    assert len(post.collector.taken) == 1


async def test_no_secret_is_in_the_database_or_the_log(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure(post.settings.model_copy(update={"log_level": "debug"}))
    await post.put(ALICE)
    await post.put(BOB, "email_code", code="918273")
    for who in (ALICE, BOB):
        said = f"554 spam: {LINK} 918273 for {who} from Alice Ample"
        post.collector.failures[who] = MailError(said)
    delivery = post.delivery()
    await delivery.run_due()
    rows = await post.waiting()
    assert len(rows) == 2
    post.collector.failures = {
        who: MailError(str(error), is_permanent=True) for who, error in post.collector.failures.items()
    }
    post.clock.advance(FIRST_DELAY_SECONDS)
    await delivery.run_due()
    events = await _audited(post)
    assert len(events) == 2
    logged = capsys.readouterr().err
    assert "554 spam" in logged
    for place in (repr(rows), repr(events), logged):
        assert "secret-token" not in place
        assert ALICE not in place
        assert BOB not in place
    codes = [repr(item) for item in (*rows, *events) if "email_code" in repr(item)]
    assert all("918273" not in place for place in codes)


async def test_haste_brings_failed_mails_forward_and_leaves_alone_what_is_being_sent(post: Post) -> None:
    await post.put(ALICE)
    await post.put(BOB)
    post.collector.failures[ALICE] = MailError("no")
    post.collector.failures[BOB] = MailError("no")
    delivery = post.delivery()
    await delivery.run_due()
    post.clock.advance(FIRST_DELAY_SECONDS)
    now = post.clock.now()
    being_sent = await post.database.run(lambda db: outbox.claim(db, TOPIC, now=now, lease_until=now + LEASE_SECONDS))
    assert being_sent is not None
    assert await post.database.run(lambda db: outbox.hasten(db, TOPIC, now=now - 1)) == 1
    times = {item.id: item.next_try_at for item in await post.waiting()}
    assert times.pop(being_sent.id) == now + LEASE_SECONDS
    assert list(times.values()) == [now - 1]
