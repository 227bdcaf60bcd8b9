"""Apache with Debian's mod_auth_openidc in front of an application."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import clients
from tests.interop.conftest import Visitor
from tests.support.process import Program, ServerProcess, free_port

pytestmark = pytest.mark.interop
MODULES = Path("/usr/lib/apache2/modules")
LOADED = ("mpm_event", "unixd", "authn_core", "authz_core", "authz_user", "headers", "dir", "mime", "auth_openidc")
CONFIGURATION = """
ServerName localhost
ServerRoot {folder}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
{modules}
{user}
TypesConfig /dev/null
DocumentRoot {folder}/site
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCRedirectURI http://localhost:{port}/private/callback
OIDCDefaultLoggedOutURL http://localhost:{port}/public.html
OIDCCryptoPassphrase passphrase-of-this-test-alone
OIDCPKCEMethod S256
OIDCScope "openid profile email"
OIDCRemoteUserClaim email
<Location /private>
  AuthType openid-connect
  Require valid-user
  Header set X-Remote-User "expr=%{{REMOTE_USER}}"
  Header set X-Name "expr=%{{req:OIDC_CLAIM_name}}"
</Location>
"""


class Apache:
    """A web server whose `/private` only signed-in people see."""

    def __init__(self, issuer: ServerProcess, folder: Path) -> None:
        port = free_port()
        self.url = f"http://localhost:{port}"
        self.public = f"{self.url}/public.html"
        client = clients.web_client(issuer, f"{self.url}/private/callback", post_logout_redirect_uris=[self.public])
        site = folder / "site"
        (site / "private").mkdir(parents=True)
        (site / "private" / "index.html").write_text("the inner garden", "utf-8")
        (site / "public.html").write_text("the street", "utf-8")
        text = CONFIGURATION.format(
            folder=folder,
            port=port,
            issuer=issuer.issuer,
            client_id=client["client_id"],
            client_secret=client["client_secret"],
            modules="\n".join(
                f"LoadModule {name}_module {MODULES}/mod_{name}.so"
                for name in LOADED
                if (MODULES / f"mod_{name}.so").exists()
            ),
            user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
        )
        configuration = folder / "apache.conf"
        configuration.write_text(text, "utf-8")
        apache = shutil.which("apache2") or "/usr/sbin/apache2"
        command = [apache, "-f", str(configuration), "-DFOREGROUND"]
        self.program = Program(command, self.public, folder / "apache.log", {})


@pytest.fixture
def apache(issuer: ServerProcess) -> Iterator[Apache]:
    """Apache, in a folder that its own user can read."""
    folder = Path(tempfile.mkdtemp(prefix="ostiary-apache-"))
    folder.chmod(0o755)
    try:
        made = Apache(issuer, folder)
        with made.program:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def test_mod_auth_openidc_lets_in_whoever_signs_in_and_tells_the_application_who(
    apache: Apache, visitor: Visitor
) -> None:
    refused = await visitor.http.get(f"{apache.url}/private/")
    assert refused.status_code == 302
    callback = await visitor.finish(refused.headers["location"])
    assert callback.startswith(f"{apache.url}/private/callback?")
    back = await visitor.http.get(callback)
    assert back.status_code == 302
    assert back.headers["location"] == f"{apache.url}/private/"
    garden = await visitor.http.get(f"{apache.url}/private/")
    assert garden.text == "the inner garden"
    assert garden.headers["x-remote-user"].startswith("alice@example.com")
    assert garden.headers["x-name"] == "Alice Ample"


async def test_mod_auth_openidc_signs_out_at_the_issuer_too(apache: Apache, visitor: Visitor) -> None:
    begun = await visitor.http.get(f"{apache.url}/private/")
    await visitor.http.get(await visitor.finish(begun.headers["location"]))
    leaving = await visitor.http.get(f"{apache.url}/private/callback", params={"logout": apache.public})
    assert leaving.status_code == 302
    await visitor.visit(leaving.headers["location"])
    assert visitor.left_for is not None
    assert visitor.left_for.startswith(apache.public)
    assert (await visitor.http.get(f"{apache.url}/private/")).status_code == 302
    await visitor.visit(f"{visitor.server.issuer}/account")
    assert visitor.title == "Sign in"
