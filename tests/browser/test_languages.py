"""Pages in German, whose words are long, and from right to left: nothing spills over, and everybody can use them.

`OSTIARY_SHOTS=directory pytest tests/browser/test_languages.py` leaves a picture of each.
"""

import asyncio
import os
import re
from pathlib import Path

import pyotp
import pytest
from babel.messages import Catalog
from babel.messages.pofile import write_po
from playwright.async_api import Page, ViewportSize

from scripts.catalogues import extract, forms
from tests.browser.looker import CALLBACK, Looker, add_client, authorization_url
from tests.conftest import Serve
from tests.support.chromium import Chromium
from tests.support.process import ServerProcess
from tests.support.server import PASSWORD

pytestmark = pytest.mark.browser
PHONE: ViewportSize = {"width": 320, "height": 640}
DESKTOP: ViewportSize = {"width": 1280, "height": 860}
ACCOUNT = ("", "/profile", "/email", "/security", "/password", "/sessions", "/applications", "/log", "/data", "/delete")
KEPT = re.compile(r"(%\(\w+\)s|<[^>]+>|https?://\S+|\S+@\S+)")
LATIN = "abcdefghijklmnopqrstuvwxyz"
ARABIC = "ابتثجحخدذرزسشصضطظعغفقكلمنه"
SPILLED = """
() => [...document.querySelectorAll("main *, header *, footer *")].filter((element) => {
  if (element.closest(".side ul, .off-screen, svg, datalist, [hidden], noscript, pre, .scroll")) return false;
  const box = element.getBoundingClientRect();
  const outside = box.width > 0 && (box.left < -1 || box.right > window.innerWidth + 1);
  const isBox = getComputedStyle(element).display !== "inline" && /^(BUTTON|A|H1|H2|LABEL)$/.test(element.tagName);
  const cut = isBox && element.scrollWidth > element.clientWidth + 1;
  return outside || cut;
}).map((element) => `${element.tagName} ${element.className}: ${element.textContent.trim().slice(0, 60)}`)
"""


class Reader(Looker):
    """Looks at pages in one language, on a phone and on a large screen."""

    def __init__(self, page: Page, site: str, language: str, direction: str) -> None:
        super().__init__(page, language)
        self.site = site
        self.root = f'html[lang="{language}"][dir="{direction}"]'

    async def see(self, name: str) -> None:
        await super().see(name)
        assert await self.page.locator(self.root).count() == 1, name
        assert await self.page.evaluate(SPILLED) == [], name
        await self.page.set_viewport_size(DESKTOP)
        assert await self.page.evaluate(SPILLED) == [], f"{name} on a large screen"
        await self._picture(name)
        await self.page.set_viewport_size(PHONE)

    async def _picture(self, name: str) -> None:
        directory = os.environ.get("OSTIARY_SHOTS")
        if directory:
            await self.page.screenshot(path=Path(directory) / f"{self.count:02d}-{name}-{self.look}-large.png")

    async def room_before(self, selector: str) -> float:
        """Return the pixels between an element's edge and its text, on the side where lines begin."""
        script = "element => parseFloat(getComputedStyle(element).paddingInlineStart)"
        return float(await self.page.locator(selector).first.evaluate(script))

    async def go(self, path: str, name: str) -> None:
        await self.page.goto(self.site + path)
        await self.see(name)

    async def press(self, selector: str = "button.primary", **fields: str) -> None:
        for name, value in fields.items():
            await self.page.fill(f"#{name}", value)
        await self.page.evaluate("document.querySelectorAll('form').forEach((form) => { form.noValidate = true })")
        await self.page.click(selector)


def arabic(text: str) -> str:
    """Return a text in Arabic letters; placeholders, HTML and addresses stay as they are."""
    table = str.maketrans(LATIN + LATIN.upper(), ARABIC + ARABIC)
    return "".join(part if KEPT.fullmatch(part) else part.translate(table) for part in KEPT.split(text))


def _add_arabic(data_dir: Path) -> None:
    """Put a catalogue where operators put theirs. It makes no sense, but every text has its length and direction."""
    catalogue = Catalog(locale="ar", charset="utf-8", fuzzy=False)
    for message in extract():
        if message.id:
            said = tuple(arabic(form) for form in forms(message.id))
            is_plural = len(said) > 1
            every = (said[1],) * catalogue.num_plurals if is_plural else said[0]
            catalogue.add(message.id, every, context=message.context)
    (data_dir / "languages").mkdir(parents=True)
    with (data_dir / "languages" / "ar.po").open("wb") as file:
        write_po(file, catalogue)


