"""What settings must be beyond their types, alone and together; each refusal names the setting and the mend."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from clients.response_types import RESPONSE_TYPES
from server.languages.language import CATALOGUES, UnknownLanguageError, find_catalogue
from server.mail_settings import parse_sender, parse_smtp_url

if TYPE_CHECKING:
    from server.settings import Settings

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
ENCRYPTION_ALGORITHMS = ("RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
AS_THE_SERVER = "run commands as the user that the server runs as, and let that user read and write what it keeps"
"""The mend where the operating system refuses."""
# RFC 3986 section 2: what stands in a URL as it is, and percent signs with two digits behind them
_URL = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+", re.ASCII)
ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,63}", re.ASCII)
"""What a role may be called."""


class SettingsError(Exception):
    """The configuration cannot be used; the text names the setting and the mend."""


def check_together(settings: "Settings") -> None:
    """Refuse settings that cannot be used, or contradict each other. Raises SettingsError."""
    _check_issuer(settings.issuer)
    _check_algorithms("OSTIARY_SIGNING_ALGORITHMS", settings.signing_algorithms, ALGORITHMS)
    if not settings.signing_algorithms:
        raise SettingsError("OSTIARY_SIGNING_ALGORITHMS must list an algorithm, such as RS256")
    _check_algorithms("OSTIARY_ENCRYPTION_ALGORITHMS", settings.encryption_algorithms, ENCRYPTION_ALGORITHMS)
    if not settings.response_types or not set(settings.response_types) <= set(RESPONSE_TYPES):
        raise SettingsError(f"OSTIARY_RESPONSE_TYPES may list only: {', '.join(RESPONSE_TYPES)}")
    _check_mutual_tls(settings)
    _check_own_tls(settings)
    _check_database(settings)
    _check_proxies(settings.trusted_proxies)
    if settings.refresh_token_absolute_seconds < settings.refresh_token_seconds:
        raise SettingsError(
            "OSTIARY_REFRESH_TOKEN_ABSOLUTE_SECONDS is below OSTIARY_REFRESH_TOKEN_SECONDS: raise it, or lower that"
        )
    if not settings.rate_limits and urlsplit(settings.issuer).hostname not in LOOPBACK_NAMES:
        raise SettingsError("OSTIARY_RATE_LIMITS=off is only for load tests on loopback: remove it")
    _check_languages(settings.languages, settings.data_dir)
    _check_brand(settings)
    _check_mail(settings)
    _check_data_dir(settings.data_dir)
    _check_people(settings)
    if not settings.host:
        raise SettingsError("OSTIARY_HOST is empty: set the address to listen on, such as 127.0.0.1")


def _check_algorithms(name: str, listed: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not set(listed) <= set(known) or len(set(listed)) != len(listed):
        raise SettingsError(f"{name} must list each of its algorithms once, out of {' '.join(known)}")


def _check_issuer(issuer: str) -> None:
    # Literally: `iss` is compared character for character (OpenID Connect Core section 3.1.3.7), and so are we.
    if not issuer.startswith(("http://", "https://")):
        raise SettingsError("OSTIARY_ISSUER must begin with https://, in small letters, as https://login.example.com")
    if not _URL.fullmatch(issuer):
        raise SettingsError(
            "OSTIARY_ISSUER has a space or another character that no URL may have: write it as %XX, or remove it"
        )
    try:
        parts = urlsplit(issuer)
        is_port_fine = parts.port != 0
    except ValueError:
        is_port_fine = False
    if not is_port_fine:
        raise SettingsError("OSTIARY_ISSUER has a host or a port that no URL may have: write https://host:port/path")
    if not parts.hostname or "@" in parts.netloc or "?" in issuer or "#" in issuer:
        # RFC 8414 section 2: https scheme, no query or fragment
        raise SettingsError("OSTIARY_ISSUER must be a URL such as https://login.example.com, without query or fragment")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_NAMES:
        raise SettingsError(
            "OSTIARY_ISSUER must start with https:// outside loopback: put TLS in front and use that URL"
        )


def _check_mutual_tls(settings: "Settings") -> None:
    if settings.client_certificate_header and not settings.trusted_proxies:
        raise SettingsError(
            "OSTIARY_CLIENT_CERTIFICATE_HEADER counts only from OSTIARY_TRUSTED_PROXIES: name the proxy that sets it"
        )
    if settings.client_certificate_verified_header and not settings.client_certificate_header:
        raise SettingsError("OSTIARY_CLIENT_CERTIFICATE_VERIFIED_HEADER needs OSTIARY_CLIENT_CERTIFICATE_HEADER")
    try:
        parts = urlsplit(settings.mtls_url)
    except ValueError:
        raise SettingsError("OSTIARY_MTLS_URL must be a URL such as https://mtls.login.example.com") from None
    if settings.mtls_url and (parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment):
        raise SettingsError("OSTIARY_MTLS_URL must be a URL such as https://mtls.login.example.com")
    if settings.mtls_url and not (settings.client_certificate_header or settings.tls_client_ca):
        raise SettingsError("OSTIARY_MTLS_URL needs OSTIARY_CLIENT_CERTIFICATE_HEADER or OSTIARY_TLS_CLIENT_CA")
    if (settings.tls_key or settings.tls_client_ca) and not settings.tls_certificate:
        raise SettingsError("OSTIARY_TLS_KEY and OSTIARY_TLS_CLIENT_CA need OSTIARY_TLS_CERTIFICATE")


def _check_own_tls(settings: "Settings") -> None:
    if settings.tls_certificate is not None and urlsplit(settings.issuer).scheme != "https":
        raise SettingsError(
            "OSTIARY_ISSUER starts with http://, but with OSTIARY_TLS_CERTIFICATE the server speaks only TLS: let it "
            "start with https://, or remove that setting"
        )


def _check_database(settings: "Settings") -> None:
    url = settings.database_url
    if url and not url.startswith(("sqlite:///", "postgresql://")):
        raise SettingsError(
            "OSTIARY_DATABASE_URL must start with sqlite:/// or postgresql:// (the server picks the driver)"
        )
    if url == "sqlite:///" or (settings.is_sqlite and settings.sqlite_path.is_dir()):
        raise SettingsError(
            "OSTIARY_DATABASE_URL must name a file behind sqlite:///, such as sqlite:////var/lib/ostiary/ostiary.db"
        )
    if settings.is_sqlite and settings.workers > 1:
        raise SettingsError(
            "OSTIARY_WORKERS is above 1, but one SQLite file serves one process: set OSTIARY_DATABASE_URL to PostgreSQL"
        )
    if not settings.is_sqlite and not settings.secret_key:
        raise SettingsError(
            "OSTIARY_SECRET_KEY is needed with PostgreSQL, because every node must have the same: make one with "
            "`ostiary settings --generate-secret-key`"
        )


def _check_proxies(proxies: tuple[str, ...]) -> None:
    for proxy in proxies:
        try:
            network = ip_network(proxy, strict=False)
            if network.prefixlen == 0:
                raise ValueError("everybody")  # noqa: TRY301  one outcome with the others
        except ValueError:
            # RFC 9700 section 4.13: a proxy that is trusted by wildcard is trusted from everywhere
            raise SettingsError(
                f"OSTIARY_TRUSTED_PROXIES lists {proxy!r}, which is no address or network of proxies"
            ) from None


def _check_languages(tags: tuple[str, ...], data_dir: Path) -> None:
    try:
        for tag in tags:
            find_catalogue(tag, (data_dir / "languages", CATALOGUES))
    except UnknownLanguageError as error:
        raise SettingsError(f"OSTIARY_LANGUAGES: {error}") from None
    if not tags:
        raise SettingsError("OSTIARY_LANGUAGES must list a language, such as en")


def _check_brand(settings: "Settings") -> None:
    logo = settings.brand_logo_url
    if logo and not (logo.startswith("https://") or (logo.startswith("/") and not logo.startswith("//"))):
        raise SettingsError("OSTIARY_BRAND_LOGO_URL must be a path on this server or start with https://")
    if settings.support_url and not settings.support_url.startswith(("https://", "mailto:")):
        raise SettingsError("OSTIARY_SUPPORT_URL must start with https:// or mailto:")


def _check_mail(settings: "Settings") -> None:
    name = "OSTIARY_SMTP_URL"
    try:
        if settings.smtp_url:
            parse_smtp_url(settings.smtp_url)
        name = "OSTIARY_MAIL_FROM"
        if settings.mail_from:
            parse_sender(settings.mail_from)
    except ValueError as error:
        raise SettingsError(f"{name} {error}") from None


def _check_data_dir(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise SettingsError(f"OSTIARY_DATA_DIR names {path}, which is no directory: name one, or remove the file")


def _check_people(settings: "Settings") -> None:
    if settings.password_min_length is not None and settings.password_min_length > settings.password_max_length:
        raise SettingsError(
            "OSTIARY_PASSWORD_MIN_LENGTH is above OSTIARY_PASSWORD_MAX_LENGTH, so that no password fits: lower it"
        )
    listed = (("OSTIARY_DEFAULT_ROLE", (settings.default_role,)), ("OSTIARY_MFA_ROLES", settings.mfa_roles))
    for name, roles in listed:
        if any(role and not ROLE.fullmatch(role) for role in roles):
            raise SettingsError(
                f"{name} has a name that no role can have: 1 to 64 of A-Z a-z 0-9 : . _ -, a letter or digit first"
            )
