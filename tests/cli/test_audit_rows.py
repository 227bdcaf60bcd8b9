"""What an operator does is in the audit log: once, and only what happened."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from server.events.names import Event
from tests.cli.conftest import CommandLine

PASSWORD = "quite a long pass phrase\n"
COMMANDS: list[tuple[list[str], dict[Event, int]]] = [
    (
        ["user", "create", "ada@example.com", "--username", "ada"],
        {Event.USER_CREATED: 1, Event.PASSWORD_LINK_CREATED: 1},
    ),
    (["user", "update", "ada", "--verified"], {Event.USER_UPDATED: 1}),
    (["user", "set-password", "ada", "--password-stdin"], {Event.PASSWORD_CHANGED: 1, Event.SESSIONS_ENDED: 1}),
    (["user", "set-password", "ada"], {Event.PASSWORD_LINK_CREATED: 1}),
    (["user", "unlock", "ada"], {Event.ACCOUNT_UNLOCKED: 1}),
    (["user", "reset-mfa", "ada"], {Event.SECOND_FACTORS_RESET: 1, Event.SESSIONS_ENDED: 1}),
    (["user", "sign-out", "ada"], {Event.SESSIONS_ENDED: 1}),
    (["user", "disable", "ada"], {Event.USER_DISABLED: 1, Event.SESSIONS_ENDED: 1}),
    (["user", "disable", "ada"], {}),
    (["user", "enable", "ada"], {Event.USER_ENABLED: 1}),
    (["user", "enable", "ada"], {}),
    (["role", "create", "editor", "--permission", "read:posts"], {Event.ROLE_CREATED: 1}),
    (["role", "grant", "editor", "write:posts"], {Event.ROLE_PERMISSIONS_CHANGED: 1}),
    (["role", "withdraw", "editor", "write:posts"], {Event.ROLE_PERMISSIONS_CHANGED: 1}),
    (["role", "delete", "editor"], {Event.ROLE_DELETED: 1}),
    (["organization", "create", "ACME"], {Event.ORGANIZATION_CREATED: 1}),
    (["organization", "add", "ACME", "ada", "--role", "member"], {Event.MEMBERSHIP_CHANGED: 1}),
    (["organization", "remove", "ACME", "ada"], {Event.MEMBERSHIP_ENDED: 1}),
    (["organization", "delete", "ACME"], {Event.ORGANIZATION_DELETED: 1}),
    (["invitation", "create", "bob@example.com"], {Event.INVITATION_CREATED: 1}),
    (["scope", "create", "read:things"], {Event.SCOPE_CREATED: 1}),
    (
        ["client", "create", "--profile", "service", "--client-id", "job", "--scope", "read:things write:things"],
        {Event.CLIENT_CREATED: 1, Event.SCOPE_CREATED: 1},
    ),
    (["client", "disable", "job"], {Event.CLIENT_DISABLED: 1}),
    (["client", "enable", "job"], {Event.CLIENT_ENABLED: 1}),
    (["client", "rotate-secret", "job"], {Event.CLIENT_SECRET_ROTATED: 1}),
    (["client", "delete", "job"], {Event.CLIENT_DELETED: 1}),
    (["scope", "delete", "write:things"], {Event.SCOPE_DELETED: 1}),
    (["key", "rotate", "--now"], {Event.KEY_GENERATED: 1}),
    (["key", "rotate", "--now"], {Event.KEY_GENERATED: 1, Event.KEY_RETIRED: 1}),
    (["key", "reseal"], {}),
    (["user", "delete", "ada"], {Event.USER_DELETED: 1, Event.SESSIONS_ENDED: 1}),
    (["user", "restore", "ada"], {Event.USER_RESTORED: 1}),
]


def _events(ostiary: CommandLine) -> Counter[str]:
    rows: list[dict[str, Any]] = ostiary.json("audit", "list", "--limit", "10000")
    return Counter(row["event"] for row in rows)


def test_every_command_writes_down_what_it_did_once(ostiary: CommandLine) -> None:
    before = _events(ostiary)
    for words, expected in COMMANDS:
        ostiary.json(*words, stdin=PASSWORD)
        after = _events(ostiary)
        assert after - before == Counter({event.value: number for event, number in expected.items()}), words
        before = after


def test_a_client_that_changes_is_written_down_once(ostiary: CommandLine, tmp_path: Path) -> None:
    metadata = tmp_path / "metadata.json"
    metadata.write_text('{"client_name": "Another name"}', "utf-8")
    ostiary.json("client", "create", "--profile", "service", "--client-id", "job")
    before = _events(ostiary)
    ostiary.json("client", "update", "job", "--metadata", str(metadata))
    assert _events(ostiary) - before == Counter({Event.CLIENT_UPDATED.value: 1})


def test_a_key_that_is_revoked_is_written_down_once_with_what_replaces_it(ostiary: CommandLine) -> None:
    kid = ostiary.json("key", "rotate", "--now")[0]["kid"]
    before = _events(ostiary)
    ostiary.json("key", "revoke", kid)
    assert _events(ostiary) - before == Counter({Event.KEY_REVOKED.value: 1, Event.KEY_GENERATED.value: 1})


@pytest.mark.parametrize(
    "words",
    [
        ["user", "disable", "nobody"],
        ["client", "delete", "nobody"],
        ["scope", "delete", "nothing"],
        ["user", "create", "no address"],
        ["client", "create", "--profile", "web"],
        ["key", "revoke", "nothing"],
        ["key", "revoke", "-no_option"],
    ],
    ids=" ".join,
)
def test_what_is_refused_is_not_written_down(ostiary: CommandLine, words: list[str]) -> None:
    before = _events(ostiary)
    ostiary.refusal(*words)
    assert _events(ostiary) == before
