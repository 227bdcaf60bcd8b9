"""The certificate that a client has shown in TLS, to us or to the proxy in front of us, which hands it over."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keys.jose import JoseError, import_client_jwks

MAX_CHARACTERS = 16_384
_PEM_BEGIN = "-----BEGIN CERTIFICATE-----"


class CertificateError(Exception):
    """What stands in the header is no certificate."""


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate whose private key the client has proven to hold, in the TLS handshake."""

    der: bytes
    is_verified: bool
    """Whether whoever speaks TLS has verified its chain (RFC 8705 section 2.1)."""

    @cached_property
    def thumbprint(self) -> str:
        """`x5t#S256` of RFC 8705 section 3.1: SHA-256 of the DER encoding, base64url."""
        return thumbprint_of(self.der)

    @cached_property
    def parsed(self) -> x509.Certificate:
        """The certificate's members. Raises CertificateError."""
        try:
            return x509.load_der_x509_certificate(self.der)
        except Exception as error:  # noqa: BLE001  a foreign certificate must not raise anything else
            raise CertificateError(type(error).__name__) from None

    def is_in_time(self, now: int) -> bool:
        """Whether it is valid at a time. Raises CertificateError."""
        at = datetime.fromtimestamp(now, UTC)
        return self.parsed.not_valid_before_utc <= at <= self.parsed.not_valid_after_utc

    def has_thumbprint(self, thumbprint: object) -> bool:
        """Whether it is the certificate that a token is bound to."""
        return isinstance(thumbprint, str) and hmac.compare_digest(self.thumbprint.encode(), thumbprint.encode())


def thumbprint_of(der: bytes) -> str:
    """Return a certificate's SHA-256 thumbprint, base64url."""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode("ascii")


def read_header(value: str, *, is_verified: bool) -> ClientCertificate:
    """Read what a proxy sends: percent-encoded PEM (nginx) or `:base64 of DER:` (RFC 9440). Raises CertificateError."""
    if len(value) > MAX_CHARACTERS:
        raise CertificateError("too long")
    try:
        if value.startswith(":"):
            if len(value) < 2 or not value.endswith(":"):  # noqa: PLR2004  both colons
                raise CertificateError("not a byte sequence")
            der = base64.b64decode(value[1:-1], validate=True)
        else:
            der = _from_pem(unquote(value, errors="strict"))
    except (binascii.Error, ValueError):
        raise CertificateError("neither PEM nor a byte sequence") from None
    certificate = ClientCertificate(der, is_verified)
    # Read now, so that nobody meets a damaged one later; one certificate has one encoding, or its thumbprint has two.
    if certificate.parsed.public_bytes(Encoding.DER) != der:
        raise CertificateError("bytes around the certificate")
    return certificate


def read_pem(pem: str | None) -> ClientCertificate | None:
    """Return a certificate of a handshake that has verified it; None where none was shown."""
    return None if pem is None else ClientCertificate(_from_pem(pem), is_verified=True)


def _from_pem(text: str) -> bytes:
    if not text.lstrip().startswith(_PEM_BEGIN):
        raise CertificateError("not PEM")
    return x509.load_pem_x509_certificate(text.encode("ascii")).public_bytes(Encoding.DER)


def certificate_of_key(jwk: Mapping[str, Any]) -> bytes | None:
    """Return the DER of a JWK's own certificate, the first of its `x5c`; None without one. Raises CertificateError."""
    chain = jwk.get("x5c")
    if chain is None:
        return None
    first = chain[0] if isinstance(chain, list) and chain else None
    if not isinstance(first, str) or len(first) > MAX_CHARACTERS:
        raise CertificateError("x5c is no list of certificates")
    try:
        der = base64.b64decode(first, validate=True)
        keys = import_client_jwks({"keys": [jwk]})
    except (binascii.Error, ValueError):
        raise CertificateError("x5c is not base64") from None
    except JoseError as error:
        raise CertificateError(error.reason) from None
    if not keys:
        raise CertificateError("a key for encryption proves nothing")
    certificate = ClientCertificate(der, is_verified=False).parsed
    # RFC 7517 section 4.7: the certificate's key is the JWK's
    if certificate.public_key() != keys[0].key.public_key or certificate.public_bytes(Encoding.DER) != der:
        raise CertificateError("x5c holds another key")
    return der


def thumbprints_of(jwks: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the thumbprints of a JWK Set's certificates, passing over those that cannot be read."""
    found = []
    for jwk in jwks.get("keys", ()):
        try:
            der = certificate_of_key(jwk) if isinstance(jwk, dict) else None
        except CertificateError:
            continue
        if der is not None:
            found.append(thumbprint_of(der))
    return tuple(found)
