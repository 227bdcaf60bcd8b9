"""What `ostiary client lint` says about the settings: those that weaken every client at once."""

from collections.abc import Iterator

from clients.response_types import words_of
from server.cli.client_findings import LONG_ACCESS, Finding, Severity
from server.settings import ClientRegistration, Pkce, Settings

MAX_CODE_SECONDS = 60
MAX_REUSE_SECONDS = 60


def findings_of_settings(settings: Settings) -> Iterator[Finding]:
    """Yield what is weak about the settings, each with the variable to change."""
    if settings.pkce is Pkce.PUBLIC:
        yield _finding("RFC 9700 section 2.1.1", "confidential clients need no PKCE", "set OSTIARY_PKCE=always")
    if any("token" in words_of(name) for name in settings.response_types):
        problem = "access tokens may be sent through the browser"
        yield _finding("RFC 9700 section 2.1.2", problem, "set OSTIARY_RESPONSE_TYPES=code")
    if settings.authorization_code_seconds > MAX_CODE_SECONDS:
        problem = f"authorization codes live {settings.authorization_code_seconds} seconds"
        yield _finding("RFC 6749 section 4.1.2", problem, "set OSTIARY_AUTHORIZATION_CODE_SECONDS=60")
    if settings.access_token_seconds > LONG_ACCESS:
        problem = f"access tokens live {settings.access_token_seconds} seconds"
        yield _finding("RFC 9700 section 2.2.1", problem, f"set OSTIARY_ACCESS_TOKEN_SECONDS={LONG_ACCESS}")
    if settings.refresh_reuse_seconds > MAX_REUSE_SECONDS:
        problem = f"a stolen refresh token works {settings.refresh_reuse_seconds} seconds after its rotation"
        yield _finding("RFC 9700 section 4.14.2", problem, "set OSTIARY_REFRESH_REUSE_SECONDS=10")
    if settings.client_registration is ClientRegistration.OPEN:
        problem = "anybody may register clients, and have this server redirect to addresses of their own"
        yield _finding("RFC 7591 section 5, RFC 9700 section 4.11.2", problem, "set OSTIARY_CLIENT_REGISTRATION=token")
    if settings.client_id_metadata_documents:
        problem = "anybody may be a client by a document, and have this server redirect to addresses of their own"
        yield _finding("RFC 9700 section 4.11.2", problem, "set OSTIARY_CLIENT_ID_METADATA_DOCUMENTS=off")
    if settings.fetch_private_addresses and settings.is_https:
        problem = "clients can make this server fetch from private addresses"
        mend = "set OSTIARY_FETCH_PRIVATE_ADDRESSES=off"
        yield _finding("RFC 9700 section 4.11.2, RFC 7591 section 5", problem, mend, Severity.ERROR)
    if not settings.rate_limits:
        problem = "guesses are not slowed down"
        yield _finding("RFC 6749 section 10.10", problem, "set OSTIARY_RATE_LIMITS=on", Severity.ERROR)


def _finding(section: str, problem: str, mend: str, severity: Severity = Severity.WARNING) -> Finding:
    return Finding("", severity, section, problem, mend)
