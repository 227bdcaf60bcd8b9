"""Every page: no accessibility violation in light and dark, nothing wider than a phone, nothing blocked by its policy.

`OSTIARY_SHOTS=directory pytest tests/browser/test_pages.py` leaves a picture of each.
"""

import json

import pyotp
import pytest
from playwright.async_api import expect

from tests.browser.looker import CALLBACK, LOOKS, Looker, add_client, authorization_url
from tests.conftest import Serve
from tests.support.chromium import Chromium
from tests.support.server import PASSWORD

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("look", LOOKS)
async def test_every_page_is_fit_to_be_seen(  # noqa: PLR0915  one walk through all pages
    serve: Serve, chromium: Chromium, look: str
) -> None:
    server = serve()
    web, native = add_client(server, "web"), add_client(server, "native")
    link = json.loads(server.run("user", "create", "ada@example.com", "--name", "Ada Ample", "--json").stdout)
    page = await chromium.new_page(**LOOKS[look])
    looker = Looker(page, look)
    site = server.issuer
    await page.goto(site)
    await looker.see("home")
    await page.goto(link["password_link"])
    await looker.see("set-password")
    await page.fill("#password", "short-password")
    await page.evaluate("document.querySelector('form').noValidate = true")
    await page.click("button.primary")
    await looker.see("set-password-error")
    await page.fill("#password", PASSWORD)
    await page.click("button.primary")
    await page.goto(site + authorization_url(web))
    await looker.see("sign-in")
    await page.fill("#email", "ada@example.com")
    await page.fill("#password", "wrong")
    await page.click("button.primary")
    await looker.see("sign-in-error")
    await page.click("text=Create an account")
    await looker.see("register")
    await page.evaluate("document.querySelector('form').noValidate = true")
    await page.click("button.primary")
    await looker.see("register-error")
    await page.click("p.aside a")
    await page.fill("#email", "ada@example.com")
    await page.fill("#password", PASSWORD)
    await page.click("button.primary")
    await looker.see("offer-second-factor")
    secret = (await page.locator("#totp-secret").inner_text()).replace(" ", "")
    await page.fill("#code", "000000")
    await page.click("button.primary")
    await looker.see("offer-second-factor-error")
    await page.fill("#code", pyotp.TOTP(secret).now())
    await page.click("button.primary")
    await looker.see("recovery-codes")
    recovery_code = await page.locator(".recovery-code").first.inner_text()
    await page.click("a.button.primary")
    await looker.see("consent")
    native_url = authorization_url(native, redirect_uri="http://127.0.0.1:9/cb")
    await page.goto(site + native_url)
    await looker.see("consent-native")
    await page.goto(site + authorization_url(web, prompt="select_account"))
    await looker.see("select-account")
    await page.goto(site + "/account")
    await looker.see("account")
    await page.goto(site + "/end-session")
    await looker.see("sign-out")
    await page.click("button.primary")
    await looker.see("signed-out")
    await page.goto(site + "/account")
    await page.fill("#email", "ada@example.com")
    await page.fill("#password", PASSWORD)
    await page.click("button.primary")
    await looker.see("second-factor")
    await page.fill("#code", "000000")
    await page.click("button.primary")
    await looker.see("second-factor-error")
    await page.fill("#code", recovery_code)
    await page.click("button.primary")
    await looker.see("account-again")
    await page.goto(site + "/authorize?client_id=nobody")
    await looker.see("error")
    await page.goto(site + "/nonsense")
    await looker.see("not-found")
    expected = ("status of 400", "status of 404")
    assert [problem for problem in chromium.problems if not any(text in problem for text in expected)] == []


async def test_form_post_submits_itself_and_works_without_javascript(serve: Serve, chromium: Chromium) -> None:
    server = serve()
    web = add_client(server, "web")
    server.run("user", "create", "ada@example.com", "--name", "Ada", "--password-stdin", stdin=PASSWORD + "\n")
    page = await chromium.new_page(java_script_enabled=False)
    await page.goto(server.issuer + authorization_url(web, response_mode="form_post", state='a "b" <c>'))
    await page.fill("#email", "ada@example.com")
    await page.fill("#password", PASSWORD)
    await page.click("button.primary")
    await page.click("button[value=postpone]")
    await page.click("button[value=allow]")
    await expect(page.locator("input[name=state]")).to_have_attribute("value", 'a "b" <c>')
    await expect(page.get_by_role("button", name="Continue")).to_be_visible()
    scripted = await chromium.new_page(storage_state=await page.context.storage_state())
    async with scripted.expect_request(CALLBACK) as request:
        await scripted.goto(server.issuer + authorization_url(web, response_mode="form_post"), wait_until="commit")
    sent = await request.value
    assert sent.method == "POST"
    assert "code=oac_" in (sent.post_data or "")
