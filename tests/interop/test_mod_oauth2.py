"""Apache with Debian's mod_oauth2 in front of an API: a resource server that others wrote."""

import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cryptography.x509 import DNSName

from clients.authentication import SELF_SIGNED_TLS_METHOD
from server.storage.resources import Resource
from tests.interop.apache import Apache, apache_folder
from tests.support.certificates import ShownCertificate, make
from tests.support.listening import ListeningServer
from tests.support.process import free_port
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty

pytestmark = pytest.mark.interop
SCOPE = "read:things"
ELSEWHERE = "read:elsewhere"
"""What means something at Ostiary's own resources alone."""
API, OTHER = "https://api.example.com", "https://other.example.com"
ACCESS_TOKEN_SECONDS = 10
CERTIFICATE_HEADER = "X-Client-Certificate"
INTROSPECTION = "introspect.auth=client_secret_basic&client_id=api&client_secret={secret}"
PLACES = {
    "jwks": "jwks_uri {issuer}/jwks verify.exp=required",
    "metadata": f"metadata {{issuer}}/.well-known/oauth-authorization-server {INTROSPECTION}",
    "introspection": f"introspect {{issuer}}/introspect {INTROSPECTION}&expiry=1",
    "dpop": "jwks_uri {issuer}/jwks type=dpop",
    "introspected-dpop": f"introspect {{issuer}}/introspect {INTROSPECTION}&type=dpop",
    "mtls": "jwks_uri {issuer}/jwks type=mtls",
}
LOCATION = """
<Location /{name}>
  AuthType oauth2
  OAuth2AcceptTokenIn header type={scheme}
  OAuth2TokenVerify {how}
  Require oauth2_claim aud:{api}
  Header set X-Remote-User "expr=%{{REMOTE_USER}}"
</Location>
"""
TLS = """
OAuth2TargetPass prefix=&remote_user_claim=sub
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
  SSLEngine on
  SSLCertificateFile {folder}/server.pem
  SSLVerifyClient optional_no_ca
  SSLOptions +StdEnvVars +ExportCertData
</VirtualHost>
"""


