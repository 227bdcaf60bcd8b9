"""`ostiary resource` and `ostiary detail`."""

import json
from pathlib import Path

from tests.cli.conftest import CommandLine

URI = "https://orders.example/"


def _service(ostiary: CommandLine) -> str:
    return str(ostiary.json("client", "create", "--profile", "service", "--name", "Orders")["client_id"])


def test_a_resource_from_creation_to_deletion(ostiary: CommandLine) -> None:
    client = _service(ostiary)
    options = ("--name", "Orders", "--scope", "orders:read  orders:write orders:read")
    policies = ("--served-by", client, "--allow-exchange-from", client)
    made = ostiary.json("resource", "create", URI, *options, *policies)
    assert made == {
        "uri": URI,
        "name": "Orders",
        "scope": "orders:read orders:write",
        "served_by": [client],
        "allow_exchange_from": [client],
    }
    assert ostiary.json("resource", "list") == [made]
    assert "orders:write" in {scope["name"] for scope in ostiary.json("scope", "list")}
    changed = ostiary.json("resource", "create", URI, "--name", "New name")
    assert ostiary.json("resource", "list") == [changed]
    assert changed["allow_exchange_from"] == []
    assert ostiary.json("resource", "delete", URI) == {"uri": URI, "status": "deleted"}
    assert ostiary.json("resource", "list") == []
    assert URI in ostiary.refusal("resource", "delete", URI)
    events = [row["event"] for row in ostiary.json("audit", "list")]
    assert {"resource.created", "resource.deleted"} <= set(events)


def test_a_resource_that_nobody_could_name_is_refused(ostiary: CommandLine) -> None:
    wrong = ("orders", "/orders", f"{URI}#part", "https://a b/", "https://login.example.com", "urn:x:" + "y" * 500)
    for uri in (
        *wrong,
        "localhost:8003",
        "urn:orders",
        "urn:",
        "https:",
        "https:///x",
        "https://u@a.example/",
        "api:x",
    ):
        line = ostiary.refusal("resource", "create", uri)
        assert "absolute URI: an http or https URL such as https://" in line
        assert "a urn: such as urn:example:orders" in line
    assert "a scope is" in ostiary.refusal("resource", "create", URI, "--scope", 'a"b')
    assert "no client nobody" in ostiary.refusal("resource", "create", URI, "--allow-exchange-from", "nobody")
    assert ostiary.json("resource", "list") == []


def test_a_resource_is_a_web_address_or_a_urn(ostiary: CommandLine) -> None:
    for uri in ("http://localhost:8003", "http://localhost:8003/mcp", "https://a.example", "urn:example:orders"):
        assert ostiary.json("resource", "create", uri)["uri"] == uri


def test_a_type_of_authorization_details_from_creation_to_deletion(ostiary: CommandLine, tmp_path: Path) -> None:
    schema = {"required": ["amount"], "properties": {"amount": {"type": "string", "title": "Amount"}}}
    file = tmp_path / "payment.json"
    file.write_text(json.dumps(schema), "utf-8")
    made = ostiary.json("detail", "create", "payment", "--schema", str(file), "--description", "Make a payment")
    assert made == {"type": "payment", "description": "Make a payment", "schema": schema}
    assert ostiary.json("detail", "list") == [made]
    assert ostiary.json("detail", "delete", "payment")["status"] == "deleted"
    assert "payment" in ostiary.refusal("detail", "delete", "payment")


def test_a_schema_that_nobody_could_check_is_refused(ostiary: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    for text in ("", "[]", '{"minimum": NaN}', "{" * 5000):
        file.write_text(text, "utf-8")
        assert "cannot be read as JSON" in ostiary.refusal("detail", "create", "payment", "--schema", str(file))
    file.write_text('{"properties": {"a": {"pattern": "(a+)+"}}}', "utf-8")
    assert "schema.a: pattern is not supported" in ostiary.refusal("detail", "create", "payment", "--schema", str(file))
    assert "cannot be read" in ostiary.refusal("detail", "create", "payment", "--schema", str(tmp_path / "none"))
    file.write_text("{}", "utf-8")
    assert "a type is" in ostiary.refusal("detail", "create", "a b", "--schema", str(file))
