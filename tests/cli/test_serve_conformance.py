"""`ostiary serve --profile conformance`: the server, its clients and their configurations, as the suite finds them."""

import json
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.metadata import validate
from server.accounts.claims import STANDARD_CLAIMS
from server.cli.conformance import EMAIL, WARNING
from server.cli.conformance_plans import CLAIMS, SETTINGS, SUITE, clients_of, configuration
from server.settings import load
from tests.cli.conftest import CommandLine
from tests.conftest import Serve

SUITE_URL = "https://suite.example/test/a/mine"
PLANS = clients_of(SUITE_URL)


def read(folder: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return document


@pytest.mark.slow
def test_the_suite_finds_what_it_needs(serve: Serve, tmp_path: Path) -> None:
    server = serve(options=("--profile", "conformance", "--suite", SUITE_URL))
    assert WARNING in server.log
    folder = tmp_path / "data" / "conformance"
    assert {path.stem for path in folder.iterdir()} == {*PLANS, "person"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    assert str(folder / "openid.json") in server.log
    with server.http() as http:
        found = http.get("/.well-known/openid-configuration").json()
        assert found["response_types_supported"] == [name.strip() for name in SETTINGS["RESPONSE_TYPES"].split(",")]
        assert {"registration_endpoint", "check_session_iframe", "end_session_endpoint"} <= found.keys()
        assert found["id_token_signing_alg_values_supported"] == SETTINGS["SIGNING_ALGORITHMS"].split()
        client = read(folder, "openid")["client"]
        form = {"grant_type": "refresh_token", "refresh_token": "x"}
        answer = http.post("/token", data=form, auth=httpx.BasicAuth(client["client_id"], client["client_secret"]))
        assert answer.json()["error"] == "invalid_grant"  # so the client itself is known
    person = read(folder, "person")
    assert person["email"] == EMAIL
    shown = server.cli("user", "show", EMAIL)
    assert shown["email_verified"] is True
    server.stop()
    before = (folder / "openid.json").read_text("utf-8")
    again = serve(options=("--profile", "conformance"), port=server.port)
    assert (folder / "openid.json").read_text("utf-8") == before
    assert WARNING in again.log


def test_another_profile_or_a_wrong_suite_is_refused(ostiary: CommandLine) -> None:
    assert "conformance" in ostiary.refusal("serve", "--profile", "production")


def test_the_settings_are_valid_together() -> None:
    settings = load({f"OSTIARY_{name}": value for name, value in SETTINGS.items()}).settings
    assert len(settings.response_types) == 6


def test_the_person_has_all_twenty_standard_claims() -> None:
    """OpenID Connect Core section 5.1; oidcc-scope-all."""
    assert {*CLAIMS, "sub", "email", "email_verified", "updated_at"} == set(STANDARD_CLAIMS)
    assert len(STANDARD_CLAIMS) == 20


@pytest.mark.parametrize("name", PLANS)
def test_each_configuration_is_what_the_suite_reads(name: str) -> None:
    issuer = "https://login.example.com/"
    document = json.loads(configuration(name, PLANS[name], {"conformance-1": "s"}, issuer=issuer, suite=SUITE_URL))
    assert document["alias"] == "mine"
    assert document["server"] == {"discoveryUrl": "https://login.example.com/.well-known/openid-configuration"}
    for member, client in PLANS[name]:
        assert document[member]["client_id"] == client.client_id
        assert validate(dict(client.metadata))["redirect_uris"][0] == f"{SUITE_URL}/callback"


def test_fapi_clients_keep_their_private_keys_to_the_suite() -> None:
    """RFC 7517 section 9.2."""
    for name in ("fapi2", "fapi2-message-signing"):
        for _, client in PLANS[name]:
            assert client.private_jwks is not None
            (private,) = client.private_jwks["keys"]
            (public,) = client.metadata["jwks"]["keys"]
            assert private == {**public, "d": private["d"]}
            assert "d" not in public
            assert client.metadata["security_profile"] == "fapi2"


def test_the_suite_runs_on_this_machine_unless_told_otherwise() -> None:
    assert SUITE.endswith("/test/a/ostiary")
