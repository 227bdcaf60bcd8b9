"""Client assertions that are signed as they should be and odd in everything else: each is a failed authentication."""

from typing import Any

import httpx
import pytest

from clients.authentication.presented import ASSERTION_TYPE
from tests.attacks.refusals import (
    CLIENT_ENDPOINTS,
    DEEP,
    FORM,
    check_refused,
    one_database,
    public_keys,
    request_object,
)
from tests.keys.material import jws
from tests.support.server import RunningServer


def nested(text: str) -> str:
    return '{"sub":"robot","x":' + text + "}"


def claims(server: RunningServer, **changes: Any) -> dict[str, Any]:
    now = server.clock.now()
    fixed = {"iss": "robot", "sub": "robot", "aud": server.issuer, "jti": "1", "iat": now, "exp": now + 60}
    return {**fixed, **changes}


async def post_assertion(server: RunningServer, path: str, assertion: str) -> httpx.Response:
    form = {**FORM, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    async with server.http() as http:
        return await http.post(path, data=form)


@pytest.fixture
async def robot(server: RunningServer) -> RunningServer:
    """A server with a client that signs assertions with the key of `jws`."""
    await server.add_service("robot", token_endpoint_auth_method="private_key_jwt", jwks=public_keys())
    return server


@pytest.mark.parametrize("path", CLIENT_ENDPOINTS)
async def test_an_assertion_as_it_should_be_is_accepted(robot: RunningServer, path: str) -> None:
    """RFC 7523 section 3: what the malformed ones below are measured by."""
    response = await post_assertion(robot, path, jws({"alg": "ES256"}, claims(robot)))
    assert response.status_code == 200, response.text


ASSERTION_HEADERS: dict[str, Any] = {
    "a kid with a quote": {"alg": "ES256", "kid": '"'},
    "a kid that is an object": {"alg": "ES256", "kid": {}},
    "an alg with a quote": {"alg": 'ES256"'},
    "an alg that is a list": {"alg": ["ES256"]},
    "no alg": {},
    "alg none": {"alg": "none"},
    "crit that is a number": {"alg": "ES256", "crit": 5},
    "crit that is null": {"alg": "ES256", "crit": None},
    "crit with an object": {"alg": "ES256", "crit": [{}]},
    "typ that is a number": {"alg": "ES256", "typ": 5},
    "a header that is a string": '"alg"',
    "a header that is a list": '["alg"]',
    "a header that is null": "null",
    "a header that is no JSON": "{",
    "a header that is not UTF-8": b"\xff",
    "a header nested 1100 deep": '{"alg":"ES256","x":' + DEEP + "}",
}


@one_database
@pytest.mark.parametrize("header", ASSERTION_HEADERS.values(), ids=ASSERTION_HEADERS)
async def test_an_assertion_with_an_odd_header_is_refused(robot: RunningServer, header: Any) -> None:
    """RFC 7515 sections 4.1.11 and 5.2, though the signature is right."""
    for path in CLIENT_ENDPOINTS:
        check_refused(await post_assertion(robot, path, jws(header, claims(robot))), "invalid_client")


ASSERTION_PAYLOADS: dict[str, str | bytes] = {
    "that is a list": '["robot"]',
    "that is a string": '"robot"',
    "that is empty": "",
    "that is not UTF-8": b'{"sub":"robot\xff"}',
    "nested 1100 deep": nested(DEEP),
    "nested 3000 deep": nested("[" * 3000 + "]" * 3000),
    "with NaN": nested("NaN"),
    "with a number of 5000 digits": nested("9" * 5000),
    "with half a surrogate pair": '{"sub":"\\ud800"}',
    "with NUL": '{"sub":"\\u0000"}',
    "whose subject is a list": '{"sub":["robot"]}',
    "whose subject is an object": '{"sub":{}}',
}


@one_database
@pytest.mark.parametrize("payload", ASSERTION_PAYLOADS.values(), ids=ASSERTION_PAYLOADS)
async def test_an_assertion_with_an_odd_payload_is_refused(robot: RunningServer, payload: str | bytes) -> None:
    """RFC 7519 section 7.2, though the signature is right."""
    for path in CLIENT_ENDPOINTS:
        check_refused(await post_assertion(robot, path, jws({"alg": "ES256"}, payload)), "invalid_client")


@one_database
async def test_what_is_nested_forty_thousand_deep_is_too_large_to_be_read(robot: RunningServer) -> None:
    deepest = "[" * 40_000 + "]" * 40_000
    response = await post_assertion(robot, "/token", jws({"alg": "ES256"}, nested(deepest)))
    assert (response.status_code, response.json()["error"]) == (413, "invalid_request")
    form = {"client_id": "robot", "request": request_object(deepest)}
    async with robot.http() as http:
        response = await http.post("/authorize", data=form)
    assert (response.status_code, response.json()["error"]) == (413, "invalid_request")


ODD_CLAIMS: dict[str, dict[str, Any]] = {
    "exp is a string": {"exp": "soon"},
    "exp is a truth value": {"exp": True},
    "exp is beyond all databases": {"exp": 2**63},
    "exp is missing": {"exp": None},
    "iat is a list": {"iat": []},
    "jti is a number": {"jti": 5},
    "jti is an object": {"jti": {}},
    "aud is an object": {"aud": {"x": 1}},
    "aud is a number": {"aud": 5},
    "iss is a list with the client in it": {"iss": ["robot"]},
}


@one_database
@pytest.mark.parametrize("changes", ODD_CLAIMS.values(), ids=ODD_CLAIMS)
async def test_an_assertion_with_odd_claims_is_refused(robot: RunningServer, changes: dict[str, Any]) -> None:
    """RFC 7523 section 3."""
    response = await post_assertion(robot, "/token", jws({"alg": "ES256"}, claims(robot, **changes)))
    check_refused(response, "invalid_client")


async def test_a_jti_that_a_database_cannot_keep_is_used_like_any_other(robot: RunningServer) -> None:
    """RFC 7519 section 4.1.7: any string; PostgreSQL stores no NUL."""
    for jti in ("\0", "\U0001f600", '"'):
        assertion = jws({"alg": "ES256"}, claims(robot, jti=jti))
        assert (await post_assertion(robot, "/token", assertion)).status_code == 200
        check_refused(await post_assertion(robot, "/token", assertion), "invalid_client")
