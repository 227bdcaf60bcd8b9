"""Initiating login from a third party: OpenID Connect Core section 4. The third party is the account console."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from clients.metadata import InvalidClientMetadata, validate
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

LOGIN = "https://client.example/login?tenant=a"


def _links(person: Person) -> list[str]:
    return [html.unescape(link) for link in re.findall(r'<a [^>]*href="(https://client[^"]*)"', person.response.text)]


async def _applications(person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)
    await person.visit("/account/applications")
    assert person.title == "Applications"


async def test_an_application_is_opened_at_its_own_sign_in(server: RunningServer, person: Person) -> None:
    """Section 4: `iss` is added, by GET, to a URI whose own query stays."""
    secret = await server.add_client(client_name="Shop", initiate_login_uri=LOGIN, client_uri="https://client.example/")
    await _applications(person, RelyingParty(server, client_secret=secret))
    link, home = _links(person)
    assert home == "https://client.example/"
    parts = urlsplit(link)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://client.example/login"
    assert parse_qs(parts.query) == {"tenant": ["a"], "iss": [server.issuer]}
    assert "Open Shop" in person.response.text


async def test_the_application_that_is_opened_can_go_on_without_asking(server: RunningServer, person: Person) -> None:
    """Section 4: the client sends an authentication request to the issuer that is named."""
    rp = RelyingParty(server, client_secret=await server.add_client(initiate_login_uri=LOGIN))
    await _applications(person, rp)
    (issuer,) = parse_qs(urlsplit(_links(person)[0]).query)["iss"]
    async with server.http() as http:
        document = (await http.get(f"{issuer}/.well-known/openid-configuration")).json()
    assert rp.url().startswith(document["authorization_endpoint"])
    await person.visit(rp.url(prompt="none"))
    assert "code" in person.answer()


async def test_without_such_an_address_there_is_the_plain_link_at_most(server: RunningServer, person: Person) -> None:
    secret = await server.add_client(client_uri="https://client.example/")
    await _applications(person, RelyingParty(server, client_secret=secret))
    assert _links(person) == ["https://client.example/"]


async def test_a_disabled_application_is_not_opened(server: RunningServer, person: Person) -> None:
    rp = RelyingParty(server, client_secret=await server.add_client(initiate_login_uri=LOGIN))
    await _applications(person, rp)
    await server.disable_client(rp.client_id)
    server.services.registry.clear()
    await person.visit("/account/applications")
    assert _links(person) == []


@pytest.mark.parametrize("overrides", [{"client_registration": "open"}], indirect=True)
async def test_a_client_registers_its_own_address(server: RunningServer) -> None:
    """OpenID Connect Dynamic Client Registration 1.0 section 2."""
    metadata = {"redirect_uris": ["https://client.example/cb"], "initiate_login_uri": LOGIN}
    async with server.http() as http:
        response = await http.post("/register", json=metadata)
        refused = await http.post("/register", json={**metadata, "initiate_login_uri": "javascript:alert(1)"})
    assert response.json()["initiate_login_uri"] == LOGIN
    assert refused.json()["error"] == "invalid_client_metadata"


@pytest.mark.parametrize("uri", ["http://client.example/login", "/login", "javascript:alert(1)", "https://x/#a", 5])
def test_only_an_https_address_can_be_registered(uri: object) -> None:
    """OpenID Connect Dynamic Client Registration 1.0 section 2: it MUST be https."""
    with pytest.raises(InvalidClientMetadata):
        validate({"redirect_uris": ["https://client.example/cb"], "initiate_login_uri": uri})
