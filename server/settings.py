"""Every setting, once: its name, default, meaning and bounds. Nothing else reads the environment.

A value comes from, in this order: the environment variable `OSTIARY_NAME`, the file that `OSTIARY_NAME_FILE` names,
`ostiary.toml` (or the file that `OSTIARY_CONFIG` names), the default.
"""

import os
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from clients.response_types import canonical_response_type
from server.setting_checks import ALGORITHMS, AS_THE_SERVER, SettingsError, check_together

__all__ = [
    "ALGORITHMS",
    "AS_THE_SERVER",
    "PREFIX",
    "ClientRegistration",
    "EmailVerification",
    "Loaded",
    "LogFormat",
    "Mfa",
    "Pkce",
    "Registration",
    "Settings",
    "SettingsError",
    "load",
]

PREFIX = "OSTIARY_"
CONFIG_FILE = "ostiary.toml"


class Mfa(StrEnum):
    """Who needs a second factor."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Pkce(StrEnum):
    """Which clients must use PKCE when their metadata does not say."""

    ALWAYS = "always"
    PUBLIC = "public"


class Registration(StrEnum):
    """Whether people may make their own account."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


class ClientRegistration(StrEnum):
    """Whether clients may register themselves."""

    OFF = "off"
    TOKEN = "token"
    OPEN = "open"


