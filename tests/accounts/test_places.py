"""The place of an address, from a MaxMind DB file that the operator provides."""

from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from server.accounts.places import PlaceDatabaseError, Places

LONDON = {
    "city": {"names": {"en": "London", "de": "London"}},
    "country": {"names": {"en": "United Kingdom", "de": "Vereinigtes Königreich"}},
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    writer = MMDBWriter(6, "Test-City", ["en", "de"], ipv4_compatible=True)
    writer.insert_network(IPSet(["192.0.2.0/24", "2001:db8::/32"]), LONDON)
    writer.insert_network(IPSet(["198.51.100.0/24"]), {"country": {"names": {"en": "France"}}})
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"country": "unlike the format", "city": {}})
    path = tmp_path_factory.mktemp("places") / "cities.mmdb"
    writer.to_db_file(str(path))
    return Places(path)


@pytest.mark.parametrize(
    ("address", "language", "place"),
    [
        ("192.0.2.7", "en", "London, United Kingdom"),
        ("192.0.2.7", "de", "London, Vereinigtes Königreich"),
        ("2001:db8::1", "en", "London, United Kingdom"),
        ("198.51.100.1", "de", "France"),
        ("203.0.113.9", "en", ""),
        ("10.0.0.1", "en", ""),
        ("", "en", ""),
        ("not an address", "en", ""),
    ],
)
def test_an_address_has_the_place_that_the_database_says(
    places: Places, address: str, language: str, place: str
) -> None:
    assert places.find(address, (language,)) == place


def test_without_a_database_no_address_has_a_place() -> None:
    assert Places().find("192.0.2.7", ("en",)) == ""


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "cities.mmdb"
    for content in (None, b"", b"not a database"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(PlaceDatabaseError, match=r"cities\.mmdb is no MaxMind DB file"):
            Places(path)
