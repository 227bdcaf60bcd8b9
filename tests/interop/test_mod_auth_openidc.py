"""Apache with Debian's mod_auth_openidc in front of an application."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.interop.apache import Apache, apache_folder
from tests.interop.conftest import Visitor
from tests.support.listening import ListeningServer

pytestmark = pytest.mark.interop
CONFIGURATION = """
OIDCRedirectURI {url}/private/callback
OIDCDefaultLoggedOutURL {url}/public.html
OIDCCryptoPassphrase passphrase-of-this-test-alone
OIDCPKCEMethod S256
OIDCScope "openid profile email"
OIDCRemoteUserClaim email
OIDCInfoHook access_token id_token userinfo
<Location /private>
  AuthType openid-connect
  Require valid-user
  Header set X-Remote-User "expr=%{{REMOTE_USER}}"
  Header set X-Name "expr=%{{req:OIDC_CLAIM_name}}"
</Location>
"""
ONE_PROVIDER = """
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID web
OIDCProviderTokenEndpointAuth {method}
"""
SECRET = """
OIDCClientSecret {secret}
"""
OWN_KEYS = """
OIDCPrivateKeyFiles {folder}/private.pem
OIDCPublicKeyFiles {folder}/public.pem
"""


class Site:
    """A web server whose `/private` only signed-in people see, and Alice in front of it."""

    def __init__(self, apache: Apache, issuer: ListeningServer, visitor: Visitor) -> None:
        self.apache = apache
        self.issuer = issuer
        self.visitor = visitor
        self.garden = f"{apache.url}/private/"
        self.callback = f"{apache.url}/private/callback"

    async def register(self, **metadata: Any) -> str:
        """Register the site and return its secret."""
        return await self.issuer.add_client(
            "web", redirect_uris=[self.callback], post_logout_redirect_uris=[self.apache.public], **metadata
        )

    async def begin(self) -> str:
        """Open the garden and return where the visitor is sent."""
        refused = await self.visitor.http.get(self.garden)
        assert refused.status_code == 302, refused.text + self.apache.log
        return refused.headers["location"]

    async def sign_in(self, location: str | None = None) -> None:
        """Sign in and see the garden."""
        callback = await self.visitor.finish(await self.begin() if location is None else location)
        back = await self.visitor.http.get(callback)
        assert (back.status_code, back.headers.get("location")) == (302, self.garden), back.text + self.apache.log
        await self.check_garden()

    async def check_garden(self) -> None:
        """See what only Alice sees."""
        garden = await self.visitor.http.get(self.garden)
        assert garden.text == "the inner garden", self.apache.log
        assert garden.headers["x-remote-user"].startswith("alice@example.com")
        assert garden.headers["x-name"] == "Alice Ample"


Start = Callable[..., None]


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings with which the server may reach Apache, and clients may come by themselves."""
    return {
        "fetch_private_addresses": True,
        "client_registration": "open",
        "response_types": ("code", "code id_token"),
        "signing_algorithms": ("RS256", "ES256"),
    }


@pytest.fixture
async def site(listening: ListeningServer) -> AsyncIterator[Site]:
    """The site, before its web server runs."""
    with apache_folder() as folder:
        async with Visitor(listening) as visitor:
            yield Site(Apache(folder, "private"), listening, visitor)


@pytest.fixture
def start(site: Site) -> Iterator[Start]:
    """Run the web server, with further directives."""
    with ExitStack() as running:

        def run(text: str, **values: str) -> None:
            known = {"url": site.apache.url, "folder": str(site.apache.folder), "issuer": site.issuer.issuer}
            directives = (CONFIGURATION + text).format(**known, **values)
            running.enter_context(site.apache.run(directives, "auth_openidc"))

        yield run


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt"])
async def test_mod_auth_openidc_lets_in_whoever_signs_in_and_tells_the_application_who(
    site: Site, start: Start, method: str
) -> None:
    secret = await site.register(token_endpoint_auth_method=method)
    start(ONE_PROVIDER + SECRET, secret=secret, method=method)
    await site.sign_in()


async def test_mod_auth_openidc_signs_out_at_the_issuer_too(site: Site, start: Start) -> None:
    """OpenID Connect RP-Initiated Logout; RFC 7009, for the tokens that the module drops."""
    start(ONE_PROVIDER + SECRET, secret=await site.register(), method="client_secret_basic")
    await site.sign_in()
    visitor = site.visitor
    token = (await visitor.http.get(f"{site.callback}?info=json")).json()["access_token"]
    leaving = await visitor.http.get(site.callback, params={"logout": site.apache.public})
    assert leaving.status_code == 302
    await visitor.visit(leaving.headers["location"])
    assert visitor.left_for is not None
    assert visitor.left_for.startswith(site.apache.public)
    await site.begin()
    async with site.issuer.http(headers={"authorization": f"Bearer {token}"}) as http:
        assert (await http.get("/userinfo")).status_code == 401
    await visitor.visit(f"{site.issuer.issuer}/account")
    assert visitor.title == "Sign in"


async def test_mod_auth_openidc_reads_an_es256_id_token_and_signed_userinfo(site: Site, start: Start) -> None:
    """OpenID Connect Core sections 2 and 5.3.2."""
    secret = await site.register(id_token_signed_response_alg="ES256", userinfo_signed_response_alg="ES256")
    text = "OIDCIDTokenSignedResponseAlg ES256\nOIDCUserInfoSignedResponseAlg ES256\n"
    start(ONE_PROVIDER + SECRET + text, secret=secret, method="client_secret_basic")
    await site.sign_in()
    told = (await site.visitor.http.get(f"{site.callback}?info=json")).json()
    assert told["userinfo"]["name"] == "Alice Ample"
    assert told["id_token"]["iss"] == site.issuer.issuer


