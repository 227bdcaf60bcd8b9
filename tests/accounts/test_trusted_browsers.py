from collections.abc import Callable

import pytest
from sqlalchemy import Connection, select

from keys.sealing import Sealer
from server.accounts import credentials, lifecycle, passkeys, recovery_codes, second_factor, totp
from server.accounts import trusted_browsers as trusted
from server.accounts.second_factor import EMAIL, PASSKEY, TOTP, FreshSignInNeededError
from server.accounts.sessions import Session, acr_of
from server.accounts.user import User
from server.events.names import Event
from server.storage import purge, schema
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, events
from tests.accounts.test_totp import code_at

DAY = 86_400


async def trust(database: Database, person: User, now: int = NOW) -> str:
    return await database.run(lambda db: trusted.trust(db, person.id, seconds=30 * DAY, context=CONTEXT, now=now))


async def is_trusted(database: Database, cookie: str | None, person: User, now: int = NOW) -> bool:
    return await database.run(lambda db: trusted.is_trusted(db, cookie, person.id, now))


async def enrol(database: Database, sealer: Sealer, person: User, name: str = "") -> str:
    secret = totp.new_secret()
    device_id = await database.run(
        lambda db: totp.enrol(
            db,
            sealer,
            person.id,
            secret,
            code_at(secret, NOW),
            context=CONTEXT,
            now=NOW,
            previous_steps=1,
            name=name,
        )
    )
    assert device_id is not None
    return device_id


async def test_a_browser_is_trusted_for_its_time_and_for_one_person(database: Database, ada: User, grace: User) -> None:
    cookie = await trust(database, ada)
    assert await is_trusted(database, cookie, ada, NOW + 30 * DAY - 1)
    assert not await is_trusted(database, cookie, ada, NOW + 30 * DAY)
    assert not await is_trusted(database, cookie, grace)
    for other in (None, "", cookie + "x", "\ud800"):
        assert not await is_trusted(database, other, ada)


async def test_the_cookie_is_stored_as_a_digest_and_its_row_is_purged(database: Database, ada: User) -> None:
    cookie = await trust(database, ada)
    table = schema.trusted_browsers
    rows = await database.run(lambda db: db.execute(select(table)).mappings().all())
    assert cookie not in str([dict(row) for row in rows])
    await database.run(lambda db: purge.purge_batch(db, NOW + 30 * DAY))
    assert await database.run(lambda db: db.execute(select(table)).all()) == []


def _new_password(db: Connection, _sealer: Sealer, person: User) -> None:
    credentials.set_password(db, person, "$argon2id$other", context=CONTEXT, now=NOW)


def _disable(db: Connection, _sealer: Sealer, person: User) -> object:
    lifecycle.disable(db, person, context=CONTEXT, now=NOW)
    return lifecycle.enable(db, person, context=CONTEXT, now=NOW)


def _reset(db: Connection, _sealer: Sealer, person: User) -> object:
    return lifecycle.reset_mfa(db, person, context=CONTEXT, now=NOW)


def _forget(db: Connection, _sealer: Sealer, person: User) -> object:
    return trusted.forget_all(db, person.id, context=CONTEXT, now=NOW)


def _remove_factor(db: Connection, sealer: Sealer, person: User) -> object:
    device = totp.list_of_user(db, person.id)[0]
    return second_factor.remove(db, sealer, person, TOTP, device.id, context=CONTEXT, now=NOW)


ENDS: tuple[Callable[[Connection, Sealer, User], object], ...] = (
    _new_password,
    _disable,
    _reset,
    _forget,
    _remove_factor,
)


@pytest.mark.parametrize("end", ENDS)
async def test_trust_ends(
    database: Database, sealer: Sealer, ada: User, end: Callable[[Connection, Sealer, User], object]
) -> None:
    await enrol(database, sealer, ada)
    cookie = await trust(database, ada)
    assert await is_trusted(database, cookie, ada)
    await database.run(lambda db: end(db, sealer, ada))
    assert not await is_trusted(database, cookie, ada)


async def test_trusting_and_forgetting_are_audited_once(database: Database, ada: User) -> None:
    await trust(database, ada)
    await trust(database, ada, NOW + 1)
    assert await database.run(lambda db: trusted.count(db, ada.id, NOW)) == 2
    for _ in range(2):
        await database.run(lambda db: trusted.forget_all(db, ada.id, context=CONTEXT, now=NOW))
    assert len(await database.run(lambda db: events(db, Event.BROWSER_TRUSTED))) == 2
    assert await database.run(lambda db: events(db, Event.TRUSTED_BROWSERS_FORGOTTEN)) == [{"browsers": 2}]


