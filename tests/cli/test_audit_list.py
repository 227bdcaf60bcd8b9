"""`ostiary audit list`: as programs read it, and about whom."""

from server.accounts.lifecycle import erase_due
from server.cli.running import transact
from server.clock import SystemClock
from tests.cli.conftest import CommandLine
from tests.conftest import SettingsFor


def test_in_a_pipe_a_row_is_one_line(ostiary: CommandLine) -> None:
    """So that grep and awk find it whole, with details of any length."""
    long = " ".join(f"{word}:things" for word in ("read", "write", "delete", "approve") * 20)
    ostiary.json("client", "create", "--profile", "service", "--client-id", "job-" + "x" * 100, "--scope", long)
    header, *lines = ostiary.run("audit", "list").stdout.splitlines()
    assert header.split() == ["when", "event", "actor", "user_id", "client_id", "address", "request_id", "details"]
    assert len(lines) == len(ostiary.json("audit", "list"))
    assert all(line[:2] == "20" and line.endswith("}") for line in lines)
    (made,) = [line for line in lines if " client.created " in line]
    assert "job-" + "x" * 100 in made


def test_markup_in_a_name_is_text(ostiary: CommandLine) -> None:
    ostiary.json("client", "create", "--profile", "service", "--client-id", "job", "--name", "[red]Jäger[/red] 東 :x:")
    header, line = ostiary.run("client", "list").stdout.splitlines()
    assert "[red]Jäger[/red] 東 :x:" in line
    # 東 takes two columns
    assert header.index("token_endpoint") == line.index("client_secret") + 1


def test_of_nobody_there_is_no_empty_list(ostiary: CommandLine) -> None:
    line = ostiary.refusal("audit", "list", "--user", "nobody@nowhere.example")
    assert line.startswith("nobody is called nobody@nowhere.example")
    assert "nobody is called" in ostiary.refusal("audit", "list", "--user", "a\0b")


def test_deleted_and_erased_people_are_found_by_their_id(ostiary: CommandLine, settings_for: SettingsFor) -> None:
    ada = ostiary.json("user", "create", "ada@example.com")["id"]
    assert ostiary.json("audit", "list", "--user", "ada@example.com", "--event", "sign_in.failed") == []
    ostiary.json("user", "delete", "ada@example.com")
    for who in (ada, "ada@example.com"):
        assert {row["user_id"] for row in ostiary.json("audit", "list", "--user", who)} == {ada}
    later = SystemClock().now() + 366 * 86_400
    assert transact(lambda db: erase_due(db, later), settings_for()) == 1
    assert "nobody is called" in ostiary.refusal("audit", "list", "--user", "ada@example.com")
    assert len(ostiary.json("audit", "list", "--user", ada)) > 1
    assert ostiary.json("audit", "list", "--user", ada, "--event", "sign_in.failed") == []
