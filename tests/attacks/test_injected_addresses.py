"""Addresses that strangers send: none leads away from here, breaks out of a header, or says who we are."""

import json
import re
from urllib.parse import parse_qs, quote, urlencode, urljoin, urlsplit

import httpx
import pytest

from tests.conftest import Serve
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

HTML = {"accept": "text/html"}
once = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
"""Headers do not depend on the database."""


@once
async def test_no_parameter_leads_away_from_here(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """RFC 9700 section 4.11."""
    names = "next return_to returnTo continue continue_to redirect redirect_url redirect_uri url target dest goto rd to"
    names += " post_logout_redirect_uri RelayState target_link_uri initiate_login_uri callback service request_uri path"
    targets = ("https://evil.example/", "//evil.example/", "\\\\evil.example", "/\\evil.example", "javascript:alert(1)")
    await rp.sign_in(person)
    paths = ("/", "/account", "/account/register", "/end-session", "/authorize", "/account/set-password", "/jwks")
    for target in targets:
        query = urlencode(dict.fromkeys(names.split(), target))
        for path in paths:
            for response in (
                await person.http.get(f"{path}?{query}"),
                await person.http.post(f"{path}?{query}", data=dict.fromkeys(names.split(), target)),
            ):
                location = response.headers.get("location", "/")
                assert urljoin(server.issuer, location).startswith(server.issuer + "/"), (path, location)
                assert not location.startswith(("//", "/\\", "\\")), (path, location)
                assert not _links_to(response, target), path


def _links_to(response: httpx.Response, target: str) -> bool:
    return any(url.startswith(target) for url in re.findall(r'(?:href|action|src)="([^"]*)"', response.text))


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": "https://client.example/cb/../evil"},
        {"redirect_uri": "https://client.example/cb?x=y"},
        {"redirect_uri": "https://client.example/cb#x"},
        {"redirect_uri": "https://client.example@evil.example/cb"},
        {"redirect_uri": "https://client.example.evil.example/cb"},
        {"redirect_uri": "HTTPS://CLIENT.EXAMPLE/cb"},
        {"redirect_uri": "https://client.example/cb\r\nlocation: https://evil.example"},
        {"redirect_uri": "//client.example/cb"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "data:text/html,x"},
        {"redirect_uri": "https://evil.example/", "prompt": "none"},
        {"redirect_uri": "https://evil.example/", "response_type": "nonsense"},
        {"redirect_uri": "https://evil.example/", "response_mode": "form_post"},
        {"redirect_uri": "https://evil.example/", "client_id": "nobody"},
    ],
)
@once
async def test_an_unregistered_redirect_uri_is_not_followed(
    person: Person, rp: RelyingParty, changes: dict[str, str]
) -> None:
    """RFC 6749 section 3.1.2.4, RFC 9700 section 4.11.2."""
    for response in (
        await person.http.get(rp.url(**changes)),
        await person.http.post("/authorize", data=rp.parameters(**changes)),
    ):
        assert response.status_code == 400
        assert "location" not in response.headers
        assert "evil.example" not in response.text


@once
async def test_nothing_that_a_client_sends_breaks_out_of_a_header(person: Person, rp: RelyingParty) -> None:
    """RFC 9110 section 5.5."""
    odd = "a\r\nset-cookie: x=y\r\n\r\n<script>\N{EURO SIGN}&code=z#f"
    for changes in ({}, {"scope": "nonsense"}, {"prompt": "none"}):
        await person.visit(rp.url(**{"state": odd, "prompt": "none", **changes}))
        assert person.left_for is not None
        assert person.left_for.isascii()
        assert person.left_for.isprintable()
        assert parse_qs(urlsplit(person.left_for).query)["state"] == [odd]


@once
async def test_nothing_in_an_address_breaks_out_of_a_header(server: RunningServer) -> None:
    """RFC 9110 section 5.5: an address that nobody has given out is answered with an error, not repeated."""
    odd = ("x\r\nset-cookie: x=y", "\N{EURO SIGN}", "..\\..", "\\\\evil.example", "x\0", "oin_unknown")
    async with server.http() as http:
        for identifier in odd:
            for step in ("register", "sign-in", "nonsense"):
                response = await http.get(f"/interaction/{quote(identifier, safe='')}/{step}", headers=HTML)
                assert (response.status_code, "location" in response.headers) == (400, False), (identifier, step)


def test_no_forwarded_header_of_a_stranger_reaches_an_address_that_we_give_out(serve: Serve) -> None:
    """RFC 9700 section 4.13: the issuer alone says who we are; nobody is a trusted proxy by default."""
    server = serve()
    evil = {
        "host": "evil.example",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "gopher",
        "x-forwarded-port": "666",
        "x-forwarded-prefix": "/evil.example",
        "x-forwarded-for": "203.0.113.66",
        "x-real-ip": "203.0.113.66",
        "forwarded": "for=203.0.113.66;host=evil.example;proto=gopher",
        "x-original-url": "/evil.example",
        "x-rewrite-url": "/evil.example",
        **HTML,
    }
    paths = "/ /account /account/ /account/register /.well-known/openid-configuration /jwks /static"
    paths += " /.well-known/oauth-authorization-server /authorize /userinfo /nonsense //evil.example/.."
    with server.http() as http:
        for path in paths.split():
            response = http.get(server.address + path, headers=evil)
            told = json.dumps(list(response.headers.multi_items())) + response.text
            assert response.status_code < 500, path
            for word in ("evil.example", "gopher", "666"):
                assert word not in told.replace(response.headers["x-request-id"], ""), path
        document = http.get("/.well-known/openid-configuration", headers=evil).json()
        for name, value in document.items():
            if name.endswith(("_endpoint", "_uri")):
                assert value.startswith(server.issuer + "/"), name
    assert "203.0.113.66" not in server.log
    assert '"address": "127.0.0.1"' in server.log


def test_a_trusted_proxy_may_say_who_asks_and_still_not_who_we_are(serve: Serve) -> None:
    """RFC 9700 section 4.13."""
    server = serve(trusted_proxies="127.0.0.1")
    headers = {"x-forwarded-for": "203.0.113.66", "x-forwarded-host": "evil.example", "host": "evil.example"}
    with server.http() as http:
        document = http.get("/.well-known/openid-configuration", headers={**headers, "x-forwarded-proto": "https"})
        response = http.get("/account", headers=headers)
    assert document.json()["issuer"] == server.issuer
    assert response.headers["location"].startswith("/interaction/")
    assert '"address": "203.0.113.66"' in server.log