async def test_mod_auth_openidc_renews_its_access_token(site: Site, start: Start) -> None:
    """RFC 6749 section 6, as the application asks for it."""
    start(ONE_PROVIDER + SECRET, secret=await site.register(), method="client_secret_basic")
    await site.sign_in()
    seen = set()
    for _ in range(3):
        token = (await site.visitor.http.get(f"{site.callback}?info=json")).json()["access_token"]
        seen.add(token)
        query = {"refresh": site.garden, "access_token": token}
        renewed = await site.visitor.http.get(site.callback, params=query)
        assert (renewed.status_code, renewed.headers["location"]) == (302, site.garden), site.apache.log
    assert len(seen) == 3


async def test_mod_auth_openidc_ends_its_session_when_the_issuer_says_so(site: Site, start: Start) -> None:
    """OpenID Connect Back-Channel Logout."""
    secret = await site.register(
        backchannel_logout_uri=f"{site.callback}?logout=backchannel", backchannel_logout_session_required=True
    )
    start(ONE_PROVIDER + SECRET, secret=secret, method="client_secret_basic")
    await site.sign_in()
    await site.visitor.visit(f"{site.issuer.issuer}/end-session")
    await site.visitor.submit(("decision", "sign-out"))
    assert site.visitor.title == "Signed out", site.visitor.text
    async with asyncio.timeout(10):
        while (await site.visitor.http.get(site.garden)).status_code == 200:
            await asyncio.sleep(0.05)
    await site.begin()


async def test_mod_auth_openidc_signs_its_requests_with_keys_that_it_publishes(site: Site, start: Start) -> None:
    """RFC 7523 section 2.2 (`private_key_jwt`), RFC 9101 section 5.1, with a `jwks_uri`."""
    _make_keys(site.apache.folder)
    await site.register(
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri=f"{site.callback}?jwks=rsa",
        request_object_signing_alg="RS256",
    )
    how = {
        "copy_and_remove_from_request": ["state", "nonce", "redirect_uri", "code_challenge", "code_challenge_method"],
        "copy_from_request": ["response_type", "client_id", "scope"],
        "crypto": {"sign_alg": "RS256"},
        "request_object_type": "request",
    }
    request_object = 'OIDCRequestObject "' + json.dumps(how).replace('"', '\\"') + '"\n'
    escaped = request_object.replace("{", "{{").replace("}", "}}")
    start(OWN_KEYS + ONE_PROVIDER + escaped, method="private_key_jwt")
    location = await site.begin()
    sent = parse_qs(urlsplit(location).query)
    assert "request" in sent
    assert "redirect_uri" not in sent
    await site.sign_in(location)


async def test_mod_auth_openidc_registers_itself(site: Site, start: Start) -> None:
    """OpenID Connect Dynamic Client Registration; a code whose answer is a form.

    It asks for all response types that it can; on loopback it gets no tokens in the browser (section 2).
    """
    _make_keys(site.apache.folder)
    known = site.apache.folder / "metadata"
    known.mkdir()
    async with site.issuer.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).text
    name = quote(site.issuer.issuer.removeprefix("http://"), safe="")
    (known / f"{name}.provider").write_text(document, "utf-8")
    chosen = {"response_type": "code", "response_mode": "form_post", "scope": "openid profile email"}
    (known / f"{name}.conf").write_text(json.dumps(chosen), "utf-8")
    for path in (known, *known.iterdir()):
        with contextlib.suppress(PermissionError):  # who is not root runs Apache as themselves
            shutil.chown(path, "www-data")
    start(OWN_KEYS + "OIDCMetadataDir {folder}/metadata\n")
    begun = await site.visitor.http.get(
        site.callback, params={"iss": site.issuer.issuer, "target_link_uri": site.garden}
    )
    assert begun.status_code == 302, begun.text + site.apache.log
    registered = json.loads((known / f"{name}.client").read_text("utf-8"))
    assert registered["response_types"] == ["code"]
    assert registered["backchannel_logout_uri"] == f"{site.callback}?logout=backchannel"
    await _sign_in_by_form(site, begun.headers["location"])


async def test_mod_auth_openidc_takes_a_code_and_an_id_token_in_a_form(site: Site, start: Start) -> None:
    """OAuth 2.0 Multiple Response Types section 5, Form Post Response Mode section 2."""
    grants = ["authorization_code", "implicit", "refresh_token"]
    secret = await site.register(response_types=["code", "code id_token"], grant_types=grants)
    text = 'OIDCResponseType "code id_token"\nOIDCResponseMode form_post\n'
    start(ONE_PROVIDER + SECRET + text, secret=secret, method="client_secret_basic")
    await _sign_in_by_form(site, await site.begin())


async def _sign_in_by_form(site: Site, location: str) -> None:
    visitor = site.visitor
    await visitor.visit(location)
    await visitor.sign_in()
    await visitor.postpone()
    await visitor.consent()
    assert visitor.form.action == site.callback, visitor.text
    back = await visitor.http.post(site.callback, data=visitor.form.fields)
    assert (back.status_code, back.headers.get("location")) == (302, site.garden), back.text + site.apache.log
    await site.check_garden()


def _make_keys(folder: Path) -> None:
    key = rsa.generate_private_key(65_537, 2048)
    (folder / "private.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "public.pem").write_bytes(public)
