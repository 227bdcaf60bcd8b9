"""RFC 8705 where the server speaks TLS itself: real handshakes with `ostiary serve`."""

import json
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import DNSName, IPAddress
from starlette.types import Receive, Scope, Send

from server.clock import SystemClock
from server.settings import SettingsError, load
from tests.support.certificates import ShownCertificate, make
from tests.support.process import ServerProcess
from tests.support.server import RunningServer

NOW = SystemClock().now()
SERVICE: dict[str, Any] = {
    "grant_types": ["client_credentials"],
    "response_types": [],
    "scope": "read:things",
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "CN=client,O=Shop",
    "tls_client_certificate_bound_access_tokens": True,
}


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _public(certificate: ShownCertificate) -> bytes:
    return certificate.certificate.public_bytes(Encoding.PEM)


class Site:
    """A server that speaks TLS, and a client with a certificate that it trusts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.shown, self.other = make(NOW), make(NOW, "CN=other,O=Shop")
        own = make(NOW, "CN=localhost", DNSName("localhost"), IPAddress(ip_address("127.0.0.1")))
        self.process = ServerProcess(
            directory,
            tls_certificate=_write(directory / "server.pem", own.pem),
            tls_client_ca=_write(directory / "clients.pem", _public(self.shown) + _public(self.other)),
        ).start()
        made = self.process.cli("client", "create", "--metadata", "-", stdin=json.dumps(SERVICE))
        self.client_id = made["client_id"]

    def context(self, certificate: ShownCertificate | None) -> ssl.SSLContext:
        """Return what a client with this certificate does TLS with."""
        context = ssl.create_default_context(cafile=str(self.directory / "server.pem"))
        if certificate is not None:
            context.load_cert_chain(_write(self.directory / "client.pem", certificate.pem))
        return context

    def http(self, certificate: ShownCertificate | None) -> httpx.Client:
        return self.process.http(verify=self.context(certificate))

    def token(self, certificate: ShownCertificate | None, **headers: str) -> httpx.Response:
        form = {"grant_type": "client_credentials", "client_id": self.client_id}
        with self.http(certificate) as http:
            return http.post("/token", data=form, headers=headers)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    running = Site(tmp_path_factory.mktemp("tls"))
    yield running
    running.process.kill()


@pytest.mark.slow
def test_a_client_is_known_by_the_certificate_of_its_own_handshake(site: Site) -> None:
    """Sections 2.1 and 3: known by its subject, and the token is bound to the certificate."""
    response = site.token(site.shown)
    assert response.status_code == 200, response.text
    with site.http(site.shown) as http:
        form = {"client_id": site.client_id, "token": response.json()["access_token"]}
        told = http.post("/introspect", data=form).json()
    assert told["active"] is True
    assert told["cnf"] == {"x5t#S256": site.shown.thumbprint}


@pytest.mark.slow
def test_every_request_of_a_connection_has_its_certificate(site: Site) -> None:
    form = {"grant_type": "client_credentials", "client_id": site.client_id}
    with site.http(site.shown) as http:
        assert [http.post("/token", data=form).status_code for _ in range(3)] == [200] * 3


@pytest.mark.slow
def test_without_a_certificate_the_server_answers_and_the_client_is_unknown(site: Site) -> None:
    """Section 2: browsers have none; and a certificate of somebody else is not the client's."""
    with site.http(None) as http:
        document = http.get("/.well-known/openid-configuration").json()
    assert document["issuer"] == site.process.issuer
    assert "tls_client_auth" in document["token_endpoint_auth_methods_supported"]
    # Its certificate would have to be in OSTIARY_TLS_CLIENT_CA.
    assert "self_signed_tls_client_auth" not in document["token_endpoint_auth_methods_supported"]
    assert document["tls_client_certificate_bound_access_tokens"] is True
    for certificate in (None, site.other):
        response = site.token(certificate)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.slow
def test_a_certificate_that_nobody_vouches_for_ends_the_handshake(site: Site) -> None:
    """Section 2.1: the chain is verified before anything is read; anybody can make one with that name."""
    with pytest.raises(httpx.TransportError):
        site.token(make(NOW))


@pytest.mark.slow
def test_a_header_is_no_certificate(site: Site) -> None:
    """Section 6.5: what a proxy would send counts for nothing without one."""
    shown = site.shown
    headers = {"x-client-certificate": shown.nginx, "x-client-verify": "SUCCESS", "client-cert": shown.rfc9440}
    assert site.token(None, **headers).status_code == 401


@pytest.mark.slow
def test_old_versions_and_ciphers_are_not_spoken(site: Site) -> None:
    """RFC 9325 sections 3.1.1 and 4.2."""
    context = site.context(site.shown)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with site.process.http(verify=context) as http:
        assert http.get("/health/live").status_code == 200
    context.set_ciphers("ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0")
    with site.process.http(verify=context) as http, pytest.raises(httpx.TransportError):
        http.get("/health/live")


def test_files_that_cannot_be_used_are_refused_at_the_start(tmp_path: Path) -> None:
    empty = _write(tmp_path / "empty.pem", b"")
    for path in (empty, tmp_path / "none.pem"):
        process = ServerProcess(tmp_path, issuer="https://localhost")
        process.environment["OSTIARY_TLS_CERTIFICATE"] = str(path)
        result = process.run("serve")
        assert result.returncode == 1
        assert "OSTIARY_TLS_CERTIFICATE" in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["OSTIARY_TLS_KEY", "OSTIARY_TLS_CLIENT_CA"])
def test_the_other_files_need_the_certificate(name: str) -> None:
    with pytest.raises(SettingsError, match="OSTIARY_TLS_CERTIFICATE"):
        load({name: "some.pem"})


PROXY, STRANGER = "10.0.0.5", "192.0.2.1"
ASKS = {"tls_certificate": Path("server.pem"), "tls_client_ca": Path("clients.pem"), "trusted_proxies": (PROXY,)}


class _Handshake:
    """Adds to each request what an ASGI server says of its connection."""

    def __init__(self, server: RunningServer, shown: ShownCertificate) -> None:
        self._app = server.app
        self._tls = {"client_cert_chain": [_public(shown).decode()], "client_cert_error": None}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "extensions": {"tls": self._tls}}, receive, send)


async def _status_from(server: RunningServer, shown: ShownCertificate, address: str) -> int:
    transport = httpx.ASGITransport(_Handshake(server, shown), client=(address, 1234))
    form = {"grant_type": "client_credentials", "client_id": "service"}
    async with httpx.AsyncClient(transport=transport, base_url=server.issuer) as http:
        return (await http.post("/token", data=form)).status_code


@pytest.mark.parametrize("overrides", [ASKS], indirect=True)
async def test_the_certificate_of_our_own_proxy_is_nobody_elses(server: RunningServer) -> None:
    """Section 6.5: a proxy that shows us its own certificate says nothing about who is behind it."""
    shown = make(server.clock.now())
    await server.add_service(
        token_endpoint_auth_method="tls_client_auth", tls_client_auth_subject_dn="CN=client,O=Shop"
    )
    assert await _status_from(server, shown, STRANGER) == 200
    assert await _status_from(server, shown, PROXY) == 401
    late = make(server.clock.now(), days=1)
    server.clock.advance(2 * 86_400)
    assert await _status_from(server, late, STRANGER) == 401


async def test_without_the_setting_no_connection_has_a_certificate(server: RunningServer) -> None:
    await server.add_service(
        token_endpoint_auth_method="tls_client_auth", tls_client_auth_subject_dn="CN=client,O=Shop"
    )
    assert await _status_from(server, make(server.clock.now()), STRANGER) == 401