class Api:
    """An API behind Apache, for which Ostiary gives tokens."""

    def __init__(self, apache: Apache, secure: str, issuer: ListeningServer, service: RelyingParty) -> None:
        self.apache = apache
        self.secure = secure
        self.issuer = issuer
        self.service = service

    async def token(self, **form: str) -> str:
        """Return a token for the API."""
        form = {"grant_type": "client_credentials", "scope": SCOPE, "resource": API, **form}
        response = await self.service.post("/token", **form)
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    async def get(self, place: str, token: str, proof: str | None = None) -> httpx.Response:
        """Ask for a page with a token."""
        scheme, headers = ("Bearer", {}) if proof is None else ("DPoP", {"dpop": proof})
        async with httpx.AsyncClient() as http:
            return await http.get(
                f"{self.apache.url}/{place}/", headers={"authorization": f"{scheme} {token}", **headers}
            )


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Mutual TLS: this test plays the proxy."""
    return {
        "client_certificate_header": CERTIFICATE_HEADER,
        "trusted_proxies": ("127.0.0.1",),
        "access_token_seconds": ACCESS_TOKEN_SECONDS,
    }


@pytest.fixture
async def api(listening: ListeningServer) -> AsyncIterator[Api]:
    """Apache, and a service that may use what it guards."""
    await listening.add_resources(*(Resource(uri, scopes=(SCOPE,), served_by=("api",)) for uri in (API, OTHER)))
    secret = await listening.add_service("api", may_introspect=True)
    service = RelyingParty(listening, "service", await listening.add_service(scope=f"{SCOPE} {ELSEWHERE}"))
    port = free_port()
    with apache_folder() as folder:
        apache = Apache(folder, *PLACES)
        (folder / "server.pem").write_bytes(make(listening.clock.now(), "CN=localhost", DNSName("localhost")).pem)
        values = {"issuer": listening.issuer, "secret": secret}
        locations = [
            LOCATION.format(
                name=name, how=how.format(**values), api=API, scheme="DPoP" if name.endswith("dpop") else "Bearer"
            )
            for name, how in PLACES.items()
        ]
        text = TLS.format(port=port, folder=folder) + "".join(locations)
        with apache.run(text, "oauth2", "ssl"):
            yield Api(apache, f"https://localhost:{port}", listening, service)


@pytest.mark.parametrize("place", ["jwks", "metadata", "introspection"])
async def test_mod_oauth2_lets_good_tokens_in_and_no_others(api: Api, place: str) -> None:
    token = await api.token()
    good = await api.get(place, token)
    assert (good.status_code, good.text) == (200, "the inner garden"), api.apache.log
    assert good.headers["x-remote-user"] == "service"
    nothing = await api.get(place, "nonsense")
    assert nothing.status_code == 401
    assert nothing.headers["www-authenticate"].startswith("Bearer")
    header, payload, signature = token.split(".")
    forged = f"{header}.{payload}.{signature[:-8]}AAAAAAAA"
    assert (await api.get(place, forged)).status_code == 401
    assert (await api.get(place, await api.token(resource=OTHER))).status_code == 401
    assert (await api.get(place, await api.token(resource=api.issuer.issuer, scope=ELSEWHERE))).status_code == 401
    api.issuer.clock.advance(-ACCESS_TOKEN_SECONDS - 5)
    expired = await api.token()
    api.issuer.clock.advance(ACCESS_TOKEN_SECONDS + 5)
    assert (await api.get(place, expired)).status_code == 401


async def test_mod_oauth2_learns_of_a_revocation_by_introspection(api: Api) -> None:
    """RFC 7009, RFC 7662."""
    token = await api.token()
    assert (await api.service.post("/revoke", token=token)).status_code == 200
    assert (await api.get("introspection", token)).status_code == 401
    assert (await api.get("jwks", token)).status_code == 200


@pytest.mark.parametrize("place", ["dpop", "introspected-dpop"])
async def test_mod_oauth2_lets_tokens_in_with_the_proof_that_they_are_bound_to(api: Api, place: str) -> None:
    """RFC 9449 section 7.1, but for `ath`, which Debian's version does not look at."""
    key, another = Prover(api.issuer), Prover(api.issuer)
    form = {"grant_type": "client_credentials", "scope": SCOPE, "resource": API}
    token = (await key.post(api.service, **form)).json()["access_token"]
    here = f"{api.apache.url}/{place}/"
    proof = key.proof(method="GET", token=token, htu=here)
    good = await api.get(place, token, proof)
    assert (good.status_code, good.text) == (200, "the inner garden"), api.apache.log
    wrong = {
        "used before": proof,
        "of another key": another.proof(method="GET", token=token, htu=here),
        "for another page": key.proof("/dpop", "GET", token=token),
    }
    for what, presented in wrong.items():
        assert (await api.get(place, token, presented)).status_code == 401, what
    unbound = await api.token()
    assert (await api.get(place, unbound, key.proof(method="GET", token=unbound, htu=here))).status_code == 401


async def test_mod_oauth2_lets_tokens_in_with_the_certificate_that_they_are_bound_to(api: Api) -> None:
    """RFC 8705 section 3."""
    shown, another = (make(api.issuer.clock.now(), f"CN={name}") for name in ("shown", "another"))
    await api.issuer.add_service(
        "bound",
        token_endpoint_auth_method=SELF_SIGNED_TLS_METHOD,
        jwks={"keys": [shown.jwk]},
        tls_client_certificate_bound_access_tokens=True,
    )
    form = {"grant_type": "client_credentials", "client_id": "bound", "scope": SCOPE, "resource": API}
    async with httpx.AsyncClient() as http:
        response = await http.post(f"{api.issuer.issuer}/token", data=form, headers={CERTIFICATE_HEADER: shown.nginx})
    token = response.json()["access_token"]
    assert [await _with_certificate(api, token, one) for one in (shown, another, None)] == [200, 401, 401]
    assert await _with_certificate(api, await api.token(), shown) == 401


async def _with_certificate(api: Api, token: str, shown: ShownCertificate | None) -> int:
    context = ssl.create_default_context(cafile=str(api.apache.folder / "server.pem"))
    if shown is not None:
        path = api.apache.folder / "client.pem"
        path.write_bytes(shown.pem)
        context.load_cert_chain(path)
    async with httpx.AsyncClient(verify=context) as http:
        answer = await http.get(f"{api.secure}/mtls/", headers={"authorization": f"Bearer {token}"})
    return answer.status_code
