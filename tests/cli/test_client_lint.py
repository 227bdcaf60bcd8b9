"""`ostiary client lint`: RFC 9700, OAuth 2.1, FAPI 2.0."""

import json
import shlex
from typing import Any

import pytest
from sqlalchemy import Connection, update

from clients.client import Client, ClientSecret
from clients.metadata import validate
from clients.profiles import apply
from server.cli.client_findings import DAY, RULES, Facts, Finding, Severity, findings_of
from server.cli.running import transact
from server.cli.setting_findings import findings_of_settings
from server.settings import Settings
from server.storage import schema
from tests.cli.conftest import CommandLine
from tests.clients.registered import JWKS, REDIRECT_URI
from tests.conftest import SettingsFor
from tests.keys.material import NOW

SETTINGS = Settings.model_validate({"signing_algorithms": ("RS256", "PS256")})
WEB = {"redirect_uris": [REDIRECT_URI], "grant_types": ["authorization_code", "refresh_token"], "scope": "openid"}
SPA = apply("spa", {"redirect_uris": [REDIRECT_URI]})
SERVICE = apply("service", {"scope": "orders:read"})
IMPLICIT = {"response_types": ["code", "id_token token"], "grant_types": ["authorization_code", "implicit"]}
SHORT_KEY = {"kty": "RSA", "kid": "short", "n": "AN" + "A" * 169, "e": "AQAB"}

WEAK: tuple[tuple[str, dict[str, Any], Severity, str], ...] = (
    ("access tokens are sent through the browser", {**WEB, **IMPLICIT}, Severity.ERROR, "RFC 9700 section 2.1.2"),
    (
        "ID tokens are sent through the browser",
        {**WEB, **IMPLICIT, "response_types": ["code", "code id_token"]},
        Severity.WARNING,
        "OAuth 2.1 section 10.1",
    ),
    ("excused from PKCE", {**WEB, "require_pkce": False}, Severity.ERROR, "RFC 9700 section 2.1.1"),
    (
        "is not encrypted",
        {**WEB, "redirect_uris": ["http://client.example/cb", REDIRECT_URI]},
        Severity.ERROR,
        "RFC 9700 section 2.6",
    ),
    (
        "left over from development",
        {**WEB, "redirect_uris": ["http://127.0.0.1/cb", REDIRECT_URI]},
        Severity.WARNING,
        "RFC 9700 section 2.6",
    ),
    ("names localhost", {**SPA, "redirect_uris": ["http://localhost/cb"]}, Severity.NOTE, "RFC 8252 section 8.3"),
    (
        "sends people on",
        {**WEB, "redirect_uris": [f"{REDIRECT_URI}?next=/home"]},
        Severity.WARNING,
        "RFC 9700 section 4.11.1",
    ),
    (
        "wanted a pattern",
        {**WEB, "redirect_uris": [f"{REDIRECT_URI}/*"]},
        Severity.WARNING,
        "RFC 9700 section 4.1.3",
    ),
    (
        "may go to 4 hosts",
        {**WEB, "redirect_uris": [f"https://{name}.example/cb" for name in "abcd"]},
        Severity.WARNING,
        "RFC 9700 section 4.1.3",
    ),
    (
        "travels in the form",
        {**WEB, "token_endpoint_auth_method": "client_secret_post"},
        Severity.WARNING,
        "RFC 6749 section 2.3.1",
    ),
    (
        "refresh tokens live 60 days",
        {**SPA, "refresh_token_seconds": 60 * DAY},
        Severity.WARNING,
        "RFC 9700 section 2.2.2",
    ),
    ("access tokens live 3600", {**WEB, "access_token_seconds": 3600}, Severity.WARNING, "RFC 9700 section 2.2.1"),
    (
        "may ask for 20 scopes",
        {**SERVICE, "scope": " ".join(f"things:{number}" for number in range(20))},
        Severity.WARNING,
        "RFC 9700 section 2.3",
    ),
    (
        "scopes about people",
        {**SERVICE, "scope": "orders:read email"},
        Severity.WARNING,
        "RFC 9700 section 2.3",
    ),
    ("may read every access token", {**WEB, "may_introspect": True}, Severity.WARNING, "RFC 7662 section 4"),
    (
        "may speak for anybody",
        {**SERVICE, "jwt_bearer_subjects": ["*"]},
        Severity.WARNING,
        "RFC 7521 section 8.1",
    ),
    (
        "anybody can pretend to be",
        {**apply("native", {"redirect_uris": ["com.example.app:/cb"]}), "skip_consent": True},
        Severity.ERROR,
        "RFC 8252 section 8.6",
    ),
    (
        "anybody can pretend to be",
        {**WEB, "unverified": True, "skip_consent": True},
        Severity.ERROR,
        "RFC 8252 section 8.6",
    ),
    ("skipped for a public client", {**SPA, "skip_consent": True}, Severity.NOTE, "RFC 6749 section 10.2"),
    ("an RSA key has 1", {**WEB, "jwks": {"keys": [SHORT_KEY]}}, Severity.ERROR, "RFC 7518 section 3.3"),
    (
        "require_pkce cannot be false",
        {**apply("fapi2", {"redirect_uris": [REDIRECT_URI], "jwks": JWKS}), "require_pkce": False},
        Severity.ERROR,
        "FAPI 2.0 Security Profile",
    ),
)


