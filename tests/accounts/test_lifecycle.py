import pytest
from sqlalchemy import Connection, select

from server.accounts import consent, lifecycle, recovery_codes, sessions
from server.accounts.user import User, find, find_by_login
from server.events.names import Event
from server.storage import schema, users
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, add_authorization, add_client, add_user, begin_session, events, is_revoked


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


async def test_deleting_erases_the_person_and_keeps_the_id(database: Database, ada: User) -> None:
    session, cookie = await database.run(lambda db: begin_session(db, ada))
    token = await database.run(lambda db: add_authorization(db, ada, session.id))

    def work(db: Connection) -> None:
        recovery_codes.generate(db, ada.id, NOW)
        users.replace_roles(db, ada.id, ["admin"])
        add_client(db, "cli_a")
        consent.grant(db, ada.id, "cli_a", ["openid"], context=CONTEXT, now=NOW)

    await database.run(work)
    assert await database.run(lambda db: lifecycle.delete(db, ada, context=CONTEXT, now=NOW))
    assert not await database.run(lambda db: lifecycle.delete(db, ada, context=CONTEXT, now=NOW))
    assert await database.run(lambda db: find(db, ada.id)) is None
    assert await database.run(lambda db: find_by_login(db, "countess")) is None
    tombstone = await database.run(lambda db: users.find_by_id(db, ada.id))
    assert tombstone is not None
    assert (tombstone.is_deleted, tombstone.is_active, tombstone.roles) == (True, False, ())
    assert await database.run(lambda db: sessions.find(db, cookie, NOW)) is None
    assert await is_revoked(database, token)
    assert not await database.run(lambda db: consent.is_covered(db, ada.id, "cli_a", ["openid"]))
    rows = await database.run(lambda db: str(db.execute(select(schema.users)).all()).lower())
    assert not any(word in rows for word in ("example.com", "countess", "lovelace", "argon2"))


async def test_a_deleted_person_is_not_listed_nor_changed(database: Database, ada: User, grace: User) -> None:
    await database.run(lambda db: lifecycle.delete(db, ada, context=CONTEXT, now=NOW))
    assert await database.run(users.list_users) == [grace]
    everyone = await database.run(lambda db: users.list_users(db, with_deleted=True))
    assert {user.id for user in everyone} == {ada.id, grace.id}
    assert not await database.run(lambda db: lifecycle.enable(db, ada, context=CONTEXT, now=NOW))
    assert not await database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))


async def test_address_and_username_of_a_deleted_person_are_free_for_somebody_new(
    database: Database, ada: User
) -> None:
    await database.run(lambda db: lifecycle.delete(db, ada, context=CONTEXT, now=NOW))
    again = await database.run(lambda db: add_user(db, "ada@example.com", username="countess"))
    assert again.id != ada.id


@pytest.mark.parametrize("amr", [("pwd", "otp", "mfa"), ("pwd",)])
async def test_resetting_second_factors_ends_all_sessions(database: Database, ada: User, amr: tuple[str, ...]) -> None:
    _, cookie = await database.run(lambda db: begin_session(db, ada))
    elevated = await database.run(lambda db: sessions.elevate(db, cookie, amr=amr, now=NOW))
    assert elevated is not None
    await database.run(lambda db: lifecycle.reset_mfa(db, ada, context=CONTEXT, now=NOW))
    assert await database.run(lambda db: sessions.find(db, elevated[1], NOW)) is None
    assert await database.run(lambda db: events(db, Event.SECOND_FACTORS_RESET)) == [{"devices": 0}]
