"""Request objects: RFC 9101 (JAR), OpenID Connect Core section 6."""

import asyncio
import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.keys.material import key_pair, segment, signer
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

TYPE = "oauth-authz-req+jwt"
JWKS = {"keys": [key_pair("ES256").public_jwk, key_pair("RS256").public_jwk]}

MALFORMED: tuple[dict[str, Any], ...] = (
    {"iss": None},
    {"iss": "web"},
    {"aud": None},
    {"aud": "https://other.example"},
    {"aud": ["https://other.example"]},
    {"aud": 5},
    {"aud": {"https://login.example.com": 1}},
    {"exp": 5},
    {"exp": "soon"},
    {"exp": 4_000_000_000},
    {"nbf": 1_790_000_900},
    {"nbf": 1_789_990_000},
    {"iat": 1_790_000_900},
    {"client_id": "web"},
    {"client_id": None},
    {"sub": "jar"},
    {"request": "e30.e30."},
    {"request_uri": "https://client.example/r"},
    {"state": "\ud800"},
    {"state": "a\0b"},
    {"redirect_uri": None, "response_mode": 1, "request": None, "request_uri": ""},
    {f"p{number}": "x" for number in range(101)},
)


@pytest.fixture
async def jar(server: RunningServer) -> RelyingParty:
    """A client that signs its requests."""
    return RelyingParty(server, "jar", await server.add_client("jar", jwks=JWKS))


def claims_of(rp: RelyingParty, **changes: Any) -> dict[str, Any]:
    now = rp.server.clock.now()
    token = {"iss": rp.client_id, "aud": rp.server.issuer, "iat": now, "nbf": now, "exp": now + 300, "jti": "j1"}
    values = {**rp.parameters(), **token, **changes}
    return {name: value for name, value in values.items() if value is not None}


def signed(rp: RelyingParty, algorithm: str = "ES256", number: int = 1, typ: str = TYPE, **changes: Any) -> str:
    return signer(algorithm, number).sign(claims_of(rp, **changes), typ=typ)


def url(rp: RelyingParty, request: str, **beside: str) -> str:
    """Return an authorization URL with a request object and little else."""
    return f"{rp.server.issuer}/authorize?{urlencode({'client_id': rp.client_id, 'request': request, **beside})}"


async def refused(person: Person, address: str, error: str = "invalid_request_object") -> None:
    """Expect our own page, because nothing proves where to go."""
    await person.visit(address)
    assert person.left_for is None
    assert person.response.status_code == 400
    assert f"(error: {error})" in person.text


async def consent(person: Person) -> None:
    await person.sign_in()
    await person.postpone()
    await person.consent()


async def test_what_is_signed_is_what_is_authorized(person: Person, jar: RelyingParty) -> None:
    """Sections 4 and 5."""
    await person.visit(url(jar, signed(jar)))
    await consent(person)
    answer = person.answer()
    assert answer["state"] == jar.state
    tokens = (await jar.redeem(answer["code"])).json()
    _, claims = await jar.verified(tokens["id_token"])
    assert claims["nonce"] == jar.nonce


async def test_each_key_of_the_client_signs_under_each_known_type(person: Person, jar: RelyingParty) -> None:
    """Sections 6.2 and 10.8."""
    for algorithm in ("ES256", "RS256"):
        for typ in (TYPE, f"application/{TYPE}", "JWT"):
            await person.visit(url(jar, signed(jar, algorithm, typ=typ)))
            assert person.title == "Sign in"


@pytest.mark.parametrize(("name", "seconds"), [("exp", 59.5), ("iat", -0.5), ("nbf", -0.5)])
async def test_a_time_may_have_a_fraction(person: Person, jar: RelyingParty, name: str, seconds: float) -> None:
    """Section 4 with RFC 7519 section 2, NumericDate."""
    fraction: dict[str, Any] = {name: jar.server.clock.now() + seconds}
    await person.visit(url(jar, signed(jar, **fraction)))
    assert person.title == "Sign in"


async def test_only_what_is_signed_counts(person: Person, jar: RelyingParty) -> None:
    """Section 5: parameters beside the object are ignored, also those that the object lacks."""
    beside = {"scope": "openid address", "state": "x", "prompt": "none", "redirect_uri": "https://evil.example/cb"}
    await person.visit(url(jar, signed(jar, state=None), **beside))
    await consent(person)
    answer = person.answer()
    assert "state" not in answer
    assert (await jar.redeem(answer["code"])).json()["scope"] == jar.scope


