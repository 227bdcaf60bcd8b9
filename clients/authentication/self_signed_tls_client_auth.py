"""`self_signed_tls_client_auth`: the very certificate that the client has registered (RFC 8705 section 2.2).

No chain is looked at. The certificate stands as `x5c` in the client's `jwks`, or where its `jwks_uri` leads.
"""

from collections.abc import Collection

from clients.authentication.presented import NO_CERTIFICATE, NOT_IN_TIME, AssertionUse, NotProvenError, Presented
from clients.certificate import CertificateError
from clients.client import Client


def prove(client: Client | None, presented: Presented, now: int, _audiences: Collection[str]) -> AssertionUse | None:
    """Compare the certificate with the registered ones."""
    certificate = presented.certificate
    if client is None or certificate is None:
        raise NotProvenError(NO_CERTIFICATE)
    registered = client.certificates if presented.certificates is None else presented.certificates
    try:
        is_in_time, is_known = certificate.is_in_time(now), any(map(certificate.has_thumbprint, registered))
    except CertificateError as error:
        raise NotProvenError(f"the certificate cannot be read: {error}") from None
    if not is_in_time:
        raise NotProvenError(NOT_IN_TIME)
    if not is_known:
        raise NotProvenError("the certificate is none of those in the client's jwks or behind its jwks_uri")
    return None
