"""A proxy that speaks TLS and tells of the certificates of clients, played by a client at its address."""

import httpx
import pytest

from tests.support.certificates import ShownCertificate
from tests.support.server import RunningServer

PROXY, STRANGER = "10.0.0.5", "192.0.2.1"
ON = {
    "trusted_proxies": (PROXY,),
    "client_certificate_header": "X-Client-Certificate",
    "client_certificate_verified_header": "X-Client-Verify",
    "mtls_url": "https://mtls.login.example.com",
}
WITH_PROXY = pytest.mark.parametrize("overrides", [ON], indirect=True)
SERVICE = {"grant_type": "client_credentials", "client_id": "service"}


def headers_of(certificate: ShownCertificate | None, verify: str = "SUCCESS", **more: str) -> dict[str, str]:
    """Return what nginx sends: always both headers, empty without a certificate."""
    shown = "" if certificate is None else certificate.nginx
    return {"x-client-certificate": shown, "x-client-verify": verify, "x-forwarded-for": STRANGER, **more}


async def post(
    server: RunningServer,
    headers: dict[str, str] | list[tuple[str, str]],
    form: dict[str, str] | None = None,
    *,
    address: str = PROXY,
    path: str = "/token",
) -> httpx.Response:
    async with server.http(address=address) as http:
        return await http.post(path, data=SERVICE if form is None else form, headers=headers)