class EmailVerification(StrEnum):
    """Whether an e-mail address must be proven."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    CONSOLE = "console"


def _words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


def _response_types(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(canonical_response_type(" ".join(item.split())) for item in value.split(",") if item.strip())


ResponseTypes = Annotated[tuple[str, ...], BeforeValidator(_response_types)]
"""Divided by commas only: a response type is itself made of words."""


class Settings(BaseModel):
    """The validated configuration of one server."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_enum_values=False, ignored_types=(cached_property,))

    issuer: str = Field("http://localhost:8000", description="issuer URL, exactly as in `iss`; https outside loopback")
    data_dir: Path = Field(Path("./var"), description="embedded database and generated root key")
    database_url: str = Field("", repr=False, description="sqlite:///path or postgresql://user:password@host/db")
    database_pool_size: int = Field(8, ge=1, le=200, description="PostgreSQL connections kept by each worker")
    secret_key: str = Field(
        "", repr=False, description="root key: 32 bytes, base64url; a comma-separated list rotates it, first one seals"
    )

    host: str = Field("127.0.0.1", description="address that `ostiary serve` listens on")
    port: int = Field(8000, ge=0, le=65535, description="port that `ostiary serve` listens on")
    workers: int = Field(1, ge=1, le=256, description="server processes; more than one needs PostgreSQL")
    trusted_proxies: Words = Field((), description="addresses or networks whose forwarded headers count")
    client_certificate_header: str = Field(
        "",
        pattern=r"^[A-Za-z0-9-]*$",
        description="header in which a trusted proxy sends the client's certificate, as nginx or RFC 9440 writes it; "
        "unset: no mutual TLS",
    )
    client_certificate_verified_header: str = Field(
        "",
        pattern=r"^[A-Za-z0-9-]*$",
        description="header that is SUCCESS where that proxy has verified the chain; unset: no tls_client_auth",
    )
    tls_certificate: Path | None = Field(
        None, description="PEM file: the server's own certificate and its chain; unset: no TLS, a proxy speaks it"
    )
    tls_key: Path | None = Field(None, description="PEM file: its private key, where it is not in the same file")
    tls_client_ca: Path | None = Field(
        None, description="PEM file: who may have signed the certificates that clients show; unset: none is asked for"
    )
    mtls_url: str = Field("", description="where clients reach this server with a certificate, if not at the issuer")
    request_seconds: int = Field(15, ge=1, le=300, description="time a client has to send a whole request")
    max_connections: int = Field(2000, ge=1, description="connections a worker holds before it answers 503")

    fetch_private_addresses: bool = Field(
        False, description="outbound fetches may reach loopback and private addresses, and http there: development only"
    )
    place_database: Path | None = Field(
        None, description="MaxMind DB file of cities or countries: names the place of a sign-in beside its address"
    )
    ca_file: Path | None = Field(None, description="PEM bundle trusted for outbound TLS; unset: the system's")

    access_token_seconds: int = Field(600, ge=10, le=86_400, description="life of an access token")
    id_token_seconds: int = Field(600, ge=10, le=86_400, description="life of an ID token")
    authorization_code_seconds: int = Field(60, ge=5, le=600, description="life of an authorization code")
    refresh_token_seconds: int = Field(2_592_000, ge=60, description="idle life of a refresh token family")
    refresh_token_absolute_seconds: int = Field(7_776_000, ge=60, description="whole life of a refresh token family")
    refresh_reuse_seconds: int = Field(
        10, ge=0, le=300, description="a retry of a rotated refresh token this soon gets the same successor again"
    )
    session_idle_seconds: int = Field(1800, ge=60, description="a sign-in ends after this long without use")
    session_absolute_seconds: int = Field(28_800, ge=60, description="a sign-in ends after this long in any case")
    remember_me_seconds: int = Field(2_592_000, ge=60, description="life of a sign-in that asked to be kept")
    interaction_seconds: int = Field(600, ge=60, le=3600, description="time a person has to finish signing in")

    key_rotation_seconds: int = Field(7_776_000, ge=3600, description="how long a signing key signs")
    jwks_cache_seconds: int = Field(
        300,
        ge=1,
        le=86_400,
        description="max-age of the JWK Set; a key is published this long before it signs",
    )
    signing_algorithms: Words = Field(("RS256",), description="active algorithms; the first signs access tokens")
    encryption_algorithms: Words = Field(
        ("RSA-OAEP-256", "ECDH-ES"),
        description="what request objects may be encrypted with; each has a key of its own. Empty: none is decrypted",
    )
    rsa_bits: int = Field(2048, ge=2048, le=4096, description="size of new RSA keys")

    mfa: Mfa = Field(Mfa.OPTIONAL, description="second factor: off, optional (offered), required (enforced at sign-in)")
    mfa_roles: Words = Field((), description="roles whose holders need a second factor, whatever OSTIARY_MFA says")
    passkeys: bool = Field(True, description="sign-in and second factor with passkeys (WebAuthn)")
    email_codes: bool = Field(False, description="codes by e-mail as a second factor, weaker than the others")
    trusted_browser_seconds: int = Field(
        2_592_000,
        ge=0,
        le=31_536_000,
        description="how long a browser that a person trusts needs no second factor; 0: never",
    )
    totp_previous_steps: int = Field(1, ge=0, le=2, description="how many earlier 30-second steps a code may come from")
    response_types: ResponseTypes = Field(
        ("code",),
        description="response types, comma-separated: code; id_token, id_token token, code id_token, code token, "
        "code id_token token",
    )
    require_pushed_authorization_requests: bool = Field(
        False, description="every authorization request must be pushed first (RFC 9126)"
    )
    dpop_nonce: bool = Field(False, description="DPoP proofs need a nonce of this server (RFC 9449 section 8)")
    pkce: Pkce = Field(Pkce.ALWAYS, description="who must use PKCE: always, or public (only public clients)")
    registration: Registration = Field(
        Registration.OPEN, description="self-registration: open, invite (with a link), closed"
    )
    client_registration: ClientRegistration = Field(
        ClientRegistration.OFF,
        description="dynamic client registration: off, token (with an initial access token), open (to anybody)",
    )
    session_management: bool = Field(
        False, description="OpenID Connect Session Management: needs browsers that allow third-party cookies"
    )
    client_id_metadata_documents: bool = Field(
        False, description="clients may be named by the URL of their metadata document, without registration"
    )
    email_verification: EmailVerification = Field(
        EmailVerification.OPTIONAL,
        description="verification of e-mail addresses: off, optional (a mail is sent), required (before the first use)",
    )
    default_role: str = Field("user", max_length=64, description="role of people who register; empty: none")
    invitation_seconds: int = Field(604_800, ge=300, le=7_776_000, description="life of an invitation link")
    verification_seconds: int = Field(86_400, ge=300, le=604_800, description="life of an e-mail verification link")
    password_link_seconds: int = Field(1800, ge=300, le=86_400, description="life of a mailed link for a new password")
    deletion_grace_seconds: int = Field(
        1_209_600,
        ge=0,
        le=31_536_000,
        description="time before a deleted account is erased; it can be restored until then",
    )
    password_min_length: int | None = Field(
        None, ge=8, le=128, description="shortest password; unset: 8 where a second factor is required, else 15"
    )
    password_max_length: int = Field(256, ge=64, le=1024, description="longest password, in characters")
    password_character_classes: int = Field(
        0, ge=0, le=4, description="kinds of characters a password needs: of lower case, upper case, digits, others"
    )
    password_strength: int = Field(2, ge=0, le=4, description="least zxcvbn score of a new password; 0: any")
    password_history: int = Field(0, ge=0, le=24, description="former passwords that cannot be chosen again")
    argon2_time_cost: int = Field(3, ge=1, le=20, description="argon2id passes")
    argon2_memory_kib: int = Field(32_768, ge=8, le=1_048_576, description="argon2id memory of one hash, KiB")
    argon2_parallel: int = Field(0, ge=0, le=64, description="hashes computed at once in a worker; 0: one per core")
    argon2_queue: int = Field(64, ge=1, le=10_000, description="hashes that may wait before sign-in answers 503")
    rate_limits: bool = Field(True, description="throttling of guesses; off only for load tests on loopback")

    languages: Words = Field(
        ("en", "de"), description="languages of pages and mails, the first for whoever wishes for none of them"
    )
    smtp_url: str = Field(
        "", repr=False, description="smtp://user:password@host:587?tls=starttls (or tls, none); unset: .eml files"
    )
    mail_from: str = Field("", description="sender of mails; unset: the brand's name, no-reply@ the issuer's host")
    brand_name: str = Field("Ostiary", min_length=1, max_length=60, description="product name on pages")
    brand_logo_url: str = Field("", description="logo on pages: a path on this server or an https URL")
    brand_color: str = Field("#3b4cca", pattern=r"^#[0-9a-fA-F]{6}$", description="main colour of pages")
    support_url: str = Field("", description="where people find help: https or mailto URL")

    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="least severe line that is logged"
    )
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="console or json")
    access_log: bool = Field(True, description="one log line a request")
    purge_interval_seconds: int = Field(60, ge=1, le=86_400, description="pause between clean-ups of expired rows")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_together(self)
        return self

    @cached_property
    def is_https(self) -> bool:
        """Whether people reach the server over https, so that cookies carry the `__Host-` prefix."""
        return self.issuer.startswith("https://")

    @cached_property
    def issuer_path(self) -> str:
        """The issuer's path without a trailing slash: the prefix of every route."""
        return urlsplit(self.issuer).path.rstrip("/")

    @cached_property
    def origin(self) -> str:
        """The issuer's scheme, host and port, as browsers send it in `Origin`."""
        parts = urlsplit(self.issuer)
        default = {"http": 80, "https": 443}[parts.scheme]
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")

    @cached_property
    def is_sqlite(self) -> bool:
        """Whether the embedded database is used."""
        return not self.database_url.startswith("postgresql")

    @cached_property
    def sqlite_path(self) -> Path:
        """The embedded database's file."""
        if self.database_url:
            return Path(self.database_url.removeprefix("sqlite:///"))
        return self.data_dir / "ostiary.db"

    @cached_property
    def minimum_password_length(self) -> int:
        """Characters a password needs: NIST SP 800-63B-4 section 3.1.1.2."""
        if self.password_min_length is not None:
            return self.password_min_length
        return 8 if self.mfa is Mfa.REQUIRED else 15

    def url(self, path: str) -> str:
        """Return the absolute URL of one of our paths: from the issuer alone, never from a request's Host header."""
        return self.issuer.rstrip("/") + path


