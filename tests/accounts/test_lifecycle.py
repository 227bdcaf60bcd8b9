import asyncio
import json

import pytest
from sqlalchemy import Connection, insert, select

from keys.sealing import Sealer
from server.accounts import consent, credentials, lifecycle, recovery_codes, sessions
from server.accounts.registration import EmailTakenError
from server.accounts.user import User, find, find_by_email, find_by_login, find_deleted
from server.events.names import Event
from server.mail import outbox
from server.storage import schema, totp_devices, users
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, add_authorization, add_user, begin_session, events, is_revoked

GRACE = 1_209_600


async def test_disabling_shuts_a_person_out_at_once(database: Database, ada: User) -> None:
    session, cookie = await database.run(lambda db: begin_session(db, ada))
    token = await database.run(lambda db: add_authorization(db, ada, session.id, scope="offline_access"))
    assert await database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))
    assert not await database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))
    stored = await database.run(lambda db: find(db, ada.id))
    assert stored is not None
    assert (stored.is_disabled, stored.is_active) == (True, False)
    assert await database.run(lambda db: sessions.find(db, cookie, NOW)) is None
    assert await is_revoked(database, token)
    assert len(await database.run(lambda db: events(db, Event.USER_DISABLED))) == 1


async def test_enabling_lets_the_person_back_in(database: Database, ada: User) -> None:
    assert not await database.run(lambda db: lifecycle.enable(db, ada, context=CONTEXT, now=NOW))
    await database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))
    assert await database.run(lambda db: lifecycle.enable(db, ada, context=CONTEXT, now=NOW))
    stored = await database.run(lambda db: find(db, ada.id))
    assert stored is not None
    assert stored.is_active


async def _delete(database: Database, sealer: Sealer, user: User, now: int = NOW) -> bool:
    return await database.run(
        lambda db: lifecycle.delete(db, user, grace_seconds=GRACE, sealer=sealer, context=CONTEXT, now=now)
    )


def _belongings(db: Connection, user_id: str) -> set[str]:
    """The tables that still have a row about the person, the person's own and the audit log aside."""
    tables = [t for t in schema.metadata.sorted_tables if "user_id" in t.c and t.name not in ("audit_log", "outbox")]
    return {t.name for t in tables if db.execute(select(t.c.user_id).where(t.c.user_id == user_id)).first()}


def _equip(db: Connection, user: User, session_id: str) -> None:
    """Give a person a row in every table that is about people."""
    add_authorization(db, user, session_id)
    recovery_codes.generate(db, user.id, NOW)
    users.replace_roles(db, user.id, ["admin"])
    consent.grant(db, user.id, "cli_a", ["openid"], context=CONTEXT, now=NOW)
    credentials.create_password_link(db, user, context=CONTEXT, now=NOW, seconds=900)
    totp_devices.insert_device(db, "totp_1", user_id=user.id, name="", sealed_secret="sealed", last_step=0, now=NOW)
    passkey = {"credential_id": "c", "public_key": "k", "sign_count": 0, "name": "", "aaguid": "", "transports": []}
    db.execute(insert(schema.passkeys).values(id="p", user_id=user.id, **passkey, is_backed_up=True, created_at=NOW))
    values = {"user_id": user.id, "created_at": NOW}
    db.execute(
        insert(schema.trusted_browsers).values(digest="d", **values, user_agent="Firefox", expires_at=NOW + 10 * GRACE)
    )
    db.execute(insert(schema.password_history).values(id="h", password_hash="$argon2id$old", **values))
    organization = {"id": "o", "name": "Analysts", "name_normalized": "analysts", "created_at": NOW}
    db.execute(insert(schema.organizations).values(**organization))
    db.execute(insert(schema.memberships).values(organization_id="o", role="member", **values))


async def test_deleting_shuts_a_person_out_at_once_and_keeps_what_can_be_restored(
    database: Database, sealer: Sealer, ada: User
) -> None:
    session, cookie = await database.run(lambda db: begin_session(db, ada))
    token = await database.run(lambda db: add_authorization(db, ada, session.id, scope="offline_access"))
    assert await _delete(database, sealer, ada)
    assert not await _delete(database, sealer, ada)
    assert await database.run(lambda db: find(db, ada.id)) is None
    assert await database.run(lambda db: find_by_login(db, "countess")) is None
    assert await database.run(lambda db: find_by_email(db, "ada@example.com")) is None
    assert await database.run(lambda db: sessions.find(db, cookie, NOW)) is None
    assert await is_revoked(database, token)
    stored = await database.run(lambda db: users.find_by_id(db, ada.id))
    assert stored is not None
    assert (stored.is_deleted, stored.is_active, stored.erase_at, stored.name) == (True, False, NOW + GRACE, ada.name)
    assert await database.run(lambda db: events(db, Event.USER_DELETED)) == [{"erase_at": NOW + GRACE}]


async def test_the_deleted_person_is_told_by_mail_when_they_are_erased(
    database: Database, sealer: Sealer, ada: User
) -> None:
    await _delete(database, sealer, ada)
    row = await database.run(lambda db: db.execute(select(schema.outbox)).mappings().one())
    mail = json.loads(sealer.unseal(row["sealed"], context=outbox.context_of(row["id"])))
    assert (mail["to"], mail["template"]) == ("Ada@Example.com", "account_deleted")
    assert mail["values"] == {"name": "Ada Lovelace", "erase_time": NOW + GRACE}


async def test_links_and_trusted_browsers_die_with_the_deletion(database: Database, sealer: Sealer, ada: User) -> None:
    session, _ = await database.run(lambda db: begin_session(db, ada))
    await database.run(lambda db: _equip(db, ada, session.id))
    await _delete(database, sealer, ada)
    left = await database.run(lambda db: _belongings(db, ada.id))
    assert not left & {"one_time", "trusted_browsers"}
    assert left >= {"totp_devices", "passkeys", "recovery_codes", "consents", "memberships", "user_roles"}


