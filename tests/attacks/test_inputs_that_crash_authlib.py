"""Inputs that end in an unhandled exception in a server built from Authlib's and joserfc's stock classes.

Here each is an answer: below 500, with a code of its RFC, and no redirect as long as the client is not proven.
"""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from clients.metadata import InvalidClientMetadata, validate
from server.tokens import access_token
from server.tokens.access_token import AccessTokenClaims
from tests.attacks.refusals import (
    CLIENT_ENDPOINTS,
    DEEP,
    FORM,
    check_refused,
    one_database,
    public_keys,
    request_object,
)
from tests.keys.material import jws, segment
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


def basic(raw: bytes) -> bytes:
    return b"Basic " + base64.b64encode(raw)


async def authorize(rp: RelyingParty, **changes: str | None) -> httpx.Response:
    async with rp.server.http(headers={"accept": "text/html"}) as http:
        return await http.get(rp.url(**changes))


def answer_to_client(response: httpx.Response, rp: RelyingParty) -> dict[str, list[str]]:
    """Return the parameters of an answer that went to the registered address."""
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    assert location.startswith((rp.redirect_uri + "?", rp.redirect_uri + "#"))
    return parse_qs(urlsplit(location).query or urlsplit(location).fragment)


UNPROVEN = {
    "redirect_uri with a quote": {"redirect_uri": 'https://client.example/"'},
    "redirect_uri with a backslash": {"redirect_uri": "https://client.example\\@evil.example/cb"},
    "redirect_uri that is not ASCII": {"redirect_uri": "https://client.example/\xe9"},
    "redirect_uri with an emoji": {"redirect_uri": "https://client.example/\U0001f600"},
    "redirect_uri with a line break": {"redirect_uri": "https://client.example/cb\r\nx: y"},
    "redirect_uri with NUL": {"redirect_uri": "https://client.example/cb\0"},
    "redirect_uri that urlsplit refuses": {"redirect_uri": "https://[client.example/cb"},
    "client_id with a quote": {"client_id": 'web"'},
    "client_id that is not ASCII": {"client_id": "w\xe9b"},
    "client_id with NUL": {"client_id": "web\0"},
    "client_id of 5000 characters": {"client_id": "w" * 5000},
}


@one_database
@pytest.mark.parametrize("changes", UNPROVEN.values(), ids=UNPROVEN)
async def test_until_client_and_address_are_proven_a_page_says_no(rp: RelyingParty, changes: dict[str, str]) -> None:
    """RFC 6749 section 4.1.2.1; RFC 9700 section 4.11.2."""
    response = await authorize(rp, **changes)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "(error: invalid_" in response.text
    assert not any(value in response.text for value in changes.values())


PROVEN = {
    "response_type with a quote": ({"response_type": 'co"de'}, "unsupported_response_type"),
    "response_type that is not ASCII": ({"response_type": "c\xf6de"}, "unsupported_response_type"),
    "implicit with a bad response_mode": ({"response_type": "token", "response_mode": "bad"}, "invalid_request"),
    "hybrid with a bad response_mode": (
        {"response_type": "code id_token", "response_mode": 'b"ad'},
        "invalid_request",
    ),
    "scope with a quote": ({"scope": 'openid "'}, "invalid_scope"),
    "prompt with a quote": ({"prompt": '"'}, "invalid_request"),
    # The parser reads this, but whatever copies it recursively needs several stack frames a level.
    "claims nested 600 deep": (
        {"claims": '{"id_token":{"x":{"value":' + "[" * 600 + "]" * 600 + "}}}"},
        "invalid_request",
    ),
    "claims nested 1100 deep": ({"claims": '{"id_token":{"x":{"value":' + DEEP + "}}}"}, "invalid_request"),
    "claims that are a list": ({"claims": "[1]"}, "invalid_request"),
    "claims with half a surrogate pair": ({"claims": '{"userinfo":{"\\ud800":null}}'}, "invalid_request"),
    "max_age that is no number": ({"max_age": "1e400"}, "invalid_request"),
    "id_token_hint with a quote in its kid": (
        {"id_token_hint": jws({"alg": "RS256", "kid": '"'}, {"sub": "x"}, "RS256")},
        "invalid_request",
    ),
    "request object: scope is a list": ({"request": request_object({"scope": ["openid"]})}, "request_not_supported"),
    "request object: scope is an object": ({"request": request_object({"scope": {}})}, "request_not_supported"),
    "request object: response_type is a number": (
        {"request": request_object({"response_type": 5})},
        "request_not_supported",
    ),
    "request object: response_type is an object": (
        {"request": request_object({"response_type": {}})},
        "request_not_supported",
    ),
    "request object: state is an object": ({"request": request_object({"state": {}})}, "request_not_supported"),
    "request object: nested 1100 deep": ({"request": request_object(DEEP)}, "request_not_supported"),
    "request object: the header is a list": (
        {"request": request_object({}, header='["alg"]')},
        "request_not_supported",
    ),
}