class Loaded(BaseModel):
    """Settings with where each value came from, and the `OSTIARY_` variables nobody knows."""

    settings: Settings
    origins: dict[str, str]
    unknown: tuple[str, ...]


def load(environment: Mapping[str, str] | None = None, directory: Path | None = None) -> Loaded:
    """Read the configuration. Raises SettingsError with one line that names the setting and the mend."""
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    named = environment.get(PREFIX + "CONFIG", "")
    config = Path(named) if named else (directory or Path()) / CONFIG_FILE
    for name, value in _read_toml(config, is_required=bool(named)).items():
        if not _is_unset(name, value):
            values[name], origins[name] = value, str(config)
    unknown = []
    for variable, value in environment.items():
        if not variable.startswith(PREFIX) or variable == PREFIX + "CONFIG":
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in Settings.model_fields:
            if not _is_unset(name, value):
                values[name], origins[name] = value, variable
        elif name.removesuffix("_file") in Settings.model_fields and name.endswith("_file"):
            name = name.removesuffix("_file")
            if value and _is_unset(name, environment.get(PREFIX + name.upper())):
                values[name], origins[name] = _read_value(variable, value), f"{variable} ({value})"
        else:
            unknown.append(variable)
    return Loaded(settings=_validate(values), origins=origins, unknown=tuple(sorted(unknown)))


def _is_unset(name: str, value: object) -> bool:
    """Whether there is no value, or an empty one, as compose files hand on variables that nobody set.

    An empty text or list is a value: it may be what somebody wants, such as no default role.
    """
    return value is None or (value == "" and type(Settings.model_fields[name].default) not in (str, tuple))


def _read_toml(path: Path, *, is_required: bool) -> dict[str, Any]:
    try:
        if not path.is_file():
            if is_required:
                raise SettingsError(f"OSTIARY_CONFIG names {path}, which is no file")
            return {}
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): {AS_THE_SERVER}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    unknown = [name for name in values if name not in Settings.model_fields]
    if unknown:
        raise SettingsError(f"{path} has an unknown setting {unknown[0]!r}: `ostiary settings` lists them all")
    return values


def _read_value(variable: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable} names {path}, which cannot be read: {error}") from None


def _validate(values: Mapping[str, Any]) -> Settings:
    try:
        return Settings.model_validate(values)
    except PermissionError as error:
        raise SettingsError(f"{error.filename} cannot be read ({error.strerror}): {AS_THE_SERVER}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else ""
        raise SettingsError(f"{PREFIX}{name}: {first['msg']}") from None