def client_of(metadata: dict[str, Any], *secrets: ClientSecret, **values: Any) -> Client:
    full = {"token_endpoint_auth_method": "client_secret_basic", "response_types": ["code"], **metadata}
    return Client("web", full, secrets, **{"disabled": False, "created_at": NOW, **values})


def found(client: Client, *, settings: Settings = SETTINGS, is_used: bool = True) -> list[Finding]:
    return findings_of(client, Facts(settings, NOW, is_used))


@pytest.mark.parametrize(("problem", "metadata", "severity", "section"), WEAK, ids=[row[0] for row in WEAK])
def test_each_weakness_is_found_with_its_section_and_a_mend(
    problem: str, metadata: dict[str, Any], severity: Severity, section: str
) -> None:
    """RFC 9700 and those beside it."""
    (finding,) = [one for one in found(client_of(metadata)) if problem in one.problem]
    assert (finding.severity, finding.section, finding.client_id) == (severity, section, "web")
    assert finding.mend


@pytest.mark.parametrize(
    "metadata",
    [
        WEB,
        SPA,
        SERVICE,
        apply("web", {"redirect_uris": [REDIRECT_URI]}),
        apply("native", {"redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb"]}),
        apply("mcp", {"redirect_uris": ["http://127.0.0.1/cb"]}),
        apply("fapi2", {"redirect_uris": [REDIRECT_URI], "jwks": JWKS}),
    ],
    ids=["plain", "spa", "service", "web", "native", "mcp", "fapi2"],
)
def test_nothing_is_found_about_a_client_as_its_profile_makes_it(metadata: dict[str, Any]) -> None:
    assert found(client_of(validate(metadata))) == []


def test_old_secrets_are_found() -> None:
    """RFC 9700 section 2.5."""
    old, new = ClientSecret("a", "x", NOW - 400 * DAY), ClientSecret("b", "y", NOW)
    (finding,) = found(client_of(WEB, old))
    assert "400 days old" in finding.problem
    assert finding.mend == "ostiary client rotate-secret web --overlap 86400"
    (finding,) = found(client_of(WEB, old, new))
    assert "beside the newest" in finding.problem
    expiring = ClientSecret("a", "x", NOW - 400 * DAY, expires_at=NOW + DAY)
    over = ClientSecret("c", "z", NOW - 400 * DAY, expires_at=NOW - 1)
    assert found(client_of(WEB, expiring, over, new)) == []


def test_a_client_that_nobody_uses_is_found() -> None:
    old = {"created_at": NOW - 91 * DAY}
    (finding,) = found(client_of(WEB, **old), is_used=False)
    assert (finding.severity, finding.mend) == (Severity.NOTE, "ostiary client disable web")
    assert found(client_of(WEB, **old), is_used=True) == []
    assert found(client_of(SERVICE, **old), is_used=False) == []


def test_a_profile_that_the_server_cannot_satisfy_is_found() -> None:
    """FAPI 2.0 Security Profile section 5.4.1."""
    client = client_of(apply("fapi2", {"redirect_uris": [REDIRECT_URI], "jwks": JWKS}))
    (finding,) = found(client, settings=Settings.model_validate({}))
    assert finding.severity is Severity.ERROR
    assert finding.mend == "set OSTIARY_SIGNING_ALGORITHMS to 'RS256 PS256'"


def test_a_disabled_client_is_left_alone() -> None:
    assert found(client_of({**WEB, "require_pkce": False}, disabled=True)) == []


def test_every_rule_says_what_it_is_about() -> None:
    assert all(rule.__doc__ for rule in RULES)