@one_database
@pytest.mark.parametrize(("changes", "error"), PROVEN.values(), ids=PROVEN)
async def test_a_proven_client_gets_the_error_at_its_registered_address(
    rp: RelyingParty, changes: dict[str, str], error: str
) -> None:
    """RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6."""
    answer = answer_to_client(await authorize(rp, **changes), rp)
    assert answer["error"] == [error]
    assert answer["state"] == [rp.state]
    assert answer["iss"] == [rp.server.issuer]


HEADERS = {
    "Basic that is not UTF-8": basic(b"\xff:x"),
    "Basic whose secret is not UTF-8": basic(b"web:\xff"),
    "Basic that is not ASCII": b"Basic \xe9",
    "Basic with an UTF-8 header text": "Basic w\xe9b".encode(),
    "Basic without a colon": basic(b"web"),
    "Basic that is not base64": b"Basic =",
    "Basic with a broken percent sign": basic(b"web:%zz%"),
    "Basic with NUL": basic(b"web\0:x"),
    "Basic with percent-encoded NUL": basic(b"web%00:x"),
    "Basic with half a surrogate pair": basic(b"%ED%A0%80:x"),
    "an unknown client that is not ASCII": basic("w\xe9b:x".encode()),
    "an empty header": b"",
    "another scheme": b'Digest username="web"',
}


@one_database
@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.usefixtures("rp")
async def test_a_malformed_authorization_header_is_a_failed_authentication(
    server: RunningServer, header: bytes
) -> None:
    """RFC 6749 sections 2.3.1 and 5.2; RFC 7617 section 2."""
    async with server.http() as http:
        for path in CLIENT_ENDPOINTS:
            response = await http.post(path, data=FORM, headers=[(b"authorization", header)])
            check_refused(response, "invalid_client")
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("method", ["client_secret_post", "private_key_jwt", "none"])
async def test_an_odd_secret_is_a_wrong_secret_even_for_clients_that_have_none(
    server: RunningServer, method: str
) -> None:
    """RFC 6749 section 2.3.1."""
    metadata: dict[str, Any] = {"jwks": public_keys()} if method == "private_key_jwt" else {}
    await server.add_client("odd", token_endpoint_auth_method=method, **metadata)
    async with server.http() as http:
        for secret in ("\xe9", "\U0001f600", '"', "\\", "x" * 16_000):
            response = await http.post("/token", data={**FORM, "client_id": "odd", "client_secret": secret})
            check_refused(response, "invalid_client")


HINTS = {
    "a quote in the kid": jws({"alg": "RS256", "kid": '"'}, {"sub": "x"}, "RS256"),
    "a kid that is an object": jws({"alg": "RS256", "kid": {}}, {"sub": "x"}, "RS256"),
    "alg none": f"{segment({'alg': 'none'})}.{segment({'sub': 'x'})}.",
    "crit that is a number": jws({"alg": "RS256", "crit": 5}, {"sub": "x"}, "RS256"),
    "a header that is a list": f"{segment('[1]')}.{segment('{}')}.x",
    "a payload nested 1100 deep": f"{segment({'alg': 'RS256'})}.{segment(DEEP)}.x",
    "a text that is not ASCII": "\xe9.\xe9.\xe9",
}


@one_database
@pytest.mark.parametrize("hint", HINTS.values(), ids=HINTS)
async def test_an_odd_hint_at_the_end_of_a_session_proves_nothing(rp: RelyingParty, hint: str) -> None:
    """OpenID Connect RP-Initiated Logout 1.0 section 4."""
    parameters = {"id_token_hint": hint, "post_logout_redirect_uri": "https://evil.example/"}
    async with rp.server.http(headers={"accept": "text/html"}) as http:
        alone = await http.get("/end-session", params={"id_token_hint": hint})
        with_address = await http.post("/end-session", data=parameters)
    assert alone.status_code == 200
    assert with_address.status_code == 400
    assert "location" not in with_address.headers


