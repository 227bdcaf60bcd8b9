"""Logos on the consent page: of clients that somebody vouches for, from our own origin."""

import httpx
import pytest

from tests.support.person import Person
from tests.support.receiver import Answer, Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)

pytestmark = pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True, "mfa": "off"}], indirect=True)


async def _logo(server: RunningServer, client_id: str = "web") -> httpx.Response:
    async with server.http() as http:
        return await http.get("/client-logo", params={"client_id": client_id})


async def test_the_consent_page_shows_the_logo_from_our_own_origin(server: RunningServer, person: Person) -> None:
    async with Receiver() as site:
        site.answers["/logo"] = Answer(body=PNG, content_type="text/html")
        secret = await server.add_client(client_name="Web Shop", logo_uri=f"{site.origin}/logo")
        await person.visit(RelyingParty(server, client_secret=secret).url())
        await person.sign_in()
        assert '<img class="logo" src="/client-logo?client_id=web" alt="">' in person.response.text
        assert site.origin not in person.response.text
        for _ in range(2):
            shown = await _logo(server)
            assert (shown.status_code, shown.content) == (200, PNG)
        assert shown.headers["content-type"] == "image/png", "what it is, not what the site says"
        assert shown.headers["x-content-type-options"] == "nosniff"
        assert shown.headers["cross-origin-resource-policy"] == "same-origin"
        assert len(site.requests) == 1
        server.clock.advance(86_401)
        site.answers["/logo"] = Answer(500)
        assert (await _logo(server)).content == PNG, "the last one goes on"
        assert len(site.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404),
        Answer(302, headers={"location": "/logo2"}),
        Answer(body=b"<svg xmlns='http://www.w3.org/2000/svg'/>", content_type="image/svg+xml"),
        Answer(body=b"RIFF____AVI ", content_type="image/webp"),
        Answer(body=PNG + bytes(70_000), content_type="image/png"),
    ],
)
async def test_what_is_no_small_image_is_not_shown(server: RunningServer, answer: Answer) -> None:
    async with Receiver() as site:
        site.answers["/logo"] = answer
        await server.add_client(logo_uri=f"{site.origin}/logo")
        assert [(await _logo(server)).status_code for _ in range(3)] == [404] * 3
        assert len(site.requests) == 1, "strangers do not make us ask again and again"


async def test_nobody_borrows_a_logo_who_registered_themselves(server: RunningServer, person: Person) -> None:
    async with Receiver() as site:
        site.answers["/logo"] = Answer(body=PNG)
        secret = await server.add_client(logo_uri=f"{site.origin}/logo", unverified=True)
        await person.visit(RelyingParty(server, client_secret=secret).url())
        await person.sign_in()
        assert "client-logo" not in person.response.text
        assert (await _logo(server)).status_code == 404
        assert not site.requests


async def test_a_client_without_a_logo_or_that_nobody_knows_has_none(server: RunningServer) -> None:
    await server.add_client()
    assert [(await _logo(server, name)).status_code for name in ("web", "nobody", "")] == [404] * 3
