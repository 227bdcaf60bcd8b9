"""`self_signed_tls_client_auth`: the very certificate that the client has registered (RFC 8705 section 2.2).

No chain is looked at. The certificate stands as `x5c` in the client's `jwks`, or where its `jwks_uri` leads.
"""

from collections.abc import Collection

from clients.authentication.presented import AssertionUse, Presented
from clients.certificate import CertificateError
from clients.client import Client


def prove(client: Client | None, presented: Presented, now: int, _audiences: Collection[str]) -> AssertionUse | bool:
    """Compare the certificate with the registered ones."""
    certificate = presented.certificate
    if client is None or certificate is None:
        return False
    registered = client.certificates if presented.certificates is None else presented.certificates
    try:
        return certificate.is_in_time(now) and any(certificate.has_thumbprint(known) for known in registered)
    except CertificateError:
        return False
