"""Debian's Chromium, driven by Playwright: a fresh profile each time, no way out of this machine."""

import json
import shutil
from types import TracebackType
from typing import Any, Self

from playwright.async_api import Browser, ConsoleMessage, Page, Playwright, async_playwright

from tests.support.node import ROOT

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # a page that asks a third party for anything would not get it
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
)
TIMEOUT_MILLISECONDS = 15_000
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"


def find_chromium() -> str:
    """Return the browser's path."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise RuntimeError("Chromium is not installed: run scripts/provision")
    return path


class Chromium:
    """One browser. `problems` collects what pages complain about: script errors, blocked content, failed loads."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._driver: Playwright | None = None
        self._browser: Browser | None = None

    async def __aenter__(self) -> Self:
        self._driver = await async_playwright().start()
        self._browser = await self._driver.chromium.launch(
            executable_path=find_chromium(), headless=True, args=list(FLAGS)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._browser is not None:
            await self._browser.close()
        if self._driver is not None:
            await self._driver.stop()

    async def new_page(self, **options: Any) -> Page:
        """Open a page in a profile of its own; options are those of Playwright's `new_context`."""
        assert self._browser is not None
        context = await self._browser.new_context(**options)
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        page = await context.new_page()
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        return page

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"{message.text} ({message.location.get('url', '')})")


def _axe() -> str:
    if not AXE.is_file():
        raise RuntimeError("axe-core is not installed: run `npm ci`")
    return AXE.read_text("utf-8")


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds on the page that a person with a disability would stumble over."""
    # A click returns once the next page answers, when nothing of it is there yet.
    await page.wait_for_load_state()
    # Evaluated by the debugger: the page's own policy allows no foreign script
    await page.evaluate(_axe())
    found = await page.evaluate("async () => (await axe.run({ resultTypes: ['violations'] })).violations")
    return [f"{one['id']}: {one['help']}: {json.dumps([node['target'] for node in one['nodes']])}" for one in found]
