"""What clients and resources name that nobody defined: told when it is written down, and found again later."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from server.cli.running import transact
from server.storage import scopes
from tests.cli.conftest import CommandLine
from tests.clients.registered import JWKS
from tests.conftest import SettingsFor

SERVICE = {"grant_types": ["client_credentials"], "response_types": []}
LATER = {**SERVICE, "resources": ["https://orders.example"], "authorization_details_types": ["payment"]}
NO_TYPE = (
    "warning: there is no type of authorization_details payment yet, and requests with it are refused until there is: "
    "ostiary detail create payment --schema FILE"
)
NO_RESOURCE = (
    "warning: there is no resource https://orders.example yet, and requests for it are refused until there is: "
    "ostiary resource create https://orders.example"
)


def create(ostiary: CommandLine, *words: str, **members: Any) -> list[str]:
    """Register a client and return what is said beside the JSON, which stays JSON alone."""
    result = ostiary.run("client", "create", "--metadata", "-", "--json", *words, stdin=json.dumps(members))
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["client_id"]
    return str(result.stderr).splitlines()


def test_a_client_may_come_before_what_it_names(ostiary: CommandLine) -> None:
    assert create(ostiary, "--client-id", "job", **LATER) == [NO_TYPE, NO_RESOURCE]
    update = ("client", "update", "job", "--metadata", "-", "--json")
    result = ostiary.run(*update, stdin='{"client_name": "Job"}')
    assert (json.loads(result.stdout)["client_name"], result.stderr.splitlines()) == ("Job", [NO_TYPE, NO_RESOURCE])


def test_nothing_is_said_about_what_is_there(ostiary: CommandLine, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text("{}", "utf-8")
    ostiary.json("detail", "create", "payment", "--schema", str(schema))
    ostiary.json("resource", "create", "https://orders.example")
    ostiary.json("scope", "create", "orders:read", "--description", "Read your orders")
    assert create(ostiary, **LATER, scope="openid orders:read") == []
    assert create(ostiary, **SERVICE, resources=[ostiary.environment["OSTIARY_ISSUER"]]) == []


def test_a_scope_is_defined_with_its_first_use_which_is_said(ostiary: CommandLine) -> None:
    (line,) = create(ostiary, **SERVICE, scope="orders:read")
    assert line.startswith("warning: the scope orders:read is new here, and it has no words for the consent page: ")
    assert line.endswith("ostiary scope create orders:read --description 'What it allows'")
    assert create(ostiary, **SERVICE, scope="orders:read") == []
    result = ostiary.run("resource", "create", "https://a.example", "--scope", "orders:read orders:wirte", "--json")
    assert json.loads(result.stdout)["scope"] == "orders:read orders:wirte"
    assert "the scope orders:wirte is new here" in result.stderr
    assert "orders:read is new" not in result.stderr


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_environment_file_holds_no_warnings(ostiary: CommandLine) -> None:
    result = ostiary.run("client", "create", "--profile", "service", "--scope", "orders:read", "--env")
    assert [line.partition("=")[0] for line in result.stdout.splitlines()] == ["CLIENT_ID", "CLIENT_SECRET"]
    assert result.stderr.startswith("warning: the scope orders:read is new here")


def test_each_name_of_nothing_is_found_again(ostiary: CommandLine, settings_for: SettingsFor) -> None:
    create(ostiary, "--client-id", "job", **LATER, scope="orders:read")
    ostiary.json("resource", "create", "https://a.example", "--scope", "things:read")

    def forget(db: Connection) -> None:
        for name in ("orders:read", "things:read"):
            assert scopes.remove_scope(db, name)

    transact(forget, settings_for())
    found = ostiary.json("client", "lint")
    assert {(one["client_id"], one["severity"], one["section"], one["mend"]) for one in found} == {
        ("job", "warning", "RFC 6749 section 3.3", "ostiary scope create orders:read --description 'What it allows'"),
        ("job", "warning", "RFC 9396 section 10", "ostiary detail create payment --schema FILE"),
        ("job", "warning", "RFC 8707 section 2", "ostiary resource create https://orders.example"),
        (None, "warning", "RFC 6749 section 3.3", "ostiary scope create things:read --description 'What it allows'"),
    }
    assert any("the resource https://a.example names the scope things:read" in one["problem"] for one in found)
    assert len(ostiary.json("client", "lint", "job")) == 3
    assert ostiary.run("client", "lint").exit_code == 0


def test_assertions_about_nobody_and_of_nobody_are_told_and_found(ostiary: CommandLine) -> None:
    """RFC 7523 section 2.1."""
    ada = ostiary.json("user", "create", "ada@example.com", "--role", "held")["id"]
    ostiary.json("role", "create", "editor")
    create(ostiary, "--client-id", "peer", **SERVICE)
    speaker = {**SERVICE, "jwks": JWKS}
    fine = ["*", f"user:{ada}", "role:admin", "role:user", "role:editor", "role:held"]
    assert create(ostiary, **speaker, jwt_bearer_subjects=fine, jwt_bearer_issuers=["peer"]) == []
    wrong = ["user:nobody", "user:ada@example.com", "role:nothing"]
    said = create(
        ostiary, "--client-id", "job", **speaker, jwt_bearer_subjects=wrong, jwt_bearer_issuers=["none", "job"]
    )
    mends = [
        "ostiary user list",
        "ostiary user show ada@example.com",
        "ostiary role create nothing",
        "ostiary client create --client-id none --metadata FILE",
    ]
    assert [line.rpartition(": ")[2] for line in said] == mends
    found = [one for one in ostiary.json("client", "lint") if one["section"] == "RFC 7523 section 2.1"]
    assert [one["mend"] for one in found] == mends
    assert "it names the role nothing, which is not defined" in found[2]["problem"]
