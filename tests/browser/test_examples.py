"""The examples in a real browser: a single-page app with oidc-client-ts, a relying party with Authlib's client."""

import base64
import json
import re

import pyotp
import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import RunningDemo
from tests.support.chromium import Chromium

pytestmark = pytest.mark.browser


async def _sign_in(page: Page, demo: RunningDemo) -> None:
    await page.get_by_label("E-mail or username").fill(demo.email)
    await page.get_by_label("Password", exact=True).fill(demo.password)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def test_the_single_page_app_signs_in_with_totp_and_consent(
    demo: RunningDemo, chromium: Chromium, chromium_page: Page
) -> None:
    page = chromium_page
    await page.goto(demo.spa)
    await page.get_by_role("button", name="Sign in").click()
    await _sign_in(page, demo)
    await expect(page.get_by_role("heading", name="Protect your account")).to_be_visible()
    await page.wait_for_load_state()
    secret = (await page.locator("#totp-secret").inner_text()).replace(" ", "")
    totp = pyotp.TOTP(secret)
    await page.get_by_role("textbox", name="Code").fill(totp.now())
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.locator(".recovery-code")).to_have_count(10)
    await page.get_by_role("link", name="I have saved them").click()
    await expect(page.get_by_role("heading", name="asks for access")).to_be_visible()
    await page.get_by_role("button", name="Allow").click()
    await expect(page.get_by_role("status")).to_have_text("Hello Demo Person")
    claims = json.loads(await page.locator("#output").inner_text())
    assert claims["email"] == demo.email
    stored = json.loads(await page.evaluate("Object.values(sessionStorage).find((v) => v.includes('id_token'))"))
    payload = stored["id_token"].split(".")[1]
    id_token = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (id_token["acr"], id_token["amr"]) == ("aal2", ["pwd", "otp", "mfa"])
    await page.get_by_role("button", name="Call the API").click()
    await expect(page.locator("#output")).to_contain_text(claims["sub"])
    await page.get_by_role("button", name="Renew the token").click()
    await expect(page.locator("#output")).to_have_text("The token was renewed.")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("status")).to_have_text("You are not signed in.")
    await page.get_by_role("button", name="Sign in").click()
    await _sign_in(page, demo)
    await expect(page.get_by_role("heading", name="Enter your code")).to_be_visible()
    await page.get_by_role("textbox", name="Code").fill("000000")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    problems = [problem for problem in chromium.problems if "status of 400" not in problem]
    assert problems == []


async def test_one_sign_in_serves_the_relying_party_too(demo: RunningDemo, chromium_page: Page) -> None:
    page = chromium_page
    await page.goto(demo.spa)
    await page.get_by_role("button", name="Sign in").click()
    await _sign_in(page, demo)
    await page.get_by_role("button", name="Not now").click()
    await page.get_by_role("button", name="Allow").click()
    await expect(page.get_by_role("status")).to_have_text("Hello Demo Person")
    await page.goto(demo.shop)
    await page.get_by_role("link", name="Sign in").click()
    await page.get_by_role("button", name="Allow").click()
    await expect(page.locator("#greeting")).to_have_text(re.compile("Hello Demo Person"))
    await page.get_by_role("link", name="Sign out").click()
    await expect(page).to_have_url(demo.shop + "/")
    await page.get_by_role("link", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_the_backend_service_calls_the_api_with_one_token(demo: RunningDemo) -> None:
    output = json.loads(demo.service_output)
    assert output["answer"]["things"]
    assert output["tokens_fetched"] == 1