async def test_numbers_objects_and_lists_keep_their_meaning(person: Person, jar: RelyingParty) -> None:
    """Section 4: parameters are JSON of their own kind."""
    claims = {"id_token": {"given_name": None, "name": {"essential": True}}}
    await person.visit(url(jar, signed(jar, claims=claims, max_age=3600, prompt="login")))
    await consent(person)
    tokens = (await jar.redeem(person.answer()["code"])).json()
    _, id_token = await jar.verified(tokens["id_token"])
    assert id_token["name"] == "Alice Ample"


@pytest.mark.parametrize("beside", [{"client_id": "web"}, {"response_type": "id_token"}])
async def test_what_is_repeated_beside_it_must_be_the_same(
    server: RunningServer, person: Person, jar: RelyingParty, beside: dict[str, str]
) -> None:
    """Section 5, OpenID Connect Core section 6.1."""
    await server.add_client("web", jwks=JWKS)
    await person.visit(url(jar, signed(jar), **beside))
    assert person.left_for is None
    assert person.response.status_code == 400
    await person.visit(url(jar, signed(jar), response_type="code"))
    assert person.title == "Sign in"


async def test_an_object_that_is_not_as_it_must_be_is_refused(person: Person, jar: RelyingParty) -> None:
    """Sections 4, 6.2, 6.3 and 10.8."""
    for changes in MALFORMED:
        await refused(person, url(jar, signed(jar, **changes)))


async def test_an_audience_may_be_one_of_several(person: Person, jar: RelyingParty) -> None:
    """Section 4; RFC 7519 section 4.1.3."""
    await person.visit(url(jar, signed(jar, aud=["https://other.example", jar.server.issuer])))
    assert person.title == "Sign in"


async def test_a_wrong_signature_is_refused(person: Person, jar: RelyingParty) -> None:
    """Section 6.2."""
    right = signed(jar)
    header, payload, signature = right.split(".")
    unsigned = f"{segment({'alg': 'none'})}.{payload}."
    shared = f"{segment({'alg': 'HS256', 'typ': TYPE})}.{payload}.{signature}"
    altered = f"{header}.{segment(claims_of(jar, scope='openid address'))}.{signature}"
    others = signed(jar, number=2)
    for token in (unsigned, shared, altered, others, signed(jar, typ="at+jwt"), "x", "a.b.c", "é", f"{right}.x.y"):
        await refused(person, url(jar, token))


async def test_the_registered_algorithm_is_the_only_one(
    server: RunningServer, person: Person, jar: RelyingParty
) -> None:
    """Section 10.2, OpenID Connect Dynamic Client Registration 1.0 section 2: request_object_signing_alg."""
    await server.change_client("jar", request_object_signing_alg="RS256")
    await refused(person, url(jar, signed(jar, "ES256")))
    await person.visit(url(jar, signed(jar, "RS256")))
    assert person.title == "Sign in"


async def test_the_redirect_uri_inside_must_be_registered(person: Person, jar: RelyingParty) -> None:
    """Section 6.3: a signature replaces none of the checks."""
    await refused(person, url(jar, signed(jar, redirect_uri="https://evil.example/cb")), "invalid_request")
    await person.visit(url(jar, signed(jar, scope="openid wat")))
    assert (person.answer()["error"], person.answer()["state"]) == ("invalid_scope", jar.state)


async def test_a_redirect_uri_that_stands_only_beside_the_object_does_not_count_and_the_page_says_so(
    person: Person, jar: RelyingParty
) -> None:
    """Section 6.3: the parameters of the object are the only ones."""
    beside = jar.parameters()["redirect_uri"]
    assert beside is not None
    await refused(person, url(jar, signed(jar, redirect_uri=None), redirect_uri=beside), "invalid_request")
    assert "The signed request does not say which address to return to." in person.text


async def test_an_error_goes_to_a_registered_redirect_uri_that_stands_beside_the_object(
    person: Person, jar: RelyingParty
) -> None:
    """Section 7, OpenID Connect Core section 6.1: those who repeat their parameters are told."""
    beside = {**jar.parameters(), "request": "e30.e30.x"}
    await person.visit(f"{jar.server.issuer}/authorize?{urlencode(beside)}")
    assert (person.answer()["error"], person.answer()["state"]) == ("invalid_request_object", jar.state)
    await refused(person, url(jar, "e30.e30.x", redirect_uri="https://evil.example/cb"))