def _add_ada(server: ServerProcess) -> None:
    words = ("ada@example.com", "--name", "Ada Ample", "--verified", "--password-stdin")
    server.run("user", "create", *words, stdin=PASSWORD + "\n")


async def _walk(server: ServerProcess, reader: Reader) -> None:
    client, _ = await asyncio.gather(asyncio.to_thread(add_client, server, "web"), asyncio.to_thread(_add_ada, server))
    page = reader.page
    await page.route(CALLBACK + "?**", lambda route: route.fulfill(body="done"))
    await reader.go(authorization_url(client), "sign-in")
    await reader.press(email="ada@example.com", password="wrong")
    await reader.see("sign-in-error")
    await page.click("p.aside:last-of-type a")
    await reader.see("register")
    await reader.press()
    await reader.see("register-error")
    await reader.go("/account/forgot-password", "forgot-password")
    await reader.press(email="ada@example.com")
    await reader.see("forgot-password-sent")
    await page.goto(reader.site + authorization_url(client))
    await reader.press(email="ada@example.com", password=PASSWORD)
    await reader.see("offer-second-factor")
    secret = (await page.locator("#totp-secret").inner_text()).replace(" ", "")
    await page.click("button[value=passkey]")
    await reader.see("offer-passkey")
    await page.click("button[value=totp]")
    await reader.press(code="000000")
    await reader.see("offer-second-factor-error")
    await reader.press(code=pyotp.TOTP(secret).now())
    await reader.see("recovery-codes")
    assert await reader.room_before(".codes") > 40, "for the numbers"
    assert await page.locator(".codes code").first.evaluate("code => getComputedStyle(code).direction") == "ltr"
    codes = await page.locator(".recovery-code").all_inner_texts()
    await page.click("a.button.primary")
    await reader.see("consent")
    assert await reader.room_before(".scopes li") > 20, "for the check mark"
    await reader.press("button[value=allow]")
    await page.wait_for_url(CALLBACK + "?**", wait_until="commit")
    await reader.go(authorization_url(client, prompt="select_account"), "select-account")
    await _walk_account(reader)
    await _walk_out(reader, codes[0])


async def _walk_account(reader: Reader) -> None:
    page = reader.page
    for path in ACCOUNT:
        await reader.go(f"/account{path}", "account" + path.replace("/", "-"))
    await page.goto(reader.site + "/account/profile")
    await reader.press(".panels > form .bar button", website="javascript:alert(1)", birthdate="yesterday")
    await reader.see("account-profile-error")
    await page.goto(reader.site + "/account/delete")
    await reader.press(".destructive", confirmation="nobody@example.com")
    await reader.see("account-delete-error")


async def _walk_out(reader: Reader, recovery_code: str) -> None:
    page = reader.page
    await reader.go("/end-session", "sign-out")
    await reader.press()
    await reader.see("signed-out")
    await page.goto(reader.site + "/account")
    await reader.press(email="ada@example.com", password=PASSWORD)
    await reader.see("second-factor")
    await reader.press("form:not(.passkey) button.primary", code="000000")
    await reader.see("second-factor-error")
    await reader.press("form:not(.passkey) button.primary", code=recovery_code)
    await reader.see("account-again")
    await reader.go("/authorize?client_id=nobody", "error")
    await reader.go("/nonsense", "not-found")


@pytest.mark.slow
async def test_german_pages_fit(serve: Serve, chromium: Chromium) -> None:
    server = serve()
    page = await chromium.new_page(locale="de-DE", viewport=PHONE)
    await _walk(server, Reader(page, server.issuer, "de", "ltr"))


@pytest.mark.slow
async def test_a_language_of_the_operator_fits_from_right_to_left(
    serve: Serve, chromium: Chromium, tmp_path: Path
) -> None:
    _add_arabic(tmp_path / "data")
    server = serve(languages="en de ar")
    page = await chromium.new_page(locale="ar-EG", viewport=PHONE)
    await _walk(server, Reader(page, server.issuer, "ar", "rtl"))


async def test_a_page_from_right_to_left_is_a_mirror_image(serve: Serve, chromium: Chromium, tmp_path: Path) -> None:
    _add_arabic(tmp_path / "data")
    server = serve(languages="en ar")
    boxes = {}
    for language in ("en", "ar"):
        page = await chromium.new_page(locale=language, viewport=DESKTOP)
        await page.goto(server.issuer + "/account")
        box = await page.locator(".choice input").bounding_box()
        assert box is not None
        boxes[language] = box["x"] + box["width"] / 2
    assert boxes["en"] + boxes["ar"] == pytest.approx(DESKTOP["width"], abs=2)
