"""`tls_client_auth`: a certificate that the proxy has verified, with the one name that is registered (RFC 8705 2.1)."""

import re
from collections.abc import Callable, Collection, Mapping
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509 import DNSName, IPAddress, RFC822Name, UniformResourceIdentifier

from clients.authentication.presented import NO_CERTIFICATE, NOT_IN_TIME, AssertionUse, NotProvenError, Presented
from clients.certificate import CertificateError
from clients.client import Client

MAX_SHOWN = 300
SUBJECT_DN = "tls_client_auth_subject_dn"
_BLANKS = re.compile(r"(?<!\\), +")
Matches = Callable[[x509.Certificate, str], bool]


def prove(client: Client | None, presented: Presented, now: int, _audiences: Collection[str]) -> AssertionUse | None:
    """Compare the registered name with the certificate's; only the proxy knows whether its chain is right."""
    certificate = presented.certificate
    if client is None or certificate is None:
        raise NotProvenError(NO_CERTIFICATE)
    if not certificate.is_verified:
        raise NotProvenError("the proxy did not verify the certificate's chain")
    registered = [(name, client.metadata[name]) for name in NAMES if name in client.metadata]
    if len(registered) != 1:
        # RFC 8705 section 2.1.2: exactly one of them
        raise NotProvenError(f"the client must be registered with exactly one of {' '.join(NAMES)}")
    name, expected = registered[0]
    try:
        is_in_time, is_named = certificate.is_in_time(now), NAMES[name](certificate.parsed, str(expected))
    except CertificateError as error:
        raise NotProvenError(f"the certificate cannot be read: {error}") from None
    if not is_in_time:
        raise NotProvenError(NOT_IN_TIME)
    if not is_named:
        shown = certificate.parsed.subject.rfc4514_string()[:MAX_SHOWN]
        raise NotProvenError(f"the certificate does not have the registered {name}; its subject is {shown}")
    return None


def parse_dn(text: str) -> x509.Name:
    """Read a distinguished name in the form of RFC 4514. Raises ValueError."""
    # Many tools write a blank behind each comma, as RFC 1779 did; no value begins with one that is not escaped.
    return x509.Name.from_rfc4514_string(_BLANKS.sub(",", text))


def _has_subject(certificate: x509.Certificate, expected: str) -> bool:
    try:
        # Compared as values, in their order: how a DN is spelled, escaped and spaced says nothing.
        return [_parts(rdn) for rdn in certificate.subject.rdns] == [_parts(rdn) for rdn in parse_dn(expected).rdns]
    except ValueError:
        return False


def _parts(rdn: x509.RelativeDistinguishedName) -> set[tuple[str, str | bytes]]:
    return {(attribute.oid.dotted_string, attribute.value) for attribute in rdn}


def _alternative_names(certificate: x509.Certificate) -> x509.GeneralNames | x509.SubjectAlternativeName | list[str]:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except ValueError as error:  # an extension that cannot be read, or stands twice
        raise CertificateError(type(error).__name__) from None


def _has_dns(certificate: x509.Certificate, expected: str) -> bool:
    # RFC 4343: host names are compared without case. A wildcard is a name of many, and matches only itself.
    names = _alternative_names(certificate)
    return any(isinstance(name, DNSName) and name.value.lower() == expected.lower() for name in names)


def _has_uri(certificate: x509.Certificate, expected: str) -> bool:
    names = _alternative_names(certificate)
    return any(isinstance(name, UniformResourceIdentifier) and name.value == expected for name in names)


def _has_ip(certificate: x509.Certificate, expected: str) -> bool:
    names = _alternative_names(certificate)
    return any(isinstance(name, IPAddress) and name.value == ip_address(expected) for name in names)


def _has_email(certificate: x509.Certificate, expected: str) -> bool:
    names = _alternative_names(certificate)
    return any(isinstance(name, RFC822Name) and name.value == expected for name in names)


NAMES: Mapping[str, Matches] = {
    SUBJECT_DN: _has_subject,
    "tls_client_auth_san_dns": _has_dns,
    "tls_client_auth_san_uri": _has_uri,
    "tls_client_auth_san_ip": _has_ip,
    "tls_client_auth_san_email": _has_email,
}
"""RFC 8705 section 2.1.2."""
