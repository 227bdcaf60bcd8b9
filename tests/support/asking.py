"""A client that asks people elsewhere (OpenID Connect CIBA Core 1.0), and a person who answers."""

from typing import Any

import httpx

from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

GRANT = "urn:openid:params:grant-type:ciba"
ALICE = "alice@example.com"
SCOPE = "openid profile things:buy"
PLAIN = {
    "grant_types": [GRANT, "refresh_token"],
    "response_types": [],
    "redirect_uris": [],
    "scope": "openid profile offline_access things:buy",
    "backchannel_token_delivery_mode": "poll",
}
REQUESTS = "/account/requests"


async def client(server: RunningServer, client_id: str = "bank", **metadata: Any) -> RelyingParty:
    """Register a confidential client that asks people elsewhere."""
    values = {"client_name": "Corner Bank", **PLAIN, **metadata}
    return RelyingParty(server, client_id, await server.add_client(client_id, **values))


async def ask(rp: RelyingParty, **form: str | None) -> httpx.Response:
    return await rp.post("/bc-authorize", **{"scope": SCOPE, "login_hint": ALICE, **form})


async def begin(rp: RelyingParty, **form: str | None) -> dict[str, Any]:
    """Ask, and return what the client is answered."""
    response = await ask(rp, **form)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    answer: dict[str, Any] = response.json()
    return answer


async def refused(rp: RelyingParty, **form: str | None) -> str:
    """Ask, and return the code of the error."""
    response = await ask(rp, **form)
    assert response.status_code == 400, response.text
    return str(response.json()["error"])


async def poll(rp: RelyingParty, answer: dict[str, Any]) -> httpx.Response:
    return await rp.post("/token", grant_type=GRANT, auth_req_id=answer["auth_req_id"])


async def poll_error(rp: RelyingParty, answer: dict[str, Any]) -> str:
    response = await poll(rp, answer)
    assert response.status_code == 400, response.text
    return str(response.json()["error"])


async def tokens_of(rp: RelyingParty, answer: dict[str, Any]) -> dict[str, Any]:
    response = await poll(rp, answer)
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.json()
    return tokens


async def decide(person: Person, decision: str = "approve") -> None:
    """Answer the first request of the page, after whatever is due."""
    await person.visit(REQUESTS)
    if person.title == "Sign in":
        await person.sign_in()
    if person.title == "Protect your account":
        await person.postpone()
    assert person.title == "Requests", person.text
    await person.submit(("decision", decision))
