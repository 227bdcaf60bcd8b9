"""Looking at the files of TLS before the server starts, so that each mistake is said with its file and its setting."""

import ssl
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates

from server.cli.running import refuse
from server.settings import Settings

CERTIFICATE, KEY = "OSTIARY_TLS_CERTIFICATE", "OSTIARY_TLS_KEY"
CLIENT_CA, OUTBOUND_CA = "OSTIARY_TLS_CLIENT_CA", "OSTIARY_CA_FILE"


def check(settings: Settings) -> None:
    """Refuse files that cannot be used, before anything is made or printed."""
    for name, path in ((OUTBOUND_CA, settings.ca_file), (CLIENT_CA, settings.tls_client_ca)):
        if path is not None:
            _certificates(name, path)
            _check_bundle(name, path)
    if settings.tls_certificate is not None:
        _check_own(settings.tls_certificate, settings.tls_key)


def _check_own(certificate: Path, key: Path | None) -> None:
    own = _certificates(CERTIFICATE, certificate)[0]
    name, file = (CERTIFICATE, certificate) if key is None else (KEY, key)
    _check_key(own, name, file)
    try:
        # What OpenSSL alone knows, such as keys that are too short for it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        refuse(f"{CERTIFICATE} {certificate} with its key in {name} {file} cannot be used: {error}")


def _no_password() -> str:
    raise ValueError("the private key is encrypted")


def _check_key(certificate: Certificate, name: str, path: Path) -> None:
    content = _read(name, path)
    try:
        key = load_pem_private_key(content, None)
    except TypeError:
        refuse(f"{name} {path}: the private key is encrypted, and nobody is here to type its password: decrypt it")
    except Exception:  # noqa: BLE001  a foreign file must not raise anything else
        hint = f": set {KEY} to the file with it" if name == CERTIFICATE else ""
        refuse(f"{name} {path} holds no private key in PEM{hint}")
    encoding = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*encoding) != certificate.public_key().public_bytes(*encoding):
        refuse(f"{name} {path}: the private key does not fit the first certificate in {CERTIFICATE}")


def _check_bundle(name: str, path: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        refuse(f"{name} {path} cannot be used: {error}")


def _certificates(name: str, path: Path) -> list[Certificate]:
    content = _read(name, path)
    try:
        return load_pem_x509_certificates(content)
    except Exception:  # noqa: BLE001  a foreign file must not raise anything else
        refuse(f"{name} {path} holds no certificate in PEM (-----BEGIN CERTIFICATE-----), or a damaged one")


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        refuse(f"{name} {path} cannot be read: {error.strerror}")
