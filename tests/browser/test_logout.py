"""What applications learn in the browser of the end of a sign-in: frames of the last page, and the session frame.

And what a popup keeps on its way through a sign-in and its end: the page that opened it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.attacks.conftest import reach
from tests.conftest import Serve
from tests.support.chromium import Chromium
from tests.support.process import ServerProcess
from tests.support.receiver import Answer, Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD
from tests.support.session_frame import page_that_asks

pytestmark = pytest.mark.browser
EMAIL = "ada@example.com"


@pytest.fixture
async def client() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


def _register(server: ServerProcess, client: Receiver, **metadata: Any) -> RelyingParty:
    server.run("user", "create", EMAIL, "--verified", "--password-stdin", stdin=PASSWORD + "\n")
    given = {"redirect_uris": [client.origin + "/cb"], "skip_consent": True, **metadata}
    made = server.cli("client", "create", "--metadata", "-", stdin=json.dumps(given))
    return RelyingParty(reach(server), made["client_id"], made["client_secret"], given["redirect_uris"][0])


async def _sign_in(page: Page, rp: RelyingParty) -> dict[str, str]:
    await page.goto(rp.url())
    await page.fill("#email", EMAIL)
    await page.fill("#password", PASSWORD)
    await page.click("button.primary")
    await page.wait_for_url("**/cb?**")
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


async def _frame(client: Receiver) -> str:
    """Return the query of the one request that a frame has made."""
    async with asyncio.timeout(5):
        while not (told := [one.path for one in client.requests if one.path.startswith("/out")]):
            await asyncio.sleep(0.05)
    (address,) = told
    return urlsplit(address).query


async def test_frames_tell_the_application_before_the_browser_goes_back(
    serve: Serve, chromium: Chromium, client: Receiver
) -> None:
    """OpenID Connect Front-Channel Logout 1.0 section 3, under the page's own Content-Security-Policy."""
    server = serve(mfa="off")
    back = client.origin + "/bye"
    out = client.origin + "/out"
    rp = _register(server, client, frontchannel_logout_uri=out, post_logout_redirect_uris=[back])
    page = await chromium.new_page()
    for returns in (True, False):
        answer = await _sign_in(page, rp)
        tokens = (await rp.redeem(answer["code"])).json()
        _, claims = await rp.verified(tokens["id_token"])
        client.requests.clear()
        parameters = {"id_token_hint": tokens["id_token"], **({"post_logout_redirect_uri": back} if returns else {})}
        await page.goto(f"{server.issuer}/end-session?{urlencode(parameters)}")
        if returns:
            await page.wait_for_url(back)
        else:
            await expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
        told = await _frame(client)
        assert parse_qs(told) == {"iss": [server.issuer], "sid": [claims["sid"]]}
    assert [problem for problem in chromium.problems if "favicon" not in problem] == []


async def test_a_popup_finds_its_opener_again_after_the_sign_in_and_after_its_end(
    serve: Serve, chromium: Chromium, client: Receiver
) -> None:
    """HTML Standard section 7.1.3; `display=popup` of OpenID Connect Core section 3.1.2.1."""
    server = serve(mfa="off")
    back = client.origin + "/bye"
    rp = _register(server, client, skip_consent=False, post_logout_redirect_uris=[back])
    script = b"<script>opener.told = [...(opener.told || []), location.pathname]</script>"
    page = await chromium.new_page()
    await page.goto(client.origin + "/application")

    async def opened(url: str) -> Page:
        async with page.expect_popup() as popup:
            await page.evaluate("(url) => { window.popup = open(url, 'sign-in', 'width=400,height=500') }", url)
        return await popup.value

    popup = await opened(rp.url(display="popup", response_mode="form_post", prompt="consent"))
    client.answers["/cb"] = Answer(body=script, content_type="text/html")
    client.answers["/bye"] = Answer(body=script, content_type="text/html")
    await popup.fill("#email", EMAIL)
    assert not await page.evaluate("popup.closed")
    await popup.fill("#password", PASSWORD)
    await popup.click("button.primary")
    await expect(popup.get_by_role("heading", level=1)).to_contain_text("asks for access")
    assert not await page.evaluate("popup.closed")
    await popup.click("button.primary")
    await popup.wait_for_url("**/cb")
    await page.wait_for_function("window.told && told.join() === '/cb'")
    assert not await page.evaluate("popup.closed")
    await popup.close()
    query = urlencode({"client_id": rp.client_id, "post_logout_redirect_uri": back})
    popup = await opened(f"{server.issuer}/end-session?{query}")
    await popup.click("button.primary")
    await popup.wait_for_url(back)
    await page.wait_for_function("told.join() === '/cb,/bye'")
    assert not await page.evaluate("popup.closed")


async def test_a_popup_of_the_account_has_no_opener(serve: Serve, chromium: Chromium, client: Receiver) -> None:
    """HTML Standard section 7.1.3: the account is nobody's popup."""
    server = serve(mfa="off")
    page = await chromium.new_page()
    await page.goto(client.origin + "/application")
    async with page.expect_popup() as opened:
        await page.evaluate("(url) => { window.popup = open(url) }", server.issuer + "/account/forgot-password")
    popup = await opened.value
    await popup.wait_for_url("**/account/forgot-password")
    assert await popup.evaluate("opener === null")
    assert await page.evaluate("popup.closed")


async def test_another_origin_learns_from_the_session_frame_that_the_sign_in_has_changed(
    serve: Serve, chromium: Chromium, client: Receiver
) -> None:
    """OpenID Connect Session Management 1.0 sections 2 and 3, with the `session_state` of a real answer."""
    server = serve(mfa="off", session_management="on")
    # Another origin of the same site: to other sites this browser gives no cookies, and they hear `changed` for ever.
    here = client.origin.replace("127.0.0.1", "localhost")
    rp = _register(server, client, redirect_uris=[here + "/cb"])
    client.answers["/"] = page_that_asks(server.issuer)
    page = await chromium.new_page()
    question = f"{rp.client_id} {(await _sign_in(page, rp))['session_state']}"
    await page.goto(here + "/", wait_until="load")

    async def ask(text: str) -> str:
        return str(await page.evaluate("(question) => ask(question)", text))

    assert await ask(question) == "unchanged"
    assert await ask(f"other {question.partition(' ')[2]}") == "changed"
    assert await ask("nonsense") == "error"
    tab = await page.context.new_page()
    await tab.goto(server.issuer + "/account")
    assert await ask(question) == "unchanged"
    await tab.goto(server.issuer + "/end-session")
    await tab.click("button.primary")
    await expect(tab.get_by_role("heading", level=1)).to_have_text("You are signed out")
    assert await ask(question) == "changed"
    again = f"{rp.client_id} {(await _sign_in(tab, rp))['session_state']}"
    assert await ask(question) == "changed"
    assert await ask(again) == "unchanged"