METADATA: dict[str, Any] = {
    "redirect_uris holds a number": {"redirect_uris": [5]},
    "redirect_uris is a text": {"redirect_uris": "https://client.example/cb"},
    "redirect_uris holds half a surrogate pair": {"redirect_uris": ["https://client.example/\ud800"]},
    "the body is a list": [],
    "the body is a text": "{}",
    "the body is null": None,
    "grant_types holds an object": {"grant_types": [{}]},
    "jwks is a list": {"jwks": [], "token_endpoint_auth_method": "private_key_jwt"},
    "jwks is empty": {"jwks": {}, "token_endpoint_auth_method": "private_key_jwt"},
    "jwks has a number for keys": {"jwks": {"keys": 5}, "token_endpoint_auth_method": "private_key_jwt"},
    "a key is a text": {"jwks": {"keys": ["x"]}, "token_endpoint_auth_method": "private_key_jwt"},
    "kty is a list": {"jwks": {"keys": [{"kty": []}]}, "token_endpoint_auth_method": "private_key_jwt"},
    "a name with half a surrogate pair": {"client_name": "\ud800"},
    "a name with NUL": {"client_name": "a\0"},
    "scope is a list": {"scope": ["openid"]},
    "the method is an object": {"token_endpoint_auth_method": {}},
    "a time is a truth value": {"default_max_age": True},
}


@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA)
def test_odd_client_metadata_is_refused_by_an_error_of_its_own(metadata: Any) -> None:
    """RFC 7591 section 3.2.2; the command line registers clients through this."""
    if isinstance(metadata, dict):
        metadata = {"redirect_uris": ["https://client.example/cb"], **metadata}
    with pytest.raises(InvalidClientMetadata) as refusal:
        validate(metadata)
    assert refusal.value.error in ("invalid_client_metadata", "invalid_redirect_uri")


@one_database
@pytest.mark.parametrize("body", [json.dumps({"redirect_uris": [5]}), "[]", '{"jwks":{}}', '{"client_name":"\\ud800"}'])
async def test_registration_over_http_is_neither_announced_nor_served(server: RunningServer, body: str) -> None:
    """RFC 7591 section 3 is optional."""
    async with server.http() as http:
        discovery = (await http.get("/.well-known/openid-configuration")).json()
        response = await http.post("/register", content=body, headers={"content-type": "application/json"})
    assert "registration_endpoint" not in discovery
    assert response.status_code == 404


async def test_a_token_without_scope_is_introspected_and_an_opaque_one_is_answered(rp: RelyingParty) -> None:
    """RFC 7662 section 2.2: scope is optional, and an unknown token is just not active."""
    token = AccessTokenClaims(subject="web", client_id="web", audience="https://api.example", scope="")
    services = rp.server.services
    minted = access_token.mint(services.keys, rp.server.issuer, token, now=services.clock.now(), lifetime=60)
    body = (await rp.post("/introspect", token=minted)).json()
    assert body["active"] is True
    assert "scope" not in body
    for unknown in ("opaque", "a.b", "a.b.c", "a.b.c.d", "\xe9.\xe9.\xe9", "x" * 16_000, '"'):
        response = await rp.post("/introspect", token=unknown)
        assert (response.status_code, response.json()) == (200, {"active": False})


async def test_a_proxy_that_ends_tls_may_speak_plain_http_to_us(server: RunningServer, rp: RelyingParty) -> None:
    """The issuer is configured; what the request's own URL says counts for nothing."""
    plain = server.issuer.replace("https://", "http://")
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    async with server.http(headers={"accept": "text/html"}) as http:
        begun = await http.get(rp.url().replace(server.issuer, plain))
        token = await http.post(f"{plain}/token", data=form, auth=(rp.client_id, rp.client_secret))
    assert begun.status_code == 303
    check_refused(token, "invalid_grant")


BEARERS = {
    "nothing": b"",
    "a scheme alone": b"Bearer",
    "a space": b"Bearer  ",
    "a text that is not ASCII": b"Bearer \xff\xfe",
    "dots": b"Bearer ..",
    "a quote": b'Bearer "',
    "two tokens": b"Bearer a b",
    "a header that is a list": f"Bearer {segment('[1]')}.{segment('{}')}.x".encode(),
    "a payload nested 1100 deep": f"Bearer {segment({'alg': 'RS256'})}.{segment(DEEP)}.x".encode(),
    "16,000 characters": b"Bearer " + b"x" * 16_000,
}


@one_database
@pytest.mark.parametrize("header", BEARERS.values(), ids=BEARERS)
async def test_userinfo_challenges_whoever_has_no_token(server: RunningServer, header: bytes) -> None:
    """RFC 6750 section 3."""
    async with server.http() as http:
        for method in ("GET", "POST"):
            response = await http.request(method, "/userinfo", headers=[(b"authorization", header)])
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Bearer ")
            assert response.json()["error"] == "invalid_token"