async def test_the_last_factor_takes_the_recovery_codes_with_it(database: Database, sealer: Sealer, ada: User) -> None:
    first, second = await enrol(database, sealer, ada), await enrol(database, sealer, ada, "Tablet")
    await database.run(lambda db: recovery_codes.regenerate(db, ada.id, context=CONTEXT, now=NOW))
    assert await database.run(lambda db: events(db, Event.RECOVERY_CODES_GENERATED)) == [{"codes": 10}]

    async def remove(device_id: str) -> bool:
        return await database.run(
            lambda db: second_factor.remove(db, sealer, ada, TOTP, device_id, context=CONTEXT, now=NOW)
        )

    names = [device.name for device in await database.run(lambda db: totp.list_of_user(db, ada.id))]
    assert sorted(names) == ["Authenticator app", "Tablet"]
    assert await remove(first)
    assert not await remove(first)
    assert await database.run(lambda db: recovery_codes.left(db, ada.id)) == 10
    assert await remove(second)
    assert await database.run(lambda db: recovery_codes.left(db, ada.id)) == 0
    assert len(await database.run(lambda db: events(db, Event.TOTP_REMOVED))) == 2


async def test_another_person_s_factor_is_not_removed(
    database: Database, sealer: Sealer, ada: User, grace: User
) -> None:
    device_id = await enrol(database, sealer, ada)

    async def remove(kind: str) -> bool:
        return await database.run(
            lambda db: second_factor.remove(db, sealer, grace, kind, device_id, context=CONTEXT, now=NOW)
        )

    assert [await remove(kind) for kind in (TOTP, PASSKEY, EMAIL, "nonsense")] == [False] * 4
    assert len(await database.run(lambda db: totp.list_of_user(db, ada.id))) == 1
    assert not await database.run(lambda db: totp.rename(db, grace.id, device_id, "Mine"))
    assert await database.run(lambda db: totp.rename(db, ada.id, device_id, "Phone"))
    assert await database.run(lambda db: second_factor.remove_all(db, sealer, ada, context=CONTEXT, now=NOW)) == 1
    assert await database.run(lambda db: passkeys.list_of_user(db, ada.id)) == []


def _session(person: User, amr: tuple[str, ...], at: int = NOW) -> Session:
    return Session(
        id="ses_1",
        user_id=person.id,
        created_at=at,
        authenticated_at=at,
        last_used_at=at,
        idle_seconds=1800,
        expires_at=at + DAY,
        amr=amr,
        acr=acr_of(amr),
        address="",
        user_agent="",
    )


ALLOWED: dict[tuple[str, ...], set[str | None]] = {
    ("pwd", "otp", "mfa"): {TOTP, PASSKEY, EMAIL, None},
    ("pwd", "hwk", "mfa"): {TOTP, PASSKEY, EMAIL, None},
    ("swk", "user", "mfa"): {TOTP, EMAIL, None},
    ("hwk", "user", "mfa", "otp"): {TOTP, PASSKEY, EMAIL, None},
    ("pwd", "otp"): {EMAIL, None},
    ("pwd",): {None},
}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("amr", ALLOWED)
async def test_a_factor_is_removed_after_a_fresh_sign_in_with_another(ada: User, amr: tuple[str, ...]) -> None:
    for kind in (TOTP, PASSKEY, EMAIL, None):
        if kind in ALLOWED[amr]:
            second_factor.check_fresh(_session(ada, amr), ada, NOW + 300, removing=kind)
        else:
            with pytest.raises(FreshSignInNeededError) as refused:
                second_factor.check_fresh(_session(ada, amr), ada, NOW, removing=kind)
            assert "two factors" in refused.value.message
        with pytest.raises(FreshSignInNeededError):
            second_factor.check_fresh(_session(ada, amr), ada, NOW + 301, removing=kind)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_another_person_s_session_removes_nothing(ada: User, grace: User) -> None:
    with pytest.raises(FreshSignInNeededError):
        second_factor.check_fresh(_session(grace, ("pwd", "otp", "mfa")), ada, NOW, removing=TOTP)
