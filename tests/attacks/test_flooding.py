"""What costs little to send must not cost much to keep."""

import pytest
from sqlalchemy import func, select

from server.background import Background
from server.storage import audit, signing_keys
from server.storage.schema import one_time, throttles
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def test_made_up_clients_leave_one_row_however_many_there_are(server: RunningServer) -> None:
    async with server.http() as http:
        for number in range(20):
            form = {"grant_type": "client_credentials"}
            await http.post("/token", data=form, auth=(f"made-up-{number}", "secret"))
    assert await server.run(lambda db: db.execute(select(func.count()).select_from(throttles)).scalar()) == 1


async def test_guesses_that_are_refused_write_nothing_down(server: RunningServer, person: Person) -> None:
    """Or the audit log grows as fast as somebody sends."""
    await person.visit("/account")
    for _ in range(5):
        await person.sign_in(password="wrong")
    before = len(await server.run(audit.list_rows))
    for _ in range(10):
        await person.sign_in(password="wrong")
        assert person.response.status_code == 429
    assert len(await server.run(audit.list_rows)) == before


async def test_wishes_that_nobody_knows_are_not_kept(server: RunningServer, rp: RelyingParty, person: Person) -> None:
    await person.visit(rp.url(acr_values="x" * 9000, ui_locales=" ".join(["y" * 36] * 200), login_hint="z" * 5000))
    assert person.title == "Sign in"
    rows = await server.run(lambda db: db.execute(select(one_time.c.payload)).scalars().all())
    assert max(len(str(row)) for row in rows) < 3000


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_key_that_cannot_be_unsealed_keeps_no_client_alive(server: RunningServer) -> None:
    secret = await server.add_service()
    rp = RelyingParty(server, "service", secret)
    background = Background(server.services)
    await background.refresh()
    assert (await rp.post("/token", grant_type="client_credentials")).status_code == 200
    kid = (await server.run(signing_keys.list_keys))[0].kid
    await server.run(lambda db: signing_keys.change(db, kid, sealed_private="v1.none.broken"))
    await server.disable_client("service")
    with pytest.raises(Exception, match="cannot be unsealed"):
        await background.refresh()
    assert (await rp.post("/token", grant_type="client_credentials")).status_code == 401
