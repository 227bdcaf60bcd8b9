"""What commands print without `--json`: times that people read, and JSON where a value has parts."""

import json
import re

import pytest

from tests.cli.conftest import CommandLine

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
JWKS = {"keys": [{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}]}
JWKS["keys"][0]["y"] = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"


def lines(ostiary: CommandLine, *words: str, stdin: str | None = None) -> dict[str, str]:
    """Run a command and return what it says by name."""
    result = ostiary.run(*words, stdin=stdin)
    assert result.exit_code == 0, result.output
    pairs = (line.partition(" ") for line in result.stdout.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def test_a_client_is_shown_with_times_and_json(ostiary: CommandLine) -> None:
    metadata = {"redirect_uris": ["https://a.example/cb"], "jwks": JWKS, "default_max_age": 86_400}
    made = lines(ostiary, "client", "create", "--client-id", "shop", "--metadata", "-", stdin=json.dumps(metadata))
    assert re.fullmatch(TIME, made["client_id_issued_at"])
    assert made["client_secret_expires_at"] == "never"
    assert json.loads(made["jwks"]) == JWKS
    assert made["redirect_uris"] == "https://a.example/cb"
    assert made["default_max_age"] == "86400"
    rotated = lines(ostiary, "client", "rotate-secret", "shop", "--overlap", "60")
    assert re.fullmatch(TIME, rotated["old_secret_valid_until"])
    shown = lines(ostiary, "client", "show", "shop")
    old, new = sorted(json.loads(shown["secrets"]), key=lambda secret: secret["expires_at"] is None)
    assert re.fullmatch(TIME, old["expires_at"])
    assert new["expires_at"] is None
    assert "'" not in "".join(shown.values())


def test_programs_get_numbers(ostiary: CommandLine) -> None:
    metadata = json.dumps({"redirect_uris": ["https://a.example/cb"]})
    made = ostiary.json("client", "create", "--metadata", "-", stdin=metadata)
    assert isinstance(made["client_id_issued_at"], int)
    assert made["client_secret_expires_at"] == 0
    assert isinstance(ostiary.json("client", "show", made["client_id"])["secrets"][0]["created_at"], int)


def test_a_person_is_shown_with_json(ostiary: CommandLine) -> None:
    claims = {"address": {"country": "Norway"}}
    ostiary.json("user", "create", "bo@example.com", "--name", "Bo", "--claims", "-", stdin=json.dumps(claims))
    assert json.loads(lines(ostiary, "user", "show", "bo@example.com")["claims"]) == {**claims, "name": "Bo"}


def test_other_commands_show_times(ostiary: CommandLine) -> None:
    ostiary.environment["OSTIARY_CLIENT_REGISTRATION"] = "token"
    token = lines(ostiary, "client", "registration-token", "create")
    assert re.fullmatch(TIME, token["expires_at"])
    ostiary.json("key", "rotate")
    assert re.search(f" {TIME} ", ostiary.run("key", "list").stdout)
