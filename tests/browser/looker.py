"""Looks at pages in a browser: in which looks, and what every one of them must be."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Page

from tests.support.chromium import violations
from tests.support.process import ServerProcess

LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1200, "height": 860}},
    "dark": {"viewport": {"width": 1200, "height": 860}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 320, "height": 700}},
}
CALLBACK = "http://localhost:9/cb"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


class Looker:
    """Looks at one page after the other."""

    def __init__(self, page: Page, look: str) -> None:
        self.page = page
        self.look = look
        self.count = 0

    async def see(self, name: str) -> None:
        """Check the page that is shown now."""
        self.count += 1
        await self.page.wait_for_load_state()
        directory = os.environ.get("OSTIARY_SHOTS")
        if directory:
            path = Path(directory) / f"{self.count:02d}-{name}-{self.look}.png"
            await self.page.screenshot(path=path, full_page=True)
        assert await violations(self.page) == [], name
        wide = await self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert not wide, f"{name} is wider than the window"
        assert await self.page.locator("h1").count() == 1, name


def authorization_url(client: dict[str, str], **more: str) -> str:
    parameters = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": CALLBACK,
        "scope": "openid profile email offline_access",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **more,
    }
    return "/authorize?" + urlencode(parameters)


def add_client(server: ServerProcess, profile: str) -> dict[str, str]:
    uri = CALLBACK if profile == "web" else "http://127.0.0.1/cb"
    made = server.run(
        "client", "create", "--profile", profile, "--name", "Corner Shop", "--redirect-uri", uri, "--json"
    )
    client: dict[str, str] = json.loads(made.stdout)
    return client
