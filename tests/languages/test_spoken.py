"""Which language is spoken: the application's wish, the person's choice, the browser's wish, the first one."""

import pytest

from tests.support.account import alice_of, enter
from tests.support.mailbox import Mailbox
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer

# no text comes out of the database: one is enough
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
GERMAN = "de-AT,de;q=0.9,en;q=0.1"
TITLES = {"en": "Sign in", "de": "Anmelden"}


@pytest.mark.parametrize(
    ("header", "ui_locales", "language"),
    [
        ("", None, "en"),
        (GERMAN, None, "de"),
        ("fr, it;q=0.9", None, "en"),
        (GERMAN, "en", "en"),
        ("en", "fr-CA de", "de"),
        (GERMAN, "fr", "de"),
        ("en", "x-nonsense <b> ../.. de", "de"),
        (GERMAN, " ".join(f"x{number}" for number in range(50)), "de"),
    ],
)
async def test_ui_locales_come_before_the_browser_and_the_browser_before_the_default(
    server: RunningServer, rp: RelyingParty, header: str, ui_locales: str | None, language: str
) -> None:
    """OpenID Connect Core section 3.1.2.1."""
    async with Person(server) as person:
        person.http.headers["accept-language"] = header
        await person.visit(rp.url(ui_locales=ui_locales))
        assert person.title == TITLES[language]
        assert person.response.headers["content-language"] == language
        assert f'<html lang="{language}" dir="ltr">' in person.response.text


async def test_ui_locales_last_through_the_whole_sign_in(person: Person, rp: RelyingParty) -> None:
    """OpenID Connect Core section 3.1.2.1."""
    await person.visit(rp.url(ui_locales="de", prompt="consent"))
    await person.submit(email=person.email, password="wrong")
    assert "stimmt nicht" in person.text
    await person.submit(email=person.email, password=PASSWORD)
    assert person.title == "Schützen Sie Ihr Konto"
    await person.submit(("decision", "postpone"))
    assert person.title == "Zugriff erlauben"
    assert "Ihre E-Mail-Adresse sehen" in person.text
    await person.submit(("decision", "allow"))
    assert "code" in person.answer()


async def test_the_language_that_a_person_chose_comes_before_the_browsers(
    person: Person, rp: RelyingParty, server: RunningServer
) -> None:
    await enter(person)
    await person.visit("/account/profile")
    await person.submit(name="Alice Ample", language="de")
    assert person.title == "Profil"
    assert "Ihre Änderungen sind gespeichert." in person.text
    assert (await alice_of(server)).is_language_chosen
    person.http.headers["accept-language"] = "en"
    await person.visit("/account")
    assert person.title == "Ihr Konto"
    await person.visit(rp.url(prompt="consent"))
    assert person.title == "Zugriff erlauben"
    await person.visit(rp.url(prompt="consent", ui_locales="en"))
    assert person.title == "Allow access"
    await person.visit(rp.url(prompt="consent", ui_locales="fr"))
    assert person.title == "Zugriff erlauben"


async def test_mails_are_in_the_language_in_which_the_person_was_last_here(
    person: Person, server: RunningServer
) -> None:
    mailbox = Mailbox(server)
    person.http.headers["accept-language"] = GERMAN
    await person.visit("/account")
    await person.submit(email=person.email, password=PASSWORD)
    await person.submit(("decision", "postpone"))
    assert person.title == "Ihr Konto"
    async with Person(server) as stranger:
        stranger.http.headers["accept-language"] = "en"
        await stranger.visit("/account/forgot-password")
        await stranger.submit(email=person.email)
    letter = await mailbox.letter(person.email)
    assert (letter.language, letter.subject) == ("de", "Neues Passwort wählen")
    assert letter.text.startswith("Hallo Alice Ample,")


async def test_discovery_names_the_languages(server: RunningServer) -> None:
    """OpenID Connect Discovery 1.0 section 3."""
    async with server.http() as http:
        answer = await http.get("/.well-known/openid-configuration")
    assert answer.json()["ui_locales_supported"] == ["en", "de"]


@pytest.mark.parametrize("overrides", [{"languages": ("de", "en")}], indirect=True)
async def test_the_first_language_is_spoken_to_whoever_wishes_for_none(server: RunningServer) -> None:
    async with Person(server) as person:
        await person.visit("/account")
        assert person.title == "Anmelden"
        person.http.headers["accept-language"] = "en"
        assert (await person.visit("/account")).title == "Sign in"


async def test_error_pages_speak_the_language_of_the_browser(person: Person) -> None:
    person.http.headers["accept-language"] = "de"
    await person.visit("/nowhere")
    assert (person.response.status_code, person.title) == (404, "Unter dieser Adresse gibt es nichts")
    await person.visit("/interaction/oin_" + "x" * 43)
    assert person.title == "Diese Seite gilt nicht mehr"
    assert person.response.headers["content-language"] == "de"


async def test_programs_get_english_errors_and_people_get_theirs(server: RunningServer) -> None:
    """RFC 6749 section 5.2: a description is ASCII, whatever language is asked for."""
    async with server.http(headers={"accept-language": "de"}) as http:
        token = await http.post("/token", data={"grant_type": "nonsense"})
        account = await http.post("/api/auth/register", json={"email": "nobody", "password": "x", "name": "Ada"})
        missing = await http.get("/api/nowhere")
    assert token.json()["error_description"].isascii()
    assert missing.json()["detail"] == "Not found"
    messages = {problem["message"] for problem in account.json()["errors"]}
    assert "Eine E-Mail-Adresse sieht aus wie name@example.com." in messages
