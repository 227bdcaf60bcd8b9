"""`ostiary invitation`."""

import re

import pytest

from tests.cli.conftest import CommandLine

once = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def test_an_invitation_from_creation_to_its_end(ostiary: CommandLine) -> None:
    made = ostiary.json("invitation", "create", "Bob@Example.org", "--role", "editor", "--role", "author")
    assert made["link"].startswith("https://login.example.com/account/register?invitation=oiv_")
    assert (made["email"], made["roles"]) == ("Bob@Example.org", ["author", "editor"])
    anybody = ostiary.json("invitation", "create")
    assert anybody["email"] is None
    listed = ostiary.json("invitation", "list")
    assert {row["id"] for row in listed} == {made["id"], anybody["id"]}
    assert not any("link" in row or "digest" in row for row in listed)
    assert ostiary.json("invitation", "revoke", made["id"])["status"] == "revoked"
    assert [row["id"] for row in ostiary.json("invitation", "list")] == [anybody["id"]]
    assert "no open invitation" in ostiary.refusal("invitation", "revoke", made["id"])
    events = [row["event"] for row in ostiary.json("audit", "list")]
    assert [events.count(f"invitation.{name}") for name in ("created", "revoked", "accepted")] == [2, 1, 0]


@once
def test_people_see_dates(ostiary: CommandLine) -> None:
    result = ostiary.run("invitation", "create", "bob@example.org")
    assert result.exit_code == 0
    assert "valid until" in result.stderr
    assert re.search(r" \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", ostiary.run("invitation", "list").stdout)


@once
def test_what_cannot_be_is_refused_in_one_line(ostiary: CommandLine) -> None:
    ostiary.json("user", "create", "alice@example.com")
    assert "belongs to a person" in ostiary.refusal("invitation", "create", "ALICE@example.com")
    assert "looks like name@example.com" in ostiary.refusal("invitation", "create", "nonsense")
    assert "cannot be a role" in ostiary.refusal("invitation", "create", "--role", "no role")
    assert "--send needs the EMAIL" in ostiary.refusal("invitation", "create", "--send")
    refusal = ostiary.refusal("invitation", "create", OSTIARY_REGISTRATION="closed")
    assert "OSTIARY_REGISTRATION" in refusal
    for nonsense in ("inv_", "inv_%", "%", "", "inv_" + "0" * 20):
        assert "no open invitation" in ostiary.refusal("invitation", "revoke", nonsense)


@once
def test_an_invitation_can_be_mailed(ostiary: CommandLine) -> None:
    ostiary.json("invitation", "create", "bob@example.org", "--send")
    assert [row["event"] for row in ostiary.json("audit", "list")] == ["invitation.created"]
