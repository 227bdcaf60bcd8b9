"""Looking at the files of TLS before the server starts, so that each mistake is said with its file and its setting."""

import ssl
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates

from server.settings import Settings, SettingsError

CERTIFICATE, KEY = "OSTIARY_TLS_CERTIFICATE", "OSTIARY_TLS_KEY"
CLIENT_CA, OUTBOUND_CA = "OSTIARY_TLS_CLIENT_CA", "OSTIARY_CA_FILE"


def check(settings: Settings) -> None:
    """Refuse files that cannot be used. Raises SettingsError, with the file and the setting."""
    for name, path in ((OUTBOUND_CA, settings.ca_file), (CLIENT_CA, settings.tls_client_ca)):
        if path is not None:
            _certificates(name, path)
            _check_bundle(name, path)
    if settings.tls_certificate is not None:
        _check_own(settings.tls_certificate, settings.tls_key)


def _check_own(certificate: Path, key: Path | None) -> None:
    own = _own_certificate(certificate)
    name, file = (CERTIFICATE, certificate) if key is None else (KEY, key)
    _check_key(own, name, file)
    try:
        # What OpenSSL alone knows, such as keys that are too short for it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{CERTIFICATE} {certificate} with its key in {name} {file} cannot be used: {error}"
        ) from None


def _own_certificate(path: Path) -> Certificate:
    return _certificates(CERTIFICATE, path)[0]


def _no_password() -> str:
    raise ValueError("the private key is encrypted")


def _check_key(certificate: Certificate, name: str, path: Path) -> None:
    content = _read(name, path)
    try:
        key = load_pem_private_key(content, None)
    except TypeError:
        raise SettingsError(
            f"{name} {path}: the private key is encrypted, and nobody is here to type its password: decrypt it"
        ) from None
    except Exception:  # noqa: BLE001  a foreign file must not raise anything else
        hint = f": set {KEY} to the file with it" if name == CERTIFICATE else ""
        raise SettingsError(f"{name} {path} holds no private key in PEM{hint}") from None
    encoding = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*encoding) != certificate.public_key().public_bytes(*encoding):
        raise SettingsError(f"{name} {path}: the private key does not fit the first certificate in {CERTIFICATE}")


def _check_bundle(name: str, path: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        raise SettingsError(f"{name} {path} cannot be used: {error}") from None


def _certificates(name: str, path: Path) -> list[Certificate]:
    content = _read(name, path)
    try:
        return load_pem_x509_certificates(content)
    except Exception:  # noqa: BLE001  a foreign file must not raise anything else
        raise SettingsError(
            f"{name} {path} holds no certificate in PEM (-----BEGIN CERTIFICATE-----), or a damaged one"
        ) from None


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{name} {path} cannot be read: {error.strerror}") from None


def ends_at(settings: Settings) -> datetime | None:
    """Return when the server's own certificate ends, None where it has none. Raises SettingsError."""
    return None if settings.tls_certificate is None else _own_certificate(settings.tls_certificate).not_valid_after_utc
