"""Passkeys in Chromium, with the virtual authenticator of its debugging protocol."""

from typing import Any

import pytest
from playwright.async_api import CDPSession, Page, expect

from tests.conftest import Serve
from tests.support.chromium import Chromium, violations
from tests.support.process import ServerProcess
from tests.support.server import PASSWORD

pytestmark = pytest.mark.browser
EMAIL = "ada@example.com"


class Device:
    """A virtual authenticator in one browser profile."""

    def __init__(self, session: CDPSession, authenticator_id: str) -> None:
        self._session = session
        self._id = authenticator_id

    @classmethod
    async def plug_in(cls, page: Page, **options: Any) -> "Device":
        session = await page.context.new_cdp_session(page)
        await session.send("WebAuthn.enable", {"enableUI": False})
        values = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
            **options,
        }
        added = await session.send("WebAuthn.addVirtualAuthenticator", {"options": values})
        return cls(session, added["authenticatorId"])

    async def _send(self, command: str, **values: Any) -> dict[str, Any]:
        sent: dict[str, Any] = await self._session.send(f"WebAuthn.{command}", {"authenticatorId": self._id, **values})
        return sent

    async def credentials(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._send("getCredentials"))["credentials"]
        return found

    async def touch(self, *, automatically: bool) -> None:
        """Say whether somebody is there to touch it."""
        await self._send("setAutomaticPresenceSimulation", enabled=automatically)

    async def verify(self, *, is_verified: bool) -> None:
        """Say whether the PIN or finger is right."""
        await self._send("setUserVerified", isUserVerified=is_verified)


@pytest.fixture
def site(serve: Serve) -> ServerProcess:
    """A server with Ada."""
    server = serve()
    server.run("user", "create", EMAIL, "--name", "Ada", "--password-stdin", stdin=PASSWORD + "\n")
    return server


def unexpected(chromium: Chromium, *expected: str) -> list[str]:
    return [problem for problem in chromium.problems if not any(text in problem for text in expected)]


async def sign_in(page: Page, site: ServerProcess) -> None:
    await page.goto(site.issuer + "/account")
    await page.fill("#email", EMAIL)
    await page.fill("#password", PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def make_passkey(page: Page, name: str = "") -> None:
    await page.get_by_role("button", name="Use a passkey instead").click()
    await expect(page.get_by_role("heading", name="Create a passkey")).to_be_visible()
    assert await violations(page) == []
    await page.get_by_label("Name of the passkey").fill(name)
    await page.get_by_role("button", name="Create a passkey").click()
    await expect(page.locator(".recovery-code")).to_have_count(10)
    await page.get_by_role("link", name="I have saved them").click()


async def sign_out(page: Page, site: ServerProcess) -> None:
    await page.goto(site.issuer + "/end-session")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()


async def expect_account(page: Page, site: ServerProcess) -> None:
    await expect(page).to_have_url(site.issuer + "/account")


async def test_a_passkey_is_made_and_signs_in_without_a_password(
    site: ServerProcess, chromium: Chromium, chromium_page: Page
) -> None:
    page = chromium_page
    device = await Device.plug_in(page)
    await sign_in(page, site)
    await make_passkey(page, "Laptop")
    made = await device.credentials()
    assert [one["rpId"] for one in made] == ["localhost"]
    assert made[0]["isResidentCredential"]
    await device.touch(automatically=False)
    await sign_out(page, site)
    await page.goto(site.issuer + "/account")
    assert await violations(page) == []
    await device.touch(automatically=True)
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await expect_account(page, site)
    assert unexpected(chromium) == []


async def test_the_browser_s_autofill_signs_in(site: ServerProcess, chromium: Chromium, chromium_page: Page) -> None:
    """WebAuthn Level 3 section 5.1.4: conditional mediation."""
    page = chromium_page
    device = await Device.plug_in(page)
    await sign_in(page, site)
    await make_passkey(page)
    assert len(await device.credentials()) == 1
    await sign_out(page, site)
    assert await page.evaluate("PublicKeyCredential.isConditionalMediationAvailable()")
    await page.goto(site.issuer + "/account")  # the virtual device takes what autofill offers without being asked
    await expect_account(page, site)
    assert unexpected(chromium) == []


async def test_a_passkey_is_the_second_step_after_the_password(
    site: ServerProcess, chromium: Chromium, chromium_page: Page
) -> None:
    page = chromium_page
    device = await Device.plug_in(page, transport="usb", hasResidentKey=False, hasUserVerification=False)
    await sign_in(page, site)
    await make_passkey(page)
    assert len(await device.credentials()) == 1
    await sign_out(page, site)
    await sign_in(page, site)
    await expect(page.get_by_role("heading", name="Use your passkey")).to_be_visible()
    assert await violations(page) == []
    await page.get_by_label("Do not ask again in this browser").check()
    await page.get_by_role("button", name="Use your passkey").click()
    await expect_account(page, site)
    await sign_out(page, site)
    await sign_in(page, site)
    await expect_account(page, site)
    assert unexpected(chromium) == []


async def test_what_goes_wrong_is_said_and_can_be_tried_again(
    site: ServerProcess, chromium: Chromium, chromium_page: Page
) -> None:
    page = chromium_page
    device = await Device.plug_in(page)
    await sign_in(page, site)
    await make_passkey(page)
    await sign_out(page, site)
    await device.verify(is_verified=False)
    await sign_in(page, site)
    await page.get_by_role("button", name="Use your passkey").click()
    await expect(page.get_by_text("That did not work, or it was cancelled.")).to_be_visible()
    assert await violations(page) == []
    await device.verify(is_verified=True)
    await page.get_by_role("button", name="Use your passkey").click()
    await expect_account(page, site)
    assert unexpected(chromium) == []


@pytest.mark.parametrize("width", [320, 1200])
async def test_the_pages_fit(site: ServerProcess, chromium: Chromium, width: int) -> None:
    page = await chromium.new_page(viewport={"width": width, "height": 800}, color_scheme="dark")
    await Device.plug_in(page)
    await sign_in(page, site)
    await expect(page.get_by_role("heading", name="Protect your account")).to_be_visible()
    fits = "document.documentElement.scrollWidth <= window.innerWidth"
    await page.wait_for_load_state()
    assert await page.evaluate(fits)
    await page.get_by_role("button", name="Use a passkey instead").click()
    await expect(page.get_by_role("heading", name="Create a passkey")).to_be_visible()
    assert await violations(page) == []
    assert await page.evaluate(fits)
    assert unexpected(chromium) == []
