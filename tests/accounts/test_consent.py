import asyncio

from server.accounts import consent
from server.accounts.user import User
from server.events.names import Event
from server.storage import consents
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, add_authorization, add_client, events, is_revoked


async def grant(database: Database, user: User, *scopes: str) -> frozenset[str]:
    return await database.run(lambda db: consent.grant(db, user.id, "cli_a", scopes, context=CONTEXT, now=NOW))


async def is_covered(database: Database, user: User, *scopes: str) -> bool:
    return await database.run(lambda db: consent.is_covered(db, user.id, "cli_a", scopes))


async def test_a_consent_covers_its_scopes_and_fewer_but_no_more(database: Database, ada: User, grace: User) -> None:
    await database.run(lambda db: add_client(db, "cli_a"))
    assert not await is_covered(database, ada, "openid")
    assert not await is_covered(database, ada)
    await grant(database, ada, "openid", "email")
    assert await is_covered(database, ada, "email", "openid")
    assert await is_covered(database, ada, "email")
    assert await is_covered(database, ada)
    assert not await is_covered(database, ada, "openid", "email", "phone")
    assert not await is_covered(database, grace, "openid")
    assert not await database.run(lambda db: consent.is_covered(db, ada.id, "cli_b", ["openid"]))


async def test_consents_add_up(database: Database, ada: User) -> None:
    await database.run(lambda db: add_client(db, "cli_a"))
    await grant(database, ada, "openid")
    assert await grant(database, ada, "email", "openid") == {"openid", "email"}
    listed = await database.run(lambda db: consents.list_of_user(db, ada.id))
    assert [row["scope"] for row in listed] == ["email openid"]
    assert (await database.run(lambda db: events(db, Event.CONSENT_GRANTED)))[0] == {"scope": "email openid"}


async def test_consents_given_at_once_all_last(database: Database, ada: User) -> None:
    await database.run(lambda db: add_client(db, "cli_a"))
    names = [f"scope{number}" for number in range(8)]
    await asyncio.gather(*(grant(database, ada, name) for name in names))
    assert await is_covered(database, ada, *names)


async def test_taking_consent_back_revokes_the_client_s_tokens_only(database: Database, ada: User) -> None:
    own = await database.run(lambda db: add_authorization(db, ada, "ses_1", scope="offline_access"))
    other = await database.run(lambda db: add_authorization(db, ada, "ses_1", client_id="cli_b"))
    await grant(database, ada, "openid")

    async def revoke() -> bool:
        return await database.run(lambda db: consent.revoke(db, ada.id, "cli_a", context=CONTEXT, now=NOW))

    assert await revoke()
    assert not await revoke()
    assert not await is_covered(database, ada, "openid")
    assert [await is_revoked(database, authorization) for authorization in (own, other)] == [True, False]
    assert await database.run(lambda db: events(db, Event.CONSENT_REVOKED)) == [{"authorizations": 1}]
