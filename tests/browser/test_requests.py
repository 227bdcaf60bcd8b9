"""The page on which people answer applications elsewhere (OpenID Connect CIBA Core 1.0), in Chromium."""

import json
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.looker import LOOKS, Looker
from tests.conftest import Serve
from tests.support.asking import GRANT, PLAIN, SCOPE
from tests.support.chromium import Chromium
from tests.support.process import ServerProcess
from tests.support.server import PASSWORD

pytestmark = pytest.mark.browser


def _register(server: ServerProcess) -> tuple[str, str]:
    metadata = {**PLAIN, "client_name": "Corner Bank", "client_uri": "https://bank.example"}
    made = server.run("client", "create", "--metadata", "-", "--json", stdin=json.dumps(metadata))
    client: dict[str, str] = json.loads(made.stdout)
    return client["client_id"], client["client_secret"]


async def _ask(http: httpx.AsyncClient, **form: str) -> dict[str, Any]:
    response = await http.post("/bc-authorize", data={"scope": SCOPE, "login_hint": "ada@example.com", **form})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def _sign_in(page: Page, server: ServerProcess) -> None:
    words = ("ada@example.com", "--name", "Ada Ample", "--verified", "--password-stdin")
    server.run("user", "create", *words, stdin=PASSWORD + "\n")
    await page.goto(server.issuer + "/account")
    await page.fill("#email", "ada@example.com")
    await page.fill("#password", PASSWORD)
    await page.click("button.primary")
    await page.click("button[value=postpone]")


@pytest.mark.parametrize("look", LOOKS)
async def test_requests_are_fit_to_be_seen_and_answered(serve: Serve, chromium: Chromium, look: str) -> None:
    server = serve()
    client = _register(server)
    page = await chromium.new_page(**LOOKS[look])
    await _sign_in(page, server)
    looker = Looker(page, f"requests-{look}")
    await page.goto(server.issuer + "/account/requests")
    await looker.see("none")
    async with httpx.AsyncClient(base_url=server.issuer, auth=client) as http:
        wanted = await _ask(http, binding_message="Basket 4711", scope=f"{SCOPE} offline_access")
        unwanted = await _ask(http)
        await page.goto(server.issuer + "/account")
        await looker.see("overview")
        await page.get_by_role("link", name="Review requests").click()
        await looker.see("two")
        basket = page.get_by_role("article").filter(has_text="Basket 4711")
        await basket.get_by_role("button", name="Approve the request of Corner Bank").click()
        await expect(page.get_by_role("status")).to_contain_text("Approved.")
        await looker.see("approved")
        await page.get_by_role("button", name="Deny the request of Corner Bank").click()
        await expect(page.get_by_role("status")).to_contain_text("Denied.")
        polls = [
            await http.post("/token", data={"grant_type": GRANT, "auth_req_id": answer["auth_req_id"]})
            for answer in (wanted, unwanted)
        ]
    assert [response.status_code for response in polls] == [200, 400]
    assert polls[1].json()["error"] == "access_denied"
    assert chromium.problems == []
