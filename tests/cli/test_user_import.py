"""People from other systems: `ostiary user import` and `user create --password-hash-stdin`; `unlock` and `restore`."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from server.accounts.passwords import PasswordHasher
from tests.cli.conftest import CommandLine

PASSWORD = "correct horse battery staple"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
SHA256 = hashlib.sha256(PASSWORD.encode()).hexdigest()
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ADA = {
    "email": "Ada@Example.com",
    "name": "Ada Lovelace",
    "username": "ada",
    "password_hash": BCRYPT,
    "email_verified": True,
    "roles": ["editor", "admin"],
    "organization": "Analytical",
    "claims": {"locale": "en-GB"},
    "totp_secret": "jbsw y3dp ehpk 3pxp jbsw y3dp ehpk 3pxp",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "people.jsonl"


def write(file: Path, *people: Any) -> str:
    lines = [person if isinstance(person, str) else json.dumps(person) for person in people]
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return str(file)


def test_people_are_imported_with_all_that_is_known(ostiary: CommandLine, file: Path) -> None:
    bo = {"email": "bo@example.com", "password_hash": SHA256}
    outcome = ostiary.json("user", "import", write(file, ADA, "", bo, {"email": "cy@example.com"}))
    assert outcome == {"imported": 3, "skipped": 0, "problems": []}
    ada = ostiary.json("user", "show", "ADA")
    assert {name: ada[name] for name in ("email", "name", "email_verified", "organization", "has_password")} == {
        "email": "Ada@Example.com",
        "name": "Ada Lovelace",
        "email_verified": True,
        "organization": "Analytical",
        "has_password": True,
    }
    assert ada["roles"] == ["admin", "editor"]
    assert ada["claims"] == {"locale": "en-GB", "name": "Ada Lovelace"}
    assert ada["second_factors"] == 1
    events = [row["event"] for row in ostiary.json("audit", "list", "--user", ada["id"])]
    assert sorted(events) == ["totp.enrolled", "user.created"]
    assert ostiary.json("user", "show", "bo@example.com")["roles"] == []
    assert not ostiary.json("user", "show", "cy@example.com")["has_password"]


def test_neither_hashes_nor_secrets_are_printed(ostiary: CommandLine, file: Path) -> None:
    result = ostiary.run("user", "import", write(file, ADA, {**ADA, "totp_secret": "not base32!"}))
    for secret in (BCRYPT, "not base32", SECRET):
        assert secret not in result.output
    shown = ostiary.run("user", "import", write(file, ADA))
    assert BCRYPT not in shown.output
    assert BCRYPT not in ostiary.run("user", "show", "ada", "--json").output


def test_every_bad_line_is_reported_and_nobody_is_imported(ostiary: CommandLine, file: Path) -> None:
    bad = [
        {"email": "good@example.com"},
        "{no json",
        "[]",
        {"name": "No Address"},
        {"email": "no-address", "username": "a"},
        {"email": "a@example.com", "password_hash": "$1$salt$qJH7.N4xYta3aEG/dfqo/0"},
        {"email": "b@example.com", "password_hash": "$2b$31$" + "a" * 53},
        {"email": "c@example.com", "roles": ["no space"], "email_verified": "yes", "claims": []},
        {"email": "d@example.com", "totp_secret": "AAAA"},
        {"email": "e@example.com", "is_admin": True},
        {"email": "GOOD@example.com"},
        {"email": "f@example.com", "claims": {"sub": "me"}},
        '{"email": "g@example.com", "email": "h@example.com"}',
        {"email": "i@example.com", "name": "x" * 70_000},
    ]
    result = ostiary.run("user", "import", write(file, *bad))
    assert result.exit_code == 1
    *lines, last = result.stderr.splitlines()
    told = {int(line.split()[1].rstrip(":")): line.partition(": ")[2] for line in lines}
    assert sorted(told) == list(range(2, 15))
    assert told[2] == told[3] == told[13] == "this is not a JSON object"
    assert told[4] == "email is missing"
    assert told[5].startswith("email: An e-mail address looks like")
    assert "username: A username has" in told[5]
    assert told[6].startswith("password_hash: this is none of the hashes")
    assert told[7] == "password_hash: the cost of bcrypt must be 4 to 15"
    for part in ("roles: 'no space' cannot be a role", "email_verified: must be true", "claims: must be an object"):
        assert part in told[8]
    assert told[9] == "totp_secret: must have 10 to 64 bytes"
    assert told[10] == "'is_admin' is not a member that can be imported"
    assert told[11] == "the e-mail address is the same as in line 1"
    assert told[12].startswith("claims: ")
    assert told[14] == "the line has more than 65536 bytes"
    assert last == "nobody was imported: mend 13 lines, or leave such lines out with --skip-bad"
    assert ostiary.json("user", "list") == []


def test_with_skip_bad_the_good_lines_are_imported(ostiary: CommandLine, file: Path) -> None:
    ostiary.json("user", "create", "taken@example.com", "--username", "taken")
    people = [
        "{",
        ADA,
        {"email": "TAKEN@example.com"},
        {"email": "bo@example.com", "username": "Taken"},
        {"email": "cy@example.com"},
    ]
    result = ostiary.run("user", "import", write(file, *people), "--skip-bad", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "imported": 2,
        "skipped": 3,
        "problems": [
            {"line": 1, "problem": "this is not a JSON object"},
            {"line": 3, "problem": "somebody has this e-mail address already"},
            {"line": 4, "problem": "somebody has this username already"},
        ],
    }
    emails = {person["email"] for person in ostiary.json("user", "list")}
    assert emails == {"taken@example.com", "Ada@Example.com", "cy@example.com"}


def test_one_taken_address_takes_everything_back(ostiary: CommandLine, file: Path) -> None:
    ostiary.json("user", "create", "taken@example.com")
    result = ostiary.run("user", "import", write(file, {"email": "bo@example.com"}, {"email": "Taken@example.com"}))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == "line 2: somebody has this e-mail address already"
    assert [person["email"] for person in ostiary.json("user", "list")] == ["taken@example.com"]
    created = [row for row in ostiary.json("audit", "list") if row["event"] == "user.created"]
    assert len(created) == 1


def test_people_come_from_standard_input_and_progress_is_told(ostiary: CommandLine) -> None:
    lines = "\n".join(json.dumps({"email": f"person{number}@example.com"}) for number in range(1001))
    result = ostiary.run("user", "import", "-", "--json", stdin=lines)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["imported"] == 1001
    assert result.stderr.splitlines() == ["500 of 1001", "1000 of 1001"]


def test_a_file_that_is_not_there_is_one_line(ostiary: CommandLine, tmp_path: Path) -> None:
    assert "cannot be read" in ostiary.refusal("user", "import", str(tmp_path / "nothing"))


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_empty_file_imports_nobody(ostiary: CommandLine, file: Path) -> None:
    assert ostiary.json("user", "import", write(file, ""))["imported"] == 0


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_person_is_made_with_the_hash_of_another_system(ostiary: CommandLine) -> None:
    made = ostiary.json("user", "create", "ada@example.com", "--password-hash-stdin", stdin=SHA256 + "\n")
    assert made["has_password"]
    assert made["roles"] == []
    assert "password_link" not in made
    arguments = ("user", "create", "bo@example.com", "--password-hash-stdin")
    assert "none of the hashes" in ostiary.refusal(*arguments, stdin="plain text\n")
    assert "one of the two" in ostiary.refusal(*arguments, "--password-stdin", stdin=SHA256)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_operators_are_held_to_the_policy_of_the_settings(ostiary: CommandLine) -> None:
    create = ("user", "create", "ada@example.com", "--name", "Ada Lovelace", "--password-stdin")
    assert "contains “Lovelace”" in ostiary.refusal(*create, stdin="all of the lovelace engines\n")
    assert "3 kinds of characters" in ostiary.refusal(*create, stdin=PASSWORD, OSTIARY_PASSWORD_CHARACTER_CLASSES="3")
    ostiary.json(*create, stdin=PASSWORD)


def test_a_password_of_before_is_refused_where_history_is_kept(ostiary: CommandLine) -> None:
    ostiary.environment["OSTIARY_PASSWORD_HISTORY"] = "1"
    ostiary.json("user", "create", "ada@example.com", "--password-stdin", stdin=PASSWORD)
    change = ("user", "set-password", "ada@example.com", "--password-stdin")
    ostiary.json(*change, stdin="seven lanterns adrift")
    assert "used this password before" in ostiary.refusal(*change, stdin=PASSWORD)
    assert "used this password before" in ostiary.refusal(*change, stdin="seven lanterns adrift")
    ostiary.json(*change, stdin="violet harbour teapots")


def test_an_account_is_unlocked_with_one_audit_row(ostiary: CommandLine) -> None:
    ada = ostiary.json("user", "create", "ada@example.com")
    assert ostiary.json("user", "unlock", "ada@example.com")["id"] == ada["id"]
    rows = [row for row in ostiary.json("audit", "list") if row["event"] == "account.unlocked"]
    assert [row["actor"] for row in rows] == ["cli"]
    assert "nobody is called" in ostiary.refusal("user", "unlock", "nobody@example.com")


def test_a_deleted_person_comes_back_until_they_are_erased(ostiary: CommandLine) -> None:
    ada = ostiary.json("user", "create", "ada@example.com", "--username", "ada")
    assert "nobody who can be restored" in ostiary.refusal("user", "restore", "ada")
    ostiary.json("user", "delete", "ada")
    assert ostiary.json("user", "restore", "ada")["status"] == "active"
    ostiary.json("user", "delete", "ada")
    assert ostiary.json("user", "restore", ada["id"])["id"] == ada["id"]
    ostiary.environment["OSTIARY_DELETION_GRACE_SECONDS"] = "0"
    ostiary.json("user", "delete", "ada")
    assert "nobody who can be restored" in ostiary.refusal("user", "restore", "ada")


async def test_the_hash_of_the_file_is_the_one_that_verifies() -> None:
    hasher = PasswordHasher(time_cost=1, memory_kib=32, parallel=1, queue=1)
    answers = await asyncio.gather(hasher.verify(BCRYPT, PASSWORD), hasher.verify("sha256$" + SHA256, PASSWORD))
    assert [answer.is_valid for answer in answers] == [True, True]
    hasher.close()
