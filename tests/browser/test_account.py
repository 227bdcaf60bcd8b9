"""The account console: every page fit to be seen, and a person looking after their account in Chromium."""

import json
from pathlib import Path

import pyotp
import pytest
from playwright.async_api import Page, expect

from tests.browser.looker import LOOKS, Looker
from tests.conftest import Serve
from tests.support.chromium import Chromium
from tests.support.process import ServerProcess
from tests.support.server import PASSWORD

pytestmark = pytest.mark.browser
PAGES = ("", "/profile", "/email", "/security", "/password", "/sessions", "/applications", "/log", "/data", "/delete")


async def _sign_in(page: Page, server: ServerProcess, *, is_first: bool = False) -> None:
    await page.goto(server.issuer + "/account")
    await page.fill("#email", "ada@example.com")
    await page.fill("#password", PASSWORD)
    await page.click("button.primary")
    if is_first:
        await page.click("button[value=postpone]")


def _add_ada(server: ServerProcess) -> None:
    words = ("ada@example.com", "--name", "Ada Ample", "--verified", "--password-stdin")
    server.run("user", "create", *words, stdin=PASSWORD + "\n")


async def _set_up_app(page: Page, server: ServerProcess) -> str:
    await page.goto(server.issuer + "/account/security")
    await page.get_by_role("button", name="Set up an authenticator app").click()
    await page.wait_for_load_state()
    secret = (await page.locator("#totp-secret").inner_text()).replace(" ", "")
    await page.fill("#code", pyotp.TOTP(secret).now())
    await page.click("button.primary")
    await page.wait_for_load_state()
    recovery_code = await page.locator(".recovery-code").first.inner_text()
    await page.click("a.button.primary")
    return recovery_code


@pytest.mark.parametrize("look", LOOKS)
async def test_every_page_of_the_account_is_fit_to_be_seen(serve: Serve, chromium: Chromium, look: str) -> None:
    server = serve()
    _add_ada(server)
    page = await chromium.new_page(**LOOKS[look])
    await _sign_in(page, server, is_first=True)
    recovery_code = await _set_up_app(page, server)
    other = await chromium.new_page()
    await _sign_in(other, server)
    await other.fill("#code", recovery_code)
    await other.click("button.primary")
    await expect(other.get_by_role("heading", level=1)).to_contain_text("Hello")
    looker = Looker(page, f"account-{look}")
    for path in PAGES:
        await page.goto(f"{server.issuer}/account{path}")
        await looker.see(path.removeprefix("/") or "overview")
    await page.goto(server.issuer + "/account/profile")
    await page.fill("#website", "javascript:alert(1)")
    await page.get_by_role("button", name="Save").click()
    await looker.see("profile-error")
    await page.fill("#website", "https://ada.example")
    await page.get_by_role("button", name="Save").click()
    await looker.see("profile-saved")
    await page.goto(server.issuer + "/account/security")
    await page.get_by_role("button", name="Make new codes").click()
    await looker.see("new-recovery-codes")
    await page.goto(server.issuer + "/account/delete")
    await page.fill("#confirmation", "somebody@example.com")
    await page.get_by_role("button", name="Delete my account").click()
    await looker.see("delete-error")
    await page.fill("#confirmation", "ada@example.com")
    await page.get_by_role("button", name="Delete my account").click()
    await looker.see("deleted")
    assert [problem for problem in chromium.problems if "status of 400" not in problem] == []


async def test_a_person_looks_after_their_account(serve: Serve, chromium: Chromium, tmp_path: Path) -> None:
    server = serve()
    _add_ada(server)
    page, phone = await chromium.new_page(), await chromium.new_page()
    await _sign_in(phone, server, is_first=True)
    await _sign_in(page, server)
    navigation = page.get_by_role("navigation", name="Your account")
    await navigation.get_by_role("link", name="Profile").click()
    await expect(navigation.locator("[aria-current=page]")).to_have_text("Profile")
    await page.get_by_label("Nickname").fill("Countess")
    await page.get_by_label("Language of your account").select_option("de")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    await page.locator("#language").select_option("")
    await page.locator(".panels button.primary").click()
    await expect(page.get_by_role("status")).to_have_text("Your changes are saved.")
    await expect(page.get_by_label("Nickname")).to_have_value("Countess")
    await navigation.get_by_role("link", name="Sign-ins").click()
    await page.get_by_role("button", name="Sign out everywhere else").click()
    await expect(page.get_by_text("You are signed in nowhere else.")).to_be_visible()
    await phone.goto(server.issuer + "/account")
    await expect(phone.get_by_role("heading", name="Sign in")).to_be_visible()
    await navigation.get_by_role("link", name="Your data").click()
    async with page.expect_download() as started:
        await page.get_by_role("button", name="Download").click()
    copy = tmp_path / "copy.json"
    await (await started.value).save_as(copy)
    assert json.loads(copy.read_text("utf-8"))["claims"]["nickname"] == "Countess"
    await page.get_by_role("link", name="Delete my account").click()
    await page.get_by_label("Type your e-mail address to confirm").fill("ada@example.com")
    await page.get_by_role("button", name="Delete my account").click()
    await expect(page.get_by_role("heading", name="Your account is deleted")).to_be_visible()
    await page.goto(server.issuer + "/account")
    await page.fill("#email", "ada@example.com")
    await page.fill("#password", PASSWORD)
    await page.click("button.primary")
    await expect(page.get_by_role("alert")).to_contain_text("is not right")
