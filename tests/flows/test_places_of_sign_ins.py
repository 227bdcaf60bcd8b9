"""Where one's sign-ins came from, by name."""

from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

from server.accounts.places import Places
from tests.support.account import enter
from tests.support.person import Person
from tests.support.server import RunningServer


async def test_sign_ins_are_listed_with_their_place(server: RunningServer, person: Person, tmp_path: Path) -> None:
    await enter(person)
    await person.visit("/account/sessions")
    assert "192.0.2.1, signed in" in person.text
    writer = MMDBWriter()
    writer.insert_network(IPSet(["192.0.2.0/24"]), {"city": {"names": {"en": "Home"}}})
    writer.to_db_file(str(tmp_path / "cities.mmdb"))
    server.services.places = Places(tmp_path / "cities.mmdb")
    await person.visit("/account/sessions")
    assert "Home (192.0.2.1), signed in" in person.text
    await person.visit("/account/log")
    assert "Home (192.0.2.1)" in person.text