@pytest.mark.parametrize("identifier", ["Countess", "ADA@example.com", "id"])
async def test_a_deleted_person_can_be_restored_within_the_time(
    database: Database, sealer: Sealer, ada: User, identifier: str
) -> None:
    await _delete(database, sealer, ada)
    found = await database.run(lambda db: find_deleted(db, ada.id if identifier == "id" else identifier))
    assert found is not None
    assert await database.run(lambda db: lifecycle.restore(db, found, context=CONTEXT, now=NOW + GRACE - 1))
    assert not await database.run(lambda db: lifecycle.restore(db, found, context=CONTEXT, now=NOW + GRACE - 1))
    stored = await database.run(lambda db: find(db, ada.id))
    assert stored is not None
    assert (stored.is_active, stored.erase_at, stored.password_hash) == (True, None, ada.password_hash)
    assert len(await database.run(lambda db: events(db, Event.USER_RESTORED))) == 1
    assert await database.run(lambda db: lifecycle.erase_due(db, NOW + 2 * GRACE)) == 0


async def test_nobody_is_restored_after_the_time_or_without_a_deletion(
    database: Database, sealer: Sealer, ada: User
) -> None:
    assert await database.run(lambda db: find_deleted(db, ada.id)) is None
    assert not await database.run(lambda db: lifecycle.restore(db, ada, context=CONTEXT, now=NOW))
    await _delete(database, sealer, ada)
    assert not await database.run(lambda db: lifecycle.restore(db, ada, context=CONTEXT, now=NOW + GRACE))


async def test_address_and_username_stay_taken_until_the_person_is_erased(
    database: Database, sealer: Sealer, ada: User
) -> None:
    await _delete(database, sealer, ada)
    with pytest.raises(EmailTakenError):
        await database.run(lambda db: add_user(db, "ada@example.com"))
    assert await database.run(lambda db: lifecycle.erase_due(db, NOW + GRACE - 1)) == 0
    assert await database.run(lambda db: lifecycle.erase_due(db, NOW + GRACE)) == 1
    assert await database.run(lambda db: lifecycle.erase_due(db, NOW + GRACE)) == 0
    again = await database.run(lambda db: add_user(db, "ada@example.com", username="countess"))
    assert again.id != ada.id


@pytest.mark.parametrize("is_deleted_before", [True, False])
async def test_erasing_leaves_nothing_but_the_id_and_the_audit_log(
    database: Database, sealer: Sealer, ada: User, *, is_deleted_before: bool
) -> None:
    session, cookie = await database.run(lambda db: begin_session(db, ada))
    await database.run(lambda db: _equip(db, ada, session.id))
    user: User | None = ada
    if is_deleted_before:
        await _delete(database, sealer, ada)
        user = await database.run(lambda db: find_deleted(db, ada.id))
    assert user is not None
    assert await database.run(lambda db: lifecycle.erase(db, user, context=CONTEXT, now=NOW))
    assert not await database.run(lambda db: lifecycle.erase(db, user, context=CONTEXT, now=NOW))
    assert await database.run(lambda db: _belongings(db, ada.id)) == set()
    tombstone = await database.run(lambda db: users.find_by_id(db, ada.id))
    assert tombstone is not None
    assert (tombstone.is_deleted, tombstone.roles, tombstone.erase_at) == (True, (), None)
    assert await database.run(lambda db: sessions.find(db, cookie, NOW)) is None
    assert await database.run(lambda db: find_deleted(db, ada.id)) is None
    rows = await database.run(lambda db: str(db.execute(select(schema.users)).all()).lower())
    assert not any(word in rows for word in ("example.com", "countess", "lovelace", "argon2"))
    assert len(await database.run(lambda db: events(db, Event.USER_ERASED))) == 1
    assert len(await database.run(lambda db: events(db, Event.USER_CREATED))) == 1


async def test_two_nodes_erase_a_person_once(database: Database, sealer: Sealer, ada: User, grace: User) -> None:
    for user in (ada, grace):
        await _delete(database, sealer, user)
    counts = await asyncio.gather(*(database.run(lambda db: lifecycle.erase_due(db, NOW + GRACE)) for _ in range(3)))
    assert sum(counts) == 2
    assert len(await database.run(lambda db: events(db, Event.USER_ERASED))) == 2


async def test_a_deleted_person_is_not_listed_nor_changed(
    database: Database, sealer: Sealer, ada: User, grace: User
) -> None:
    await _delete(database, sealer, ada)
    assert await database.run(users.list_users) == [grace]
    everyone = await database.run(lambda db: users.list_users(db, with_deleted=True))
    assert {user.id for user in everyone} == {ada.id, grace.id}
    assert not await database.run(lambda db: lifecycle.enable(db, ada, context=CONTEXT, now=NOW))
    assert not await database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))


@pytest.mark.parametrize("amr", [("pwd", "otp", "mfa"), ("pwd",)])
async def test_resetting_second_factors_ends_all_sessions(database: Database, ada: User, amr: tuple[str, ...]) -> None:
    _, cookie = await database.run(lambda db: begin_session(db, ada))
    elevated = await database.run(lambda db: sessions.elevate(db, cookie, amr=amr, now=NOW))
    assert elevated is not None
    await database.run(lambda db: lifecycle.reset_mfa(db, ada, context=CONTEXT, now=NOW))
    assert await database.run(lambda db: sessions.find(db, elevated[1], NOW)) is None
    assert await database.run(lambda db: events(db, Event.SECOND_FACTORS_RESET)) == [{"devices": 0}]
