import asyncio

import pytest
from sqlalchemy import Connection, select

from server.accounts import lifecycle, sessions
from server.accounts.sessions import Lifetime, Session, acr_of, combined_amr
from server.accounts.user import User
from server.events.names import Event
from server.settings import Settings
from server.storage import schema
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, LIFETIME, NOW, add_authorization, begin_session, events, is_revoked


async def begin(database: Database, user: User, now: int = NOW) -> tuple[Session, str]:
    return await database.run(lambda db: begin_session(db, user, now))


async def find(database: Database, cookie: str, now: int = NOW) -> Session | None:
    return await database.run(lambda db: sessions.find(db, cookie, now))


async def test_a_sign_in_is_found_by_its_cookie_alone(database: Database, ada: User) -> None:
    session, cookie = await begin(database, ada)
    assert cookie.startswith("ost_")
    assert await find(database, cookie) == session
    assert session.amr == ("pwd",)
    assert session.acr == "aal1"
    for other in (session.id, cookie[:-1], cookie + "x", "", "\ud800", "ost_"):
        assert await find(database, other) is None


async def test_the_cookie_is_not_stored(database: Database, ada: User) -> None:
    _, cookie = await begin(database, ada)
    assert cookie not in await database.run(lambda db: str(db.execute(select(schema.sessions)).all()))


async def test_a_session_ends_after_lying_idle(database: Database, ada: User) -> None:
    _, cookie = await begin(database, ada)
    assert await find(database, cookie, NOW + 1799)
    assert await find(database, cookie, NOW + 1799 + 1799)
    assert await find(database, cookie, NOW + 1799 + 1799 + 1800) is None


async def test_a_session_ends_in_any_case_at_its_absolute_end(database: Database, ada: User) -> None:
    _, cookie = await begin(database, ada)
    for moment in range(NOW, NOW + LIFETIME.absolute_seconds, 1000):
        assert await find(database, cookie, moment)
    assert await find(database, cookie, NOW + LIFETIME.absolute_seconds) is None


async def test_the_last_use_is_written_once_a_minute(database: Database, ada: User) -> None:
    _, cookie = await begin(database, ada)

    async def stored_use(now: int, *, touch: bool = True) -> int:
        def work(db: Connection) -> int:
            sessions.find(db, cookie, now, touch=touch)
            return int(db.execute(select(schema.sessions.c.last_used_at)).scalar_one())

        return await database.run(work)

    assert await stored_use(NOW + 59) == NOW
    assert await stored_use(NOW + 60, touch=False) == NOW
    assert await stored_use(NOW + 60) == NOW + 60
    assert await stored_use(NOW + 119) == NOW + 60


async def test_a_session_of_a_disabled_person_is_over_and_does_not_come_back(database: Database, ada: User) -> None:
    _, cookie = await begin(database, ada)
    await database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))
    assert await find(database, cookie) is None
    await database.run(lambda db: lifecycle.enable(db, ada, context=CONTEXT, now=NOW))
    assert await find(database, cookie) is None


async def test_a_step_up_keeps_the_sid_and_kills_the_old_cookie(database: Database, ada: User) -> None:
    session, old = await begin(database, ada)
    amr = combined_amr(session.amr, ("otp", "mfa"))
    elevated = await database.run(lambda db: sessions.elevate(db, old, amr=amr, now=NOW + 100))
    assert elevated is not None
    stronger, new = elevated
    assert new != old
    assert (stronger.id, stronger.amr, stronger.acr) == (session.id, ("pwd", "otp", "mfa"), "aal2")
    assert stronger.authenticated_at == NOW + 100
    assert stronger.expires_at == session.expires_at
    assert await find(database, old, NOW + 100) is None
    assert await find(database, new, NOW + 100) == stronger


async def test_of_many_step_ups_at_once_one_succeeds(database: Database, ada: User) -> None:
    _, old = await begin(database, ada)

    async def elevate() -> object:
        return await database.run(lambda db: sessions.elevate(db, old, amr=("pwd",), now=NOW))

    answers = await asyncio.gather(*(elevate() for _ in range(8)))
    assert len([answer for answer in answers if answer is not None]) == 1