def test_settings_that_weaken_everything_are_found() -> None:
    """RFC 9700 section 2."""
    assert list(findings_of_settings(Settings.model_validate({}))) == []
    weak = Settings.model_validate(
        {
            "issuer": "https://login.example.com",
            "pkce": "public",
            "response_types": ("code", "id_token token"),
            "authorization_code_seconds": 600,
            "access_token_seconds": 3600,
            "refresh_reuse_seconds": 300,
            "client_registration": "open",
            "client_id_metadata_documents": True,
            "fetch_private_addresses": True,
        }
    )
    findings = list(findings_of_settings(weak))
    assert len(findings) == 8
    assert all("OSTIARY_" in finding.mend for finding in findings)
    assert [one.severity for one in findings].count(Severity.ERROR) == 1
    redirecting = {one.mend.split("=")[0] for one in findings if "redirect to addresses of their own" in one.problem}
    assert redirecting == {"set OSTIARY_CLIENT_REGISTRATION", "set OSTIARY_CLIENT_ID_METADATA_DOCUMENTS"}
    (finding,) = findings_of_settings(Settings.model_validate({"rate_limits": False}))
    assert finding.severity is Severity.ERROR


def test_a_clean_server_ends_with_0(ostiary: CommandLine) -> None:
    created = ostiary.json("client", "create", "--profile", "web", "--redirect-uri", REDIRECT_URI)
    for arguments in ((), (created["client_id"],)):
        result = ostiary.run("client", "lint", *arguments)
        assert (result.exit_code, result.stdout) == (0, "nothing found\n")
    assert ostiary.json("client", "lint") == []


def test_an_error_ends_with_1_and_its_mend_mends_it(ostiary: CommandLine) -> None:
    """Each mend is a command that can be run as it stands."""
    metadata = json.dumps({"redirect_uris": [REDIRECT_URI], "require_pkce": False})
    ostiary.json("client", "create", "--client-id", "old", "--metadata", "-", stdin=metadata)
    result = ostiary.run("client", "lint")
    assert result.exit_code == 1
    assert "error    old: it is excused from PKCE" in result.stdout
    assert "(RFC 9700 section 2.1.1)" in result.stdout
    (finding,) = json.loads(ostiary.run("client", "lint", "old", "--json").stdout)
    assert finding.keys() == {"client_id", "severity", "section", "problem", "mend"}
    _echo, data, _pipe, _name, *arguments = shlex.split(finding["mend"])
    ostiary.json(*arguments, stdin=data)
    assert ostiary.run("client", "lint", "old").exit_code == 0


def test_a_warning_alone_does_not_fail(ostiary: CommandLine) -> None:
    result = ostiary.run("client", "lint", OSTIARY_PKCE="public")
    assert result.exit_code == 0
    assert "warning  settings: confidential clients need no PKCE" in result.stdout
    assert "set OSTIARY_PKCE=always" in result.stdout


def test_use_is_read_from_the_audit_log(ostiary: CommandLine, settings_for: SettingsFor) -> None:
    ostiary.json("client", "create", "--client-id", "idle", "--profile", "web", "--redirect-uri", REDIRECT_URI)

    def make_old(db: Connection) -> None:
        db.execute(update(schema.clients).values(created_at=1_000_000_000))
        db.execute(update(schema.client_secrets).values(created_at=1_000_000_000))

    transact(make_old, settings_for())
    problems = [finding["problem"] for finding in ostiary.json("client", "lint", "idle")]
    assert problems[1:] == ["nobody has authorized it for 90 days"]
    assert "days old" in problems[0]


def test_a_client_that_is_not_there_is_refused(ostiary: CommandLine) -> None:
    assert "there is no client nobody" in ostiary.refusal("client", "lint", "nobody")


def test_metadata_may_name_its_profile(ostiary: CommandLine) -> None:
    metadata = json.dumps({"profile": "mcp", "redirect_uris": ["http://127.0.0.1/cb"]})
    created = ostiary.json("client", "create", "--metadata", "-", stdin=metadata)
    assert created["security_profile"] == "mcp"
    assert "profile" not in created
    for wrong in ("nothing", 5):
        metadata = json.dumps({"profile": wrong, "redirect_uris": ["http://127.0.0.1/cb"]})
        assert "profile" in ostiary.refusal("client", "create", "--metadata", "-", stdin=metadata)


def test_a_profile_that_needs_stronger_keys_says_so(ostiary: CommandLine) -> None:
    """FAPI 2.0 Security Profile section 5.4.1."""
    metadata = json.dumps({"redirect_uris": [REDIRECT_URI], "jwks": JWKS})
    create = ("client", "create", "--profile", "fapi2", "--metadata", "-")
    assert "OSTIARY_SIGNING_ALGORITHMS" in ostiary.refusal(*create, stdin=metadata)
    result = ostiary.run(*create, "--json", stdin=metadata, OSTIARY_SIGNING_ALGORITHMS="RS256 PS256")
    assert json.loads(result.stdout)["security_profile"] == "fapi2"