async def test_one_request_comes_in_one_way(person: Person, jar: RelyingParty) -> None:
    """Section 5: request and request_uri exclude each other."""
    both = url(jar, signed(jar), request_uri="https://client.example/r")
    await refused(person, both, "invalid_request")
    await refused(person, url(jar, signed(jar)) + f"&request={signed(jar)}", "invalid_request")
    await refused(person, url(jar, signed(jar)) + "&client_id=jar", "invalid_request")


async def test_it_needs_no_times(person: Person, jar: RelyingParty) -> None:
    """Section 4 and OpenID Connect Core section 6.1 ask for none."""
    await person.visit(url(jar, signed(jar, exp=None, nbf=None, iat=None, jti=None)))
    assert person.title == "Sign in", person.text


async def test_a_client_without_keys_cannot_sign(person: Person, rp: RelyingParty, jar: RelyingParty) -> None:
    """OpenID Connect Core section 3.1.2.6."""
    await refused(person, url(rp, signed(rp)), "request_not_supported")
    assert jar.client_id != rp.client_id


async def test_a_client_may_be_held_to_sign(server: RunningServer, person: Person, jar: RelyingParty) -> None:
    """Section 10.5; FAPI 2.0 Message Signing section 5.3.1 wants nbf and exp."""
    await server.change_client("jar", require_signed_request_object=True)
    await person.visit(jar.url())
    assert person.answer()["error"] == "invalid_request"
    await refused(person, url(jar, signed(jar, nbf=None)))
    await refused(person, url(jar, signed(jar, exp=None)))
    await person.visit(url(jar, signed(jar)))
    assert person.title == "Sign in"


async def test_it_may_be_pushed(server: RunningServer, person: Person, jar: RelyingParty) -> None:
    """RFC 9126 section 3."""
    await server.change_client("jar", require_signed_request_object=True, require_pushed_authorization_requests=True)
    response = await jar.post("/par", request=signed(jar), scope="openid address", state="x")
    assert response.status_code == 201, response.text
    query = {"client_id": jar.client_id, "request_uri": response.json()["request_uri"]}
    await person.visit(f"/authorize?{urlencode(query)}")
    await consent(person)
    assert person.answer()["state"] == jar.state
    assert (await jar.redeem(person.answer()["code"])).json()["scope"] == jar.scope
    for form, error in (
        ({"request": signed(jar, number=2)}, "invalid_request_object"),
        ({"request": signed(jar, redirect_uri="https://evil.example/cb")}, "invalid_request"),
        ({"request": signed(jar), "request_uri": "https://client.example/r"}, "invalid_request"),
        (jar.parameters(), "invalid_request"),
    ):
        response = await jar.post("/par", **form)
        assert (response.status_code, response.json()["error"]) == (400, error)


class Host:
    """A client's web server: answers every GET with its body."""

    def __init__(self) -> None:
        self.body = b""
        self.status = b"200 OK"
        self.content_type = b"application/oauth-authz-req+jwt"
        self.asked = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        head = b"HTTP/1.1 %s\r\nlocation: /elsewhere\r\ncontent-type: %s\r\n" % (self.status, self.content_type)
        head += b"content-length: %d\r\nconnection: close\r\n\r\n" % len(self.body)
        writer.write(head + self.body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def host() -> AsyncIterator[tuple[Host, str]]:
    served = Host()
    listening = await asyncio.start_server(served, "127.0.0.1", 0)
    yield served, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/request.jwt"
    listening.close()
    await listening.wait_closed()


def by_reference(rp: RelyingParty, address: str, **beside: str) -> str:
    return f"/authorize?{urlencode({'client_id': rp.client_id, 'request_uri': address, **beside})}"


@pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True}], indirect=True)
async def test_an_object_is_fetched_from_a_registered_address(
    server: RunningServer, person: Person, jar: RelyingParty, host: tuple[Host, str]
) -> None:
    """Sections 5.2 and 10.4; OpenID Connect Core section 6.2: a fragment names the version."""
    served, address = host
    await server.change_client("jar", request_uris=[address])
    served.body = signed(jar).encode()
    for reference in (address, f"{address}#digest"):
        await person.visit(by_reference(jar, reference))
        assert person.title == "Sign in"
    for body in (b"", b"x", b"\xff", signed(jar, number=2).encode(), json.dumps(claims_of(jar)).encode()):
        served.body = body
        await refused(person, by_reference(jar, address))
    served.body = b"x" * 100_000
    await refused(person, by_reference(jar, address), "invalid_request_uri")
    served.body = signed(jar).encode()
    server.clock.advance(10)
    for status in (b"404 Not Found", b"302 Found", b"500 Oops"):
        served.status = status
        await refused(person, by_reference(jar, address), "invalid_request_uri")


@pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True}], indirect=True)
async def test_a_fetched_object_is_called_one(
    server: RunningServer, person: Person, jar: RelyingParty, host: tuple[Host, str]
) -> None:
    """Section 5.2.3; mod_auth_openidc writes application/jwt, a web server text/plain or nothing for such a file."""
    served, address = host
    await server.change_client("jar", request_uris=[address])
    served.body = signed(jar).encode()
    for content_type in (b"application/jwt", b"text/plain; charset=utf-8", b"", b"application/octet-stream"):
        served.content_type = content_type
        await person.visit(by_reference(jar, address))
        assert person.title == "Sign in", content_type
    for content_type in (b"text/html", b"application/json", b"image/png"):
        served.content_type = content_type
        await refused(person, by_reference(jar, address), "invalid_request_uri")


@pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True}], indirect=True)
async def test_a_stranger_makes_us_fetch_at_a_pace_and_keeps_nobody_from_signing_in(
    server: RunningServer, person: Person, jar: RelyingParty, host: tuple[Host, str]
) -> None:
    """Section 10.4.1: ten at once, then one a second; meanwhile what was fetched last is good for a minute."""
    served, address = host
    await server.change_client("jar", request_uris=[address])
    served.body = signed(jar, exp=server.clock.now() + 3000).encode()
    digest = urlsafe_b64encode(hashlib.sha256(served.body).digest()).rstrip(b"=").decode()
    for _ in range(30):
        await person.visit(by_reference(jar, address))
        assert person.title == "Sign in"
    assert served.asked == 10
    server.clock.advance(5)
    for number in range(30):
        await person.visit(by_reference(jar, f"{address}#made-up-{number}"))
    assert served.asked == 15
    # OpenID Connect Core section 6.2: the fragment may be the digest of what is meant.
    for reference in (address, f"{address}#{digest}"):
        await person.visit(by_reference(jar, reference))
        assert person.title == "Sign in"
    await refused(person, by_reference(jar, f"{address}#another"), "invalid_request_uri")
    assert served.asked == 15
    server.clock.advance(1)
    await person.visit(by_reference(jar, f"{address}#another"))
    assert (person.title, served.asked) == ("Sign in", 16)


@pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True}], indirect=True)
async def test_no_other_address_is_fetched(
    server: RunningServer, person: Person, jar: RelyingParty, host: tuple[Host, str]
) -> None:
    """Section 10.4.1: otherwise everybody could make the server ask whomever they like."""
    served, address = host
    served.body = signed(jar).encode()
    await refused(person, by_reference(jar, address), "request_uri_not_supported")
    await server.change_client("jar", request_uris=[address])
    for other in (f"{address}?x", address.replace("request", "other"), f"{address}/..", "file:///etc/passwd"):
        await refused(person, by_reference(jar, other), "invalid_request_uri")
    await person.visit(by_reference(jar, "https://client.example/r", **jar.parameters()))
    assert person.answer()["error"] == "invalid_request_uri"
    assert served.asked == 0


async def test_a_private_address_is_not_fetched(
    server: RunningServer, person: Person, jar: RelyingParty, host: tuple[Host, str]
) -> None:
    """Section 10.4.1."""
    served, address = host
    await server.change_client("jar", request_uris=[address])
    await refused(person, by_reference(jar, address), "invalid_request_uri")
    assert served.asked == 0


async def test_metadata_announces_what_is_served(server: RunningServer) -> None:
    """Section 10.5, OpenID Connect Discovery 1.0 section 3."""
    async with server.http() as http:
        metadata: dict[str, Any] = (await http.get("/.well-known/openid-configuration")).json()
    assert metadata["request_parameter_supported"] is True
    assert metadata["request_uri_parameter_supported"] is True
    assert metadata["require_request_uri_registration"] is True
    assert metadata["request_object_signing_alg_values_supported"] == ["RS256", "PS256", "ES256", "EdDSA"]
    assert "none" not in metadata["request_object_signing_alg_values_supported"]
    assert "request_object_encryption_alg_values_supported" not in metadata


async def test_a_damaged_key_set_in_the_database_is_no_accident(
    server: RunningServer, person: Person, jar: RelyingParty
) -> None:
    """Section 6.2."""
    await server.change_client("jar", jwks={"keys": [{}]})
    await refused(person, url(jar, signed(jar)))
    response = await jar.post("/par", request=signed(jar))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request_object")
