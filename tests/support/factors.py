"""Passkeys, authenticator apps and trusted browsers of people who sign in, and what tokens say of them."""

import html
import json
import re
from typing import Any

from tests.support.authenticator import Authenticator
from tests.support.person import Form, Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

TRUST_COOKIE = "__Host-ostiary_trusted"
PASSKEY_FORM = "credential"


def options_of(person: Person) -> dict[str, Any]:
    """What the page tells the browser's passkey API."""
    found = re.search(r'data-options="([^"]*)"', person.response.text)
    assert found, person.text
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


def passkey_form(person: Person) -> Form:
    return next(form for form in person.page.forms if PASSKEY_FORM in form.fields)


async def make_passkey(person: Person, device: Authenticator, **fields: str) -> None:
    """Choose a passkey on the page that offers a second factor, and make it."""
    await person.submit(("decision", "passkey"))
    assert person.title == "Create a passkey", person.text
    await person.submit(None, passkey_form(person), credential=device.create(options_of(person)), **fields)
    assert person.title == "Your recovery codes", person.text
    person.recovery_codes = person.page.by_class.get("recovery-code", [])


async def use_passkey(person: Person, device: Authenticator, **fields: str) -> None:
    """Answer the page's passkey form."""
    await person.submit(None, passkey_form(person), credential=device.get(options_of(person)), **fields)


async def claims_after(rp: RelyingParty, person: Person) -> tuple[list[str], str]:
    """Go through consent, and return `amr` and `acr` of the ID token; the access token must say the same."""
    if person.left_for is None:
        await person.consent()
    tokens = (await rp.redeem(person.answer()["code"])).json()
    _, claims = await rp.verified(tokens["id_token"])
    return claims["amr"], claims["acr"]


async def with_passkey(rp: RelyingParty, person: Person, device: Authenticator) -> None:
    """Give Alice a passkey, in a session that she leaves at once."""
    await person.visit(rp.url())
    await person.sign_in()
    await make_passkey(person, device)
    person.http.cookies.delete("__Host-ostiary_session")


async def with_app(rp: RelyingParty, person: Person) -> None:
    """Give Alice an authenticator app, in a session that she leaves at once."""
    await person.visit(rp.url())
    await person.sign_in()
    await person.enrol()
    person.http.cookies.delete("__Host-ostiary_session")
    person.server.clock.advance(30)


async def trusting(server: RunningServer, rp: RelyingParty, person: Person) -> None:
    """Let Alice trust her browser, and leave the session."""
    await with_app(rp, person)
    await person.visit(rp.url())
    await person.sign_in()
    await person.submit(code=person.code(), trust_browser="yes")
    assert TRUST_COOKIE in person.http.cookies
    person.http.cookies.delete("__Host-ostiary_session")
    server.clock.advance(30)
