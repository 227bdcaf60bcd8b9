"""Certificates of clients, as a proxy hands them over."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey

from tests.support.prover import segment


@dataclass
class ShownCertificate:
    """A certificate whose key the client has."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """Certificate and private key, for a client that speaks TLS itself."""
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self.certificate.public_bytes(Encoding.PEM) + self.key.private_bytes(*form)

    @property
    def thumbprint(self) -> str:
        return segment(self.certificate.fingerprint(hashes.SHA256()))

    @property
    def nginx(self) -> str:
        """`$ssl_client_escaped_cert`."""
        return quote(self.certificate.public_bytes(Encoding.PEM).decode("ascii"), safe="")

    @property
    def rfc9440(self) -> str:
        """`Client-Cert`: a byte sequence (RFC 8941 section 3.3.5)."""
        return f":{base64.b64encode(self.der).decode('ascii')}:"

    @property
    def jwk(self) -> dict[str, object]:
        """The key with its certificate (RFC 8705 section 2.2.2)."""
        public = ECKey(self.key.public_key(), self.key.public_key()).as_dict(private=False)
        members = {name: str(public[name]) for name in ("kty", "crv", "x", "y")}
        return {**members, "x5c": [base64.b64encode(self.der).decode("ascii")]}


def make(
    now: int, subject: str = "CN=client,O=Shop", *names: x509.GeneralName, days: int = 30, starts_in: int = -1
) -> ShownCertificate:
    """Make a self-signed certificate that is valid around a time; the subject as in RFC 4514."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string(subject)
    at = datetime.fromtimestamp(now, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at + timedelta(days=starts_in))
        .not_valid_after(at + timedelta(days=days))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return ShownCertificate(builder.sign(key, hashes.SHA256()), key)
