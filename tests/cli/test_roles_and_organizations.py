"""`ostiary role` and `ostiary organization`."""

import re

import pytest

from tests.cli.conftest import CommandLine

once = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def audited(ostiary: CommandLine, prefix: str) -> list[str]:
    """The events with this prefix, the oldest first."""
    events = [row["event"] for row in ostiary.json("audit", "list")]
    return [event for event in reversed(events) if event.startswith(prefix)]


def test_a_role_from_creation_to_deletion(ostiary: CommandLine) -> None:
    made = ostiary.json(
        "role", "create", "editor", "--description", "Edits posts", "--permission", "write:posts", "--permission",
        "read:posts",
    )  # fmt: skip
    assert made == {
        "name": "editor",
        "description": "Edits posts",
        "permissions": ["read:posts", "write:posts"],
        "people": 0,
        "is_defined": True,
    }
    granted = ostiary.json("role", "grant", "editor", "publish:posts", "read:posts")
    assert granted["permissions"] == ["publish:posts", "read:posts", "write:posts"]
    assert ostiary.json("role", "withdraw", "editor", "write:posts")["permissions"] == ["publish:posts", "read:posts"]
    assert ostiary.json("user", "create", "alice@example.com", "--role", "editor")["roles"] == ["editor"]
    assert ostiary.json("role", "show", "editor")["people"] == 1
    assert "1 people have the role editor: --force" in ostiary.refusal("role", "delete", "editor")
    deleted = ostiary.json("role", "delete", "editor", "--force")
    assert deleted == {"name": "editor", "status": "deleted", "people": 1}
    assert ostiary.json("user", "show", "alice@example.com")["roles"] == []
    assert audited(ostiary, "role.") == [
        "role.created",
        "role.permissions_changed",
        "role.permissions_changed",
        "role.deleted",
    ]


@once
def test_roles_are_listed_whether_or_not_somebody_defined_them(ostiary: CommandLine) -> None:
    ostiary.json("user", "create", "alice@example.com", "--role", "typo")
    ostiary.json("role", "grant", "admin", "manage:everything")
    listed = {row["name"]: (row["people"], row["is_defined"]) for row in ostiary.json("role", "list")}
    assert listed == {"admin": (0, True), "typo": (1, False), "user": (0, False)}
    shown = ostiary.run("role", "list").stdout
    assert "manage:everything" in shown
    assert ostiary.json("role", "show", "typo")["is_defined"] is False


@once
def test_mistakes_about_roles_get_one_line(ostiary: CommandLine) -> None:
    ostiary.json("role", "create", "editor")
    assert "is defined already" in ostiary.refusal("role", "create", "editor")
    assert "cannot be a role" in ostiary.refusal("role", "create", "no role")
    assert "such as read:posts" in ostiary.refusal("role", "create", "x", "--permission", "read posts")
    assert "such as read:posts" in ostiary.refusal("role", "grant", "editor", "read")
    assert "does not have read:posts" in ostiary.refusal("role", "withdraw", "editor", "read:posts")
    for words in (("show",), ("grant", "a:b"), ("withdraw", "a:b"), ("delete",)):
        command, *permissions = words
        assert "nobody defined a role nobody" in ostiary.refusal("role", command, "nobody", *permissions)
    assert "is always there" in ostiary.refusal("role", "delete", "admin", "--force")
    assert "is always there" in ostiary.refusal("role", "delete", "least", "--force", OSTIARY_DEFAULT_ROLE="least")
    many = [f"read:posts-{n}" for n in range(500)]
    assert "would not fit into a token" in ostiary.refusal("role", "grant", "editor", *many)
    assert ostiary.json("role", "show", "editor")["permissions"] == []


@once
def test_a_withdrawal_that_names_what_is_not_there_takes_nothing(ostiary: CommandLine) -> None:
    ostiary.json("role", "create", "editor", "--permission", "read:posts")
    assert "does not have a:b" in ostiary.refusal("role", "withdraw", "editor", "read:posts", "a:b")
    assert ostiary.json("role", "show", "editor")["permissions"] == ["read:posts"]
    assert audited(ostiary, "role.") == ["role.created"]