async def test_a_session_that_is_over_cannot_step_up(database: Database, ada: User) -> None:
    _, cookie = await begin(database, ada)
    later = NOW + LIFETIME.idle_seconds
    assert await database.run(lambda db: sessions.elevate(db, cookie, amr=("pwd",), now=later)) is None


async def test_ending_a_session_revokes_its_authorizations_but_offline_access(database: Database, ada: User) -> None:
    """OpenID Connect Core section 11."""
    session, cookie = await begin(database, ada)
    online = await database.run(lambda db: add_authorization(db, ada, session.id))
    offline = await database.run(lambda db: add_authorization(db, ada, session.id, scope="openid offline_access"))
    other = await database.run(lambda db: add_authorization(db, ada, "ses_other"))

    async def end() -> bool:
        return await database.run(lambda db: sessions.end(db, session.id, user_id=ada.id, context=CONTEXT, now=NOW))

    assert await end()
    assert not await end()
    assert await find(database, cookie) is None
    revoked = [await is_revoked(database, authorization) for authorization in (online, offline, other)]
    assert revoked == [True, False, False]
    assert await database.run(lambda db: events(db, Event.SESSION_ENDED)) == [{"session_id": session.id}]


async def test_nobody_ends_another_person_s_session(database: Database, ada: User, grace: User) -> None:
    session, cookie = await begin(database, ada)
    ended = await database.run(lambda db: sessions.end(db, session.id, user_id=grace.id, context=CONTEXT, now=NOW))
    assert not ended
    assert await find(database, cookie)


async def test_ending_all_others_spares_one_session_and_what_it_authorized(
    database: Database, ada: User, grace: User
) -> None:
    kept, kept_cookie = await begin(database, ada)
    other, other_cookie = await begin(database, ada)
    _, stranger_cookie = await begin(database, grace)
    in_kept = await database.run(lambda db: add_authorization(db, ada, kept.id))
    in_other = await database.run(lambda db: add_authorization(db, ada, other.id, scope="offline_access"))
    in_gone = await database.run(lambda db: add_authorization(db, ada, "ses_gone", scope="a offline_access b"))
    ended = await database.run(lambda db: sessions.end_all(db, ada.id, context=CONTEXT, now=NOW, except_id=kept.id))
    assert ended == 1
    found = [await find(database, cookie) is not None for cookie in (kept_cookie, other_cookie, stranger_cookie)]
    assert found == [True, False, True]
    revoked = [await is_revoked(database, authorization) for authorization in (in_kept, in_other, in_gone)]
    assert revoked == [False, True, True]


async def test_two_devices_that_sign_each_other_out_at_once_both_get_an_answer(database: Database, ada: User) -> None:
    begun = [(await begin(database, ada))[0] for _ in range(6)]

    async def end_others(kept: Session) -> int:
        return await database.run(lambda db: sessions.end_all(db, ada.id, context=CONTEXT, now=NOW, except_id=kept.id))

    assert sum(await asyncio.gather(*(end_others(session) for session in begun))) == 6


async def test_live_sessions_are_listed_the_last_used_first(database: Database, ada: User, grace: User) -> None:
    first, _ = await begin(database, ada, NOW - 100)
    second, _ = await begin(database, ada, NOW)
    await begin(database, ada, NOW - 2000)  # idle by now
    await begin(database, grace)
    live = await database.run(lambda db: sessions.list_live(db, ada.id, NOW))
    assert [session.id for session in live] == [second.id, first.id]


def test_lifetimes_come_from_the_settings() -> None:
    settings = Settings.model_validate({})
    assert Lifetime.of(settings, remember=False) == Lifetime(1800, 28_800)
    assert Lifetime.of(settings, remember=True) == Lifetime(2_592_000, 2_592_000)


@pytest.mark.parametrize(("amr", "acr"), [(("pwd",), "aal1"), (("pwd", "otp", "mfa"), "aal2"), ((), "aal1")])
def test_the_strength_follows_from_the_methods(amr: tuple[str, ...], acr: str) -> None:
    assert acr_of(amr) == acr
