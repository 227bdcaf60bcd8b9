"""What our own proxies say of a request: whose it is, and which certificate its sender has shown in TLS.

Where the sender speaks TLS with us, the certificate is the connection's own (the TLS extension of ASGI).

The layer stands where the peer's address is still the connection's: uvicorn, told to, would have replaced it by the
forwarded one, and then nobody could tell any more whether a proxy of ours is speaking (RFC 9700 section 4.13).
"""

from ipaddress import ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from clients.certificate import CertificateError, ClientCertificate, read_header, read_pem
from server.observability.logging import logger
from server.settings import Settings

VERIFIED = "SUCCESS"
"""What nginx's `$ssl_client_verify` says of a chain that it has verified."""
_KEY = "client_certificate"


class Proxies:
    """Believes forwarded headers from trusted proxies, and strips those about certificates from every request."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._networks = [ip_network(proxy, strict=False) for proxy in settings.trusted_proxies]
        self._forwarded: ASGIApp = app
        if settings.trusted_proxies:
            hosts = [str(network) for network in self._networks]
            self._forwarded = ProxyHeadersMiddleware(app, trusted_hosts=hosts)  # type: ignore[assignment,arg-type]
        self._header = settings.client_certificate_header.lower().encode("ascii")
        self._verified_header = settings.client_certificate_verified_header.lower().encode("ascii")
        self._asks_for_certificates = settings.tls_client_ca is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_trusted = self._is_trusted(scope)
        if self._header:
            certificate = self._certificate(scope) if is_trusted else None
            # Nobody behind here reads the headers: what is in the scope is what a proxy said.
            names = (self._header, self._verified_header)
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in names]
            scope[_KEY] = certificate
        if self._asks_for_certificates and not is_trusted:
            # What a proxy of ours shows is its own, and says nothing about who is behind it.
            scope[_KEY] = _shown_to_us(scope)
        await (self._forwarded if is_trusted else self._app)(scope, receive, send)

    def _is_trusted(self, scope: Scope) -> bool:
        client = scope.get("client")
        if not self._networks or not client:
            return False
        try:
            peer = ip_address(client[0])
        except ValueError:
            return False
        return any(peer in network for network in self._networks)

    def _certificate(self, scope: Scope) -> ClientCertificate | None:
        values = [value for name, value in scope["headers"] if name == self._header]
        verified = [value for name, value in scope["headers"] if name == self._verified_header]
        if len(values) != 1 or not values[0]:
            # Twice: the proxy added its own to a stranger's instead of replacing it.
            return None
        is_verified = bool(self._verified_header) and verified == [VERIFIED.encode("ascii")]
        try:
            return read_header(values[0].decode("latin-1").strip(), is_verified=is_verified)
        except CertificateError as error:
            logger().warning("client_certificate_unreadable", cause=str(error))
            return None


def _shown_to_us(scope: Scope) -> ClientCertificate | None:
    """Return the certificate of the connection. The handshake has verified its chain, or there would be none."""
    chain = scope.get("extensions", {}).get("tls", {}).get("client_cert_chain", ())
    return read_pem(next(iter(chain), None))