@once
def test_roles_that_nobody_can_have_are_refused_for_people(ostiary: CommandLine) -> None:
    ostiary.json("user", "create", "alice@example.com")
    for given in (("create", "bob@example.com"), ("update", "alice@example.com")):
        assert "cannot be a role" in ostiary.refusal("user", *given, "--role", "no role")
        many = [word for n in range(100) for word in ("--role", f"role{n:04}")]
        assert "do not fit into a token" in ostiary.refusal("user", *given, *many)
    assert ostiary.json("user", "update", "alice@example.com", "--role", "editor")["roles"] == ["editor"]


def test_an_organization_from_creation_to_deletion(ostiary: CommandLine) -> None:
    alice = ostiary.json("user", "create", "alice@example.com", "--organization", "ACME")
    made = ostiary.json("organization", "create", "ACME")
    assert made["id"].startswith("org_")
    assert (made["name"], made["people"]) == ("ACME", 0)
    added = ostiary.json("organization", "add", "acme", "alice@example.com", "--role", "owner")
    assert added == {
        "organization": made["id"],
        "name": "ACME",
        "user": alice["id"],
        "email": "alice@example.com",
        "role": "owner",
    }
    assert ostiary.json("organization", "add", made["id"], alice["id"])["role"] == "member"
    shown = ostiary.json("organization", "show", "ACME")
    assert shown["members"] == [{"id": alice["id"], "email": "alice@example.com", "role": "member"}]
    assert [row["people"] for row in ostiary.json("organization", "list")] == [1]
    assert "1 people belong to ACME: --force" in ostiary.refusal("organization", "delete", "ACME")
    assert ostiary.json("organization", "remove", "ACME", "alice@example.com")["status"] == "removed"
    assert "does not belong" in ostiary.refusal("organization", "remove", "ACME", "alice@example.com")
    ostiary.json("organization", "add", "ACME", "alice@example.com")
    assert ostiary.json("organization", "delete", "ACME", "--force")["people"] == 1
    assert ostiary.json("organization", "list") == []
    assert audited(ostiary, "organization.") == ["organization.created", "organization.deleted"]
    assert audited(ostiary, "membership.") == [
        "membership.changed",
        "membership.changed",
        "membership.ended",
        "membership.changed",
    ]


@once
def test_people_see_tables_of_organizations(ostiary: CommandLine) -> None:
    ostiary.json("user", "create", "alice@example.com")
    for name in ("Beta", "Alpha"):
        ostiary.json("organization", "create", name)
    ostiary.json("organization", "add", "Alpha", "alice@example.com", "--role", "owner")
    shown = ostiary.run("organization", "show", "alpha").stdout
    assert "alice@example.com" in shown
    assert re.search(r"created_at +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown)
    listed = ostiary.run("organization", "list").stdout
    assert listed.index("Alpha") < listed.index("Beta")
    assert [row["name"] for row in ostiary.json("organization", "list", "--after", "ALPHA")] == ["Beta"]
    assert len(ostiary.json("organization", "list", "--limit", "1")) == 1


@once
def test_mistakes_about_organizations_get_one_line(ostiary: CommandLine) -> None:
    ostiary.json("organization", "create", "ACME")
    ostiary.json("user", "create", "alice@example.com")
    assert "already" in ostiary.refusal("organization", "create", "acme")
    assert "visible characters" in ostiary.refusal("organization", "create", " ")
    assert "cannot start with org_" in ostiary.refusal("organization", "create", "org_1")
    assert "nobody is called bob" in ostiary.refusal("organization", "add", "ACME", "bob")
    assert "nobody is called bob" in ostiary.refusal("organization", "remove", "ACME", "bob")
    assert "cannot be a role" in ostiary.refusal("organization", "add", "ACME", "alice@example.com", "--role", "a b")
    for words in (
        ("show", "X"),
        ("delete", "X"),
        ("add", "X", "alice@example.com"),
        ("remove", "X", "alice@example.com"),
    ):
        assert "there is no organization X" in ostiary.refusal("organization", *words)
