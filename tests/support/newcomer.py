"""Bob, who has no account yet."""

from tests.support.person import Person
from tests.support.server import PASSWORD

BOB = "Bob@Example.org"


async def register(browser: Person, email: str = BOB, name: str = "Bob Builder") -> Person:
    assert browser.title == "Create an account", browser.text
    return await browser.submit(None, None, name=name, email=email, password=PASSWORD)
