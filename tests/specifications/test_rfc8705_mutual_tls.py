"""Mutual-TLS client authentication and certificate-bound access tokens: RFC 8705.

The proxy is played by a client at its address: what it sends, nginx would.
"""

from ipaddress import ip_address
from typing import Any

import httpx
import pytest
from cryptography.x509 import DNSName, GeneralName, IPAddress, RFC822Name, UniformResourceIdentifier

from clients.metadata import InvalidClientMetadata, validate
from server.events.names import Event
from server.settings import SettingsError
from tests.conftest import SettingsFor
from tests.support.account import events
from tests.support.certificates import ShownCertificate, make
from tests.support.server import RunningServer
from tests.support.tls_proxy import ON, PROXY, SERVICE, STRANGER, WITH_PROXY, headers_of, post

PKI, SELF_SIGNED = "tls_client_auth", "self_signed_tls_client_auth"


async def assert_refused(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client"), response.text


@WITH_PROXY
async def test_a_client_is_known_by_the_subject_of_a_verified_certificate(
    server: RunningServer, shown: ShownCertificate
) -> None:
    """Section 2.1: however the distinguished name is spelled, and in its own order."""
    await server.add_service(token_endpoint_auth_method=PKI, tls_client_auth_subject_dn="CN=client, O=\\53hop")
    response = await post(server, headers_of(shown))
    assert response.status_code == 200, response.text
    now = server.clock.now()
    for other in ("CN=Client,O=Shop", "O=Shop,CN=client", "CN=client", "CN=client,O=Shop,C=DE", "CN=client+O=Shop"):
        await assert_refused(await post(server, headers_of(make(now, other))))


@WITH_PROXY
async def test_a_certificate_whose_chain_was_not_verified_is_worth_nothing(
    server: RunningServer, shown: ShownCertificate
) -> None:
    """Section 2.1: anybody can make one with that name."""
    await server.add_service(token_endpoint_auth_method=PKI, tls_client_auth_san_dns="client.example")
    for verify in ("NONE", "FAILED:self-signed certificate", "", "success", "SUCCESS "[:7] + "x"):
        await assert_refused(await post(server, headers_of(shown, verify)))
    await assert_refused(await post(server, {"x-client-certificate": shown.nginx}))
    twice = [("x-client-certificate", shown.nginx), ("x-client-verify", "SUCCESS"), ("x-client-verify", "NONE")]
    await assert_refused(await post(server, twice))
    assert (await post(server, headers_of(shown))).status_code == 200


NAMES: list[tuple[str, str, GeneralName, GeneralName]] = [
    ("tls_client_auth_san_dns", "CLIENT.example", DNSName("client.example"), DNSName("other.example")),
    (
        "tls_client_auth_san_uri",
        "urn:shop:1",
        UniformResourceIdentifier("urn:shop:1"),
        UniformResourceIdentifier("urn:shop:2"),
    ),
    ("tls_client_auth_san_ip", "192.0.2.7", IPAddress(ip_address("192.0.2.7")), IPAddress(ip_address("192.0.2.8"))),
    (
        "tls_client_auth_san_ip",
        "2001:DB8::0:7",
        IPAddress(ip_address("2001:db8::7")),
        IPAddress(ip_address("2001:db8::8")),
    ),
    ("tls_client_auth_san_email", "a@client.example", RFC822Name("a@client.example"), RFC822Name("b@client.example")),
]


@WITH_PROXY
@pytest.mark.parametrize(("member", "value", "right", "wrong"), NAMES)
async def test_a_client_is_known_by_one_alternative_name(
    server: RunningServer, member: str, value: str, right: GeneralName, wrong: GeneralName
) -> None:
    """Section 2.1.2: the names of that kind alone count."""
    await server.add_service(token_endpoint_auth_method=PKI, **{member: value})
    now = server.clock.now()
    several = make(now, "CN=x", wrong, right)
    assert (await post(server, headers_of(several))).status_code == 200
    await assert_refused(await post(server, headers_of(make(now, "CN=x", wrong))))
    await assert_refused(await post(server, headers_of(make(now, f"CN={value.replace('+', '')}"))))


@WITH_PROXY
async def test_a_wildcard_is_not_every_name(server: RunningServer) -> None:
    await server.add_service(token_endpoint_auth_method=PKI, tls_client_auth_san_dns="client.example")
    await assert_refused(await post(server, headers_of(make(server.clock.now(), "CN=x", DNSName("*.example")))))


def test_exactly_one_name_is_registered() -> None:
    """Section 2.1.2."""
    base: dict[str, Any] = {"grant_types": ["client_credentials"], "token_endpoint_auth_method": PKI}
    names = {member: value for member, value, _, _ in NAMES} | {"tls_client_auth_subject_dn": "CN=client"}
    for member, value in names.items():
        assert validate({**base, member: value})[member] == value
    dns = {"tls_client_auth_san_dns": "client.example"}
    wrong: list[dict[str, Any]] = [
        {},
        {**dns, "tls_client_auth_subject_dn": "CN=client"},
        {**dns, "token_endpoint_auth_method": "client_secret_basic"},
        {"tls_client_auth_subject_dn": "client"},
        {"tls_client_auth_subject_dn": ""},
        {"tls_client_auth_subject_dn": 5},
        {"tls_client_auth_san_ip": "client.example"},
        {"tls_client_auth_san_dns": "a\nb"},
    ]
    for members in wrong:
        with pytest.raises(InvalidClientMetadata):
            validate({**base, **members})


@WITH_PROXY
async def test_a_self_signed_certificate_is_the_registered_one(server: RunningServer, shown: ShownCertificate) -> None:
    """Section 2.2: whatever the proxy thinks of its chain."""
    old = make(server.clock.now())
    jwks = {"keys": [{**old.jwk, "kid": "old"}, {**shown.jwk, "kid": "new"}]}
    await server.add_service(token_endpoint_auth_method=SELF_SIGNED, jwks=jwks)
    for certificate in (old, shown):
        assert (await post(server, headers_of(certificate, "FAILED:self-signed certificate"))).status_code == 200
    await assert_refused(await post(server, headers_of(make(server.clock.now(), "CN=client,O=Shop"))))
    await assert_refused(await post(server, headers_of(None, "NONE")))


def test_a_self_signed_client_registers_a_certificate_of_its_key() -> None:
    """Section 2.2.2, RFC 7517 section 4.7."""
    one, other = make(1_790_000_000), make(1_790_000_000)
    base: dict[str, Any] = {"grant_types": ["client_credentials"], "token_endpoint_auth_method": SELF_SIGNED}
    kept = validate({**base, "jwks": {"keys": [{**one.jwk, "x5c": [*one.jwk["x5c"], *other.jwk["x5c"]]}]}})["jwks"]  # type: ignore[misc]  # a list of texts
    assert kept == {"keys": [one.jwk]}
    without = {name: value for name, value in one.jwk.items() if name != "x5c"}
    for x5c in (None, [], ["x"], "x", [5], other.jwk["x5c"]):
        with pytest.raises(InvalidClientMetadata):
            validate({**base, "jwks": {"keys": [{**without, "x5c": x5c}]}})
    with pytest.raises(InvalidClientMetadata):
        validate(base)


@WITH_PROXY
async def test_a_certificate_that_is_over_or_not_yet_valid_proves_nothing(server: RunningServer) -> None:
    """RFC 5280 section 4.1.2.5; nobody else looks at a self-signed one."""
    now = server.clock.now()
    late, early = make(now, days=10), make(now, starts_in=10)
    jwks = {"keys": [{**late.jwk, "kid": "late"}, {**early.jwk, "kid": "early"}]}
    await server.add_service(token_endpoint_auth_method=SELF_SIGNED, jwks=jwks)
    await assert_refused(await post(server, headers_of(early)))
    assert (await post(server, headers_of(late))).status_code == 200
    server.clock.advance(10 * 86_400 + 1)
    await assert_refused(await post(server, headers_of(late)))
    assert (await post(server, headers_of(early))).status_code == 200


@WITH_PROXY
async def test_only_a_trusted_proxy_is_believed(server: RunningServer, shown: ShownCertificate) -> None:
    """RFC 9440 section 4, RFC 9700 section 4.13: a stranger sends the same headers, even with the proxy's address."""
    await server.add_service(token_endpoint_auth_method=SELF_SIGNED, jwks={"keys": [shown.jwk]})
    for forwarded in (STRANGER, PROXY, f"{PROXY}, {PROXY}"):
        headers = headers_of(shown, **{"x-forwarded-for": forwarded})
        await assert_refused(await post(server, headers, address=STRANGER))
    assert (await post(server, headers_of(shown))).status_code == 200


@WITH_PROXY
async def test_a_header_that_stands_twice_or_is_damaged_is_no_certificate(
    server: RunningServer, shown: ShownCertificate
) -> None:
    """RFC 9440 section 2.4: the proxy replaces what a stranger sent, and does not add to it."""
    await server.add_service(token_endpoint_auth_method=SELF_SIGNED, jwks={"keys": [shown.jwk]})
    other = make(server.clock.now())
    for pair in ((shown.nginx, other.nginx), (other.nginx, shown.nginx), (shown.nginx, shown.nginx)):
        await assert_refused(await post(server, [("x-client-certificate", value) for value in pair]))
    damaged = (
        *("", "x", ":", "::", ":x:", shown.rfc9440[:-1], shown.rfc9440[1:], "%zz", shown.nginx[:200]),
        *(f"{shown.rfc9440}, {shown.rfc9440}", "%2D" * 6000, "%ff%fe", ":" + "A" * 20_000 + ":"),
    )
    for value in damaged:
        await assert_refused(await post(server, {"x-client-certificate": value}))


@WITH_PROXY
async def test_the_header_of_rfc_9440_is_read_as_well(server: RunningServer, shown: ShownCertificate) -> None:
    """RFC 9440 section 2.2."""
    await server.add_service(token_endpoint_auth_method=SELF_SIGNED, jwks={"keys": [shown.jwk]})
    assert (await post(server, {"x-client-certificate": shown.rfc9440})).status_code == 200


@WITH_PROXY
async def test_the_client_names_itself_and_uses_no_second_method(
    server: RunningServer, shown: ShownCertificate
) -> None:
    """Section 2: client_id is required; RFC 6749 section 2.3: one method."""
    await server.add_service(token_endpoint_auth_method=SELF_SIGNED, jwks={"keys": [shown.jwk]})
    await assert_refused(await post(server, headers_of(shown), {"grant_type": "client_credentials"}))
    secret = {**SERVICE, "client_secret": "x"}
    await assert_refused(await post(server, headers_of(shown), secret))
    await server.add_service("basic")
    await assert_refused(await post(server, headers_of(shown), {**SERVICE, "client_id": "basic"}))


@WITH_PROXY
async def test_discovery_names_methods_binding_and_aliases(server: RunningServer) -> None:
    """Sections 2.1.1, 2.2.1, 3.3 and 5."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    for endpoint in ("token", "introspection", "revocation"):
        assert {PKI, SELF_SIGNED} <= set(document[f"{endpoint}_endpoint_auth_methods_supported"])
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    assert document["tls_client_certificate_bound_access_tokens"] is True
    aliases = document["mtls_endpoint_aliases"]
    assert aliases["token_endpoint"] == "https://mtls.login.example.com/token"
    assert aliases["userinfo_endpoint"] == "https://mtls.login.example.com/userinfo"
    assert "authorization_endpoint" not in aliases
    for name, url in aliases.items():
        assert document[name].removeprefix(server.issuer) == url.removeprefix("https://mtls.login.example.com")


async def test_without_a_proxy_nothing_is_announced_and_no_header_counts(
    server: RunningServer, shown: ShownCertificate
) -> None:
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert not {PKI, SELF_SIGNED} & set(document["token_endpoint_auth_methods_supported"])
    assert not {"tls_client_certificate_bound_access_tokens", "mtls_endpoint_aliases"} & document.keys()
    await server.add_service(token_endpoint_auth_method=SELF_SIGNED, jwks={"keys": [shown.jwk]})
    for address in (PROXY, STRANGER, "127.0.0.1"):
        await assert_refused(await post(server, headers_of(shown), address=address))


@pytest.mark.parametrize("overrides", [{**ON, "client_certificate_verified_header": "", "mtls_url": ""}], indirect=True)
async def test_without_the_header_of_verification_no_chain_counts(
    server: RunningServer, shown: ShownCertificate
) -> None:
    """Section 2.1: nobody says that it was verified."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    methods = document["token_endpoint_auth_methods_supported"]
    assert (PKI in methods, SELF_SIGNED in methods) == (False, True)
    assert "mtls_endpoint_aliases" not in document
    await server.add_service(token_endpoint_auth_method=PKI, tls_client_auth_san_dns="client.example")
    await assert_refused(await post(server, headers_of(shown)))


@pytest.mark.parametrize(
    "changes",
    [
        {"trusted_proxies": ()},
        {"client_certificate_header": ""},
        {"mtls_url": "http://mtls.login.example.com"},
        {"client_certificate_header": "", "client_certificate_verified_header": ""},
    ],
)
def test_settings_that_contradict_each_other_stop_the_start(settings_for: SettingsFor, changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="OSTIARY_"):
        settings_for(**{**ON, **changes})


@WITH_PROXY
async def test_the_address_that_a_trusted_proxy_forwards_is_the_one_that_counts(server: RunningServer) -> None:
    """RFC 9700 section 4.13: a stranger's own header says nothing, the proxy's says who asks."""
    await server.add_service()
    form = {**SERVICE, "client_secret": "x"}
    for address, forwarded in ((PROXY, "198.51.100.7"), (PROXY, f"203.0.113.9, {PROXY}"), (STRANGER, "203.0.113.66")):
        await assert_refused(await post(server, {"x-forwarded-for": forwarded}, form, address=address))
    rows = await events(server, Event.CLIENT_AUTHENTICATION_FAILED)
    assert sorted(row["address"] for row in rows) == sorted(["198.51.100.7", "203.0.113.9", STRANGER])


@pytest.mark.parametrize("overrides", [{**ON, "client_registration": "open"}], indirect=True)
async def test_a_client_may_register_itself_for_what_is_announced(server: RunningServer) -> None:
    """Section 2.1.2 with RFC 7591 section 3: without the proxy it is refused, which its tests show."""
    metadata = {
        "redirect_uris": ["https://client.example/cb"],
        "token_endpoint_auth_method": PKI,
        "tls_client_auth_san_dns": "client.example",
    }
    async with server.http() as http:
        response = await http.post("/register", json=metadata)
    assert response.status_code == 201, response.text
    assert response.json()["token_endpoint_auth_method"] == PKI
