"""What people change about themselves in the account console."""

from server.events.names import Event
from tests.support.account import alice_of, enter, events, form, mails
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def test_people_edit_every_standard_claim_of_theirs(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """OpenID Connect Core section 5.1."""
    claims = {
        "name": "Alice B. Ample",
        "given_name": "Alice",
        "middle_name": "B.",
        "family_name": "Ample",
        "nickname": "Al",
        "preferred_username": "alice.b",
        "profile": "https://alice.example/about",
        "picture": "https://alice.example/me.png",
        "website": "https://alice.example",
        "gender": "female",
        "birthdate": "1990-12-31",
        "zoneinfo": "Europe/Paris",
        "locale": "fr-CA",
        "phone_number": "+1 604 555 1234",
    }
    address = {"street_address": "1 Main Street", "postal_code": "12345", "locality": "Town", "country": "France"}
    await enter(person)
    await person.visit("/account/profile")
    await person.submit(None, form(person, "/account/profile"), **claims, **address, region="", username="alice")
    assert "Your changes are saved." in person.text
    tokens = await rp.sign_in(person, scope="openid profile email address phone")
    told = (await rp.userinfo(tokens["access_token"])).json()
    assert {name: told[name] for name in claims} == claims
    assert told["address"] == address
    assert told["phone_number_verified"] is False
    (row,) = await events(server, Event.USER_UPDATED)
    assert (row["actor"], row["user_id"]) == ((await alice_of(server)).id,) * 2


async def test_errors_stand_at_their_fields_and_nothing_is_saved(server: RunningServer, person: Person) -> None:
    await server.add_person("bob@example.com", username="bob")
    await enter(person)
    await person.visit("/account/profile")
    wrong = {"website": "javascript:alert(1)", "birthdate": "31.12.1990", "zoneinfo": "Europe/", "locale": "?"}
    await person.submit(None, form(person, "/account/profile"), **wrong, nickname="Al")
    assert person.response.status_code == 400
    assert all(f"{name}-error" in person.page.by_id for name in wrong)
    sent = form(person, "/account/profile")
    assert (sent.fields["nickname"], sent.fields["website"]) == ("Al", "javascript:alert(1)")
    await person.visit("/account/profile")
    await person.submit(None, form(person, "/account/profile"), username="BOB", nickname="Al")
    assert "taken" in person.page.by_id["username-error"]
    assert (await alice_of(server)).claims == {"name": "Alice Ample"}
    assert await events(server, Event.USER_UPDATED) == []


async def test_a_changed_telephone_number_is_not_verified_any_more(server: RunningServer) -> None:
    claims = {"name": "Alice", "phone_number": "+1 604 555 1234", "phone_number_verified": True}
    await server.add_person(claims=claims)
    async with Person(server) as alice:
        await enter(alice)
        await alice.visit("/account/profile")
        await alice.submit(None, form(alice, "/account/profile"), nickname="Al")
        assert (await alice_of(server)).claims["phone_number_verified"] is True
        await alice.submit(None, form(alice, "/account/profile"), phone_number="+1 604 555 9999")
        assert "phone_number_verified" not in (await alice_of(server)).claims


async def test_saving_an_unchanged_profile_changes_nothing(server: RunningServer) -> None:
    address = {"formatted": "1 Main Street\nTown", "locality": "Town"}
    await server.add_person(claims={"name": "Alice", "address": address, "birthdate": "0000-12-31"})
    async with Person(server) as alice:
        await enter(alice)
        before = await alice_of(server)
        await alice.visit("/account/profile")
        await alice.submit(None, form(alice, "/account/profile"), language="")
        assert (await alice_of(server)).claims == before.claims
        assert await events(server, Event.USER_UPDATED) == []


async def test_the_chosen_language_is_spoken_whatever_the_browser_asks_for(person: Person) -> None:
    await enter(person)
    await person.visit("/account/profile")
    await person.submit(None, form(person, "/account/profile"), language="de")
    assert person.response.headers["content-language"] == "de"
    await person.visit("/account")
    assert person.response.headers["content-language"] == "de"
    await person.visit("/account/profile")
    await person.submit(None, form(person, "/account/profile"), language="")
    assert person.response.headers["content-language"] == "en"


async def test_a_new_address_is_confirmed_by_mail_before_it_counts(server: RunningServer, person: Person) -> None:
    await enter(person)
    await person.visit("/account/email")
    await person.submit(None, form(person, "/account/email"), new_email="nonsense")
    assert (person.response.status_code, "new_email-error" in person.page.by_id) == (400, True)
    await person.submit(None, form(person, "/account/email"), new_email="new@example.com")
    assert person.title == "Profile"
    assert "we have sent a link" in person.text
    assert (await alice_of(server)).email == "alice@example.com"
    (mail,) = await mails(server, "confirm_new_email")
    assert mail["to"] == "new@example.com"
