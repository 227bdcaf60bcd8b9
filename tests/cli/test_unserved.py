"""Clients that ask for what the settings have switched off: told when they are registered, and found again later."""

import json
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tests.clients.registered import REDIRECT_URI

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

SERVICE = {"grant_types": ["client_credentials"], "response_types": []}
PKI = {**SERVICE, "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "job.example"}
BOUND = {**SERVICE, "tls_client_certificate_bound_access_tokens": True}
HYBRID = {
    "redirect_uris": [REDIRECT_URI],
    "grant_types": ["authorization_code", "implicit"],
    "response_types": ["code", "code id_token"],
    "scope": "openid",
}
PROXY = {"OSTIARY_TRUSTED_PROXIES": "10.0.0.5", "OSTIARY_CLIENT_CERTIFICATE_HEADER": "client-cert"}
CHAIN = {**PROXY, "OSTIARY_CLIENT_CERTIFICATE_VERIFIED_HEADER": "client-verify"}
ROWS: list[tuple[dict[str, Any], dict[str, str], str, dict[str, str]]] = [
    (PKI, PROXY, "not configured for tls_client_auth", CHAIN),
    (BOUND, {}, "the client's tokens are bound to none", PROXY),
    (HYBRID, {}, "switched off here: code id_token", {"OSTIARY_RESPONSE_TYPES": "code, code id_token"}),
]


@pytest.mark.parametrize(("metadata", "environment", "problem", "mended"), ROWS, ids=["method", "binding", "types"])
def test_what_is_switched_off_is_told_and_found_until_it_is_mended(
    ostiary: CommandLine, metadata: dict[str, Any], environment: dict[str, str], problem: str, mended: dict[str, str]
) -> None:
    create = ("client", "create", "--client-id", "web", "--metadata", "-", "--json")
    made = ostiary.run(*create, stdin=json.dumps(metadata), **environment)
    assert json.loads(made.stdout)["client_id"] == "web"
    (line,) = made.stderr.splitlines()
    assert line.startswith("warning: ")
    assert problem in line
    assert all(name in line for name in mended.keys() - environment.keys() - {"OSTIARY_TRUSTED_PROXIES"})

    def found(**settings: str) -> list[dict[str, Any]]:
        listed = json.loads(ostiary.run("client", "lint", "web", "--json", **settings).stdout)
        return [finding for finding in listed if problem in finding["problem"]]

    (finding,) = found(**environment)
    assert (finding["severity"], finding["client_id"]) == ("error", "web")
    assert finding["mend"] in line
    assert found(**mended) == []
    update = ("client", "update", "web", "--metadata", "-", "--json")
    assert problem in ostiary.run(*update, stdin='{"client_name": "Job"}', **environment).stderr
    assert ostiary.run(*update, stdin='{"client_name": "Web"}', **mended).stderr == ""
