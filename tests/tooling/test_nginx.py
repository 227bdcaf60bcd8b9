"""deploy/nginx.conf in front of a real server: TLS, addresses, logs."""

import contextlib
import datetime as dt
import ipaddress
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import Serve
from tests.support.certificates import ShownCertificate, make
from tests.support.process import ServerProcess, free_port

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "nginx.conf"
AUTHORIZATION = "/authorize?client_id=nobody&state=very-private"


@dataclass
class Proxied:
    """A server and the nginx in front of it."""

    server: ServerProcess
    folder: Path
    clear_port: int

    def http(self, **options: Any) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))
        transport = httpx.HTTPTransport(verify=context, local_address="127.0.0.2")
        return httpx.Client(base_url=self.server.issuer, transport=transport, **options)


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "privkey.pem").write_bytes(key.private_bytes(*form))


def _write_configuration(folder: Path, *, server: int, secure: int, clear: int) -> Path:
    text = re.sub(r" *listen \[::\].*\n", "", CONFIGURATION.read_text("utf-8"))
    for old, new in (
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{server};"),
        ("listen 443 ", f"listen 127.0.0.1:{secure} "),
        ("listen 80;", f"listen 127.0.0.1:{clear};"),
        ("login.example.com", "localhost"),
        ("/etc/ssl/ostiary/", f"{folder}/"),
        ("/var/log/nginx/", f"{folder}/"),
        ("# ssl_verify_client optional_no_ca;", "ssl_verify_client optional_no_ca;"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "ostiary.conf").write_text(text, "utf-8")
    places = "".join(
        f"{name}_temp_path {folder}/temp;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""  # the folder is closed to others
    main = folder / "nginx.conf"
    main.write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/error.log; "
        f"events {{}} http {{ {places} include {folder}/ostiary.conf; }}",
        "utf-8",
    )
    return main


def _wait_for(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("nginx does not listen")


def _written(log: Path) -> str:
    """What nginx logged: it writes the line after the answer."""
    for _ in range(200):
        if text := log.read_text("utf-8"):
            return text
        time.sleep(0.05)
    raise AssertionError("nginx logs nothing")


@pytest.fixture
def proxied(serve: Serve, tmp_path: Path) -> Iterator[Proxied]:
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    assert Path(nginx).exists(), "nginx is not installed: run scripts/provision"
    secure, clear = free_port(), free_port()
    header = "X-Client-Certificate"
    issuer = f"https://localhost:{secure}"
    server = serve(issuer=issuer, trusted_proxies="127.0.0.1", client_certificate_header=header)
    _make_certificate(tmp_path)
    configuration = _write_configuration(tmp_path, server=server.port, secure=secure, clear=clear)
    command = [nginx, "-c", str(configuration), "-p", str(tmp_path), "-e", str(tmp_path / "error.log")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    _wait_for(secure)
    yield Proxied(server, tmp_path, clear)
    process.terminate()
    process.wait(10)


def test_the_server_is_reached_over_tls_under_its_issuer(proxied: Proxied) -> None:
    with proxied.http() as http:
        assert http.get("/.well-known/openid-configuration").json()["issuer"] == proxied.server.issuer
        page = http.get("/account", follow_redirects=True)
    assert page.status_code == 200
    assert "max-age" in page.headers["strict-transport-security"]
    cookies = [value for one in page.history for value in one.headers.get_list("set-cookie")]
    cookies += page.headers.get_list("set-cookie")
    assert cookies
    assert all(value.startswith("__Host-") for value in cookies)


def test_the_address_is_the_visitors_and_cannot_be_claimed(proxied: Proxied) -> None:
    with proxied.http() as http:
        http.get("/jwks", headers={"x-forwarded-for": "192.0.2.66", "forwarded": "for=192.0.2.66"})
    proxied.server.stop()  # the line is written after the answer
    lines = [json.loads(line) for line in proxied.server.log.splitlines() if line.startswith('{"') and "/jwks" in line]
    assert [line["address"] for line in lines] == ["127.0.0.2"]


def test_no_log_holds_the_query(proxied: Proxied) -> None:
    with proxied.http() as http:
        http.get(AUTHORIZATION)
    log = _written(proxied.folder / "ostiary.log")
    assert "/authorize 400" in log
    assert "very-private" not in log + proxied.server.log


def test_clear_text_is_sent_to_https(proxied: Proxied) -> None:
    answer = httpx.get(f"http://127.0.0.1:{proxied.clear_port}/account")
    assert answer.status_code == 301
    assert answer.headers["location"] == "https://localhost/account"


def test_a_client_is_known_by_its_certificate_and_by_nothing_that_it_says_of_it(proxied: Proxied) -> None:
    """RFC 8705 section 2.2, RFC 9440 section 4: what the client sends under the header's name is replaced."""
    shown = make(int(time.time()))
    form = {"grant_type": "client_credentials", "client_id": _add_service(proxied, shown)}
    (proxied.folder / "client.pem").write_bytes(shown.pem)
    context = ssl.create_default_context(cafile=str(proxied.folder / "fullchain.pem"))
    context.load_cert_chain(proxied.folder / "client.pem")
    with httpx.Client(base_url=proxied.server.issuer, verify=context) as http:
        assert http.post("/token", data=form).status_code == 200
        lie = http.post("/token", data=form, headers={"x-client-certificate": "x"})
        assert lie.status_code == 200
    with proxied.http() as http:
        for value in (shown.nginx, shown.rfc9440):
            assert http.post("/token", data=form, headers={"x-client-certificate": value}).status_code == 401


def _add_service(proxied: Proxied, shown: ShownCertificate) -> str:
    metadata = {
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks": {"keys": [shown.jwk]},
    }
    path = proxied.folder / "client.json"
    path.write_text(json.dumps(metadata), "utf-8")
    return str(proxied.server.cli("client", "create", "--metadata", str(path))["client_id"])
