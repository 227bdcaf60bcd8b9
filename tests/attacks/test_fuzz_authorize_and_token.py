"""Requests that are almost right, made by Hypothesis, to every protocol endpoint, on both databases.

Whatever comes in, the answer is a documented one: never a 5xx, an error code of the RFC, and no word of what was sent.
The examples are the same in each run.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from clients.authentication.presented import ASSERTION_TYPE
from server.protocol.request import MAX_VALUE_CHARACTERS
from tests.attacks.almost_right import FORM_TYPE, MARKER, Answer, Odd, odd, send
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

AFTER_SIGN_OUT = "https://client.example/bye"
TOKEN_ERRORS = frozenset(
    (
        *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"),
        *("invalid_scope", "invalid_target"),
    )
)
"""RFC 6749 section 5.2, RFC 8707 section 2."""
BEARER_ERRORS = frozenset({"invalid_request", "invalid_token", "insufficient_scope"})
"""RFC 6750 section 3.1."""
AUTHORIZATION_ERRORS = frozenset(
    (
        *("invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope"),
        *("login_required", "interaction_required", "consent_required", "account_selection_required"),
        *("request_not_supported", "request_uri_not_supported", "registration_not_supported"),
        *("unmet_authentication_requirements", "invalid_request_uri", "invalid_request_object", "invalid_target"),
    )
)
"""RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6, RFC 9101 section 7, RFC 8707 section 2."""
fuzz = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    # One server answers all examples: what an earlier one has left behind must not break a later one.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass
class Target:
    """A server with a client and a person who has signed in, and where its endpoints are."""

    server: RunningServer
    rp: RelyingParty
    service_secret: str
    paths: Mapping[str, str]
    tokens: Mapping[str, str]
    code: str
    cookies: bytes

    @property
    def basic(self) -> tuple[bytes, bytes]:
        secret = f"{self.rp.client_id}:{self.rp.client_secret}".encode()
        return b"authorization", b"Basic " + base64.b64encode(secret)

    async def send(self, endpoint: str, odd: Odd, base: Mapping[str, str], *headers: tuple[bytes, bytes]) -> Answer:
        replaced = {name for name, _ in odd.headers}
        usual = [(b"host", b"login.example.com"), *headers]
        usual += [(b"content-type", FORM_TYPE)] if odd.is_post else []
        every = [*(pair for pair in usual if pair[0] not in replaced), *odd.headers]
        method = "POST" if odd.is_post else "GET"
        return await send(self.server, method, self.paths[endpoint], odd.encode(base), every)


@pytest.fixture
async def target(server: RunningServer, person: Person) -> Target:
    """Where all requests go; what is valid in them comes from here."""
    rp = RelyingParty(server, client_secret=await server.add_client(post_logout_redirect_uris=[AFTER_SIGN_OUT]))
    service_secret = await server.add_service("service", token_endpoint_auth_method="client_secret_post")
    tokens = await rp.sign_in(person)
    code = await rp.code_for(person)
    async with server.http() as http:
        discovery = (await http.get("/.well-known/openid-configuration")).json()
    urls = {name.removesuffix("_endpoint"): url for name, url in discovery.items() if name.endswith("_endpoint")}
    paths = {name: urlsplit(url).path for name, url in urls.items()}
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.http.cookies.jar)
    return Target(server, rp, service_secret, paths, tokens, code, cookies.encode())


def check_json(answer: Answer, statuses: set[int], errors: frozenset[str]) -> None:
    if answer.status == 413:  # before anything is read; a browser would get a page
        assert MARKER.encode() not in answer.body
        return
    assert answer.status in statuses, answer
    assert "location" not in answer.headers
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = json.loads(answer.body)
    assert isinstance(body, dict)
    if answer.status >= 400:
        assert body["error"] in errors
        assert body.keys() <= {"error", "error_description"}
        assert MARKER.encode() not in answer.body
        assert MARKER not in answer.headers.get("www-authenticate", "")


def check_page(answer: Answer) -> None:
    assert answer.status in (200, 400, 413), answer
    assert "location" not in answer.headers
    if answer.status == 413:
        assert MARKER.encode() not in answer.body
        return
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    if answer.status == 400:
        assert MARKER.encode() not in answer.body


def check_redirect(answer: Answer, client_address: str) -> None:
    location = answer.headers["location"]
    if location.startswith(("/interaction/", "/sign-out/")):
        return
    parts = (client_address + "?", client_address + "#")
    assert location == client_address or location.startswith(parts), location
    sent = parse_qs(location[len(client_address) + 1 :], strict_parsing=location != client_address)
    assert MARKER not in "".join(sent.get("error_description", []))
    assert set(sent.get("error", [])) <= AUTHORIZATION_ERRORS


AUTHORIZATION_NAMES = (
    *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge"),
    *("code_challenge_method", "response_mode", "prompt", "max_age", "claims", "login_hint", "acr_values", "display"),
    *("ui_locales", "id_token_hint", "request", "request_uri", "resource", "registration", MARKER),
)


@fuzz
@given(odd=odd(*AUTHORIZATION_NAMES, methods=(False, True)), is_signed_in=st.booleans())
async def test_the_authorization_endpoint_shows_a_page_or_answers_the_registered_client(
    target: Target,
    odd: Odd,
    is_signed_in: bool,  # noqa: FBT001  Hypothesis passes it by name
) -> None:
    """RFC 6749 section 4.1.2.1."""
    cookies = [(b"cookie", target.cookies)] if is_signed_in else []
    answer = await target.send("authorization", odd, target.rp.parameters(), *cookies)
    if answer.status == 303:
        check_redirect(answer, target.rp.redirect_uri)
    else:
        check_page(answer)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(codec=None), max_size=5)
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))
CLAIM_NAMES = st.sampled_from(("acr", "sub", "email", "auth_time", "iss", "", "\0", "\ud800", "x" * 300))
MEMBERS = st.fixed_dictionaries({}, optional={"essential": JSON, "value": JSON, "values": JSON})
CLAIMS = st.dictionaries(
    st.sampled_from(("userinfo", "id_token", "other")), st.dictionaries(CLAIM_NAMES, MEMBERS | st.none() | JSON) | JSON
)


@fuzz
@given(claims=CLAIMS | JSON)
async def test_whatever_claims_are_asked_for_there_is_a_sign_in_or_a_registered_error(
    target: Target, claims: Any
) -> None:
    """OpenID Connect Core section 5.5; what is accepted goes through the database into tokens."""
    text = json.dumps(claims)
    assume(len(text) <= MAX_VALUE_CHARACTERS)  # a longer one is refused before anybody looks at what it is
    base = target.rp.parameters(claims=text, prompt="none")
    answer = await target.send("authorization", Odd(is_post=False), base, (b"cookie", target.cookies))
    assert answer.status == 303, answer
    check_redirect(answer, target.rp.redirect_uri)
    code = parse_qs(urlsplit(answer.headers["location"]).query).get("code")
    if code is None:
        return
    redeemed = await target.send("token", Odd(), token_request(target, "code") | {"code": code[0]}, target.basic)
    assert redeemed.status == 200, redeemed
    bearer = (b"authorization", b"Bearer " + json.loads(redeemed.body)["access_token"].encode())
    assert (await target.send("userinfo", Odd(is_post=False), {}, bearer)).status == 200


def token_request(target: Target, kind: str) -> dict[str, str]:
    if kind == "code":
        form = {"code": target.code, "redirect_uri": target.rp.redirect_uri, "code_verifier": target.rp.verifier}
        return {"grant_type": "authorization_code", **form}
    if kind == "refresh":
        return {"grant_type": "refresh_token", "refresh_token": target.tokens["refresh_token"], "scope": "openid"}
    if kind == "service":
        form = {"client_id": "service", "client_secret": target.service_secret, "scope": "read:things"}
        return {"grant_type": "client_credentials", **form}
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": "e30.eyJzdWIiOiJ3ZWIifQ.eA"}
    return {"grant_type": "client_credentials", **form}


TOKEN_NAMES = (
    *("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "client_id", "client_secret"),
    *("client_assertion", "client_assertion_type", "resource", "audience", MARKER),
)


@fuzz
@given(odd=odd(*TOKEN_NAMES), kind=st.sampled_from(("code", "refresh", "service", "assertion")))
async def test_the_token_endpoint_gives_tokens_or_a_registered_error(target: Target, odd: Odd, kind: str) -> None:
    """RFC 6749 section 5.2."""
    headers = [target.basic] if kind in ("code", "refresh") else []
    answer = await target.send("token", odd, token_request(target, kind), *headers)
    check_json(answer, {200, 400, 401}, TOKEN_ERRORS)


TOKEN_KINDS = st.sampled_from(("access_token", "refresh_token", "id_token"))
ABOUT_TOKENS = ("token", "token_type_hint", "client_id", "client_secret", "client_assertion", MARKER)


@fuzz
@given(odd=odd(*ABOUT_TOKENS), kind=TOKEN_KINDS)
async def test_introspection_says_active_or_not_or_a_registered_error(target: Target, odd: Odd, kind: str) -> None:
    """RFC 7662 sections 2.2 and 2.3."""
    answer = await target.send("introspection", odd, {"token": target.tokens[kind]}, target.basic)
    check_json(answer, {200, 400, 401}, TOKEN_ERRORS)
    assert answer.status != 200 or isinstance(json.loads(answer.body)["active"], bool)


@fuzz
@given(odd=odd(*ABOUT_TOKENS), kind=TOKEN_KINDS)
async def test_revocation_is_done_or_a_registered_error(target: Target, odd: Odd, kind: str) -> None:
    """RFC 7009 section 2.2."""
    answer = await target.send("revocation", odd, {"token": target.tokens[kind]}, target.basic)
    check_json(answer, {200, 400, 401}, TOKEN_ERRORS)


@fuzz
@given(odd=odd("access_token", MARKER, methods=(False, True)), is_in_header=st.booleans())
async def test_userinfo_gives_claims_or_challenges(
    target: Target,
    odd: Odd,
    is_in_header: bool,  # noqa: FBT001  Hypothesis passes it by name
) -> None:
    """RFC 6750 section 3.1."""
    token = target.tokens["access_token"]
    headers = [(b"authorization", b"Bearer " + token.encode())] if is_in_header else []
    answer = await target.send("userinfo", odd, {} if is_in_header else {"access_token": token}, *headers)
    check_json(answer, {200, 400, 401}, BEARER_ERRORS)
    assert answer.status != 401 or answer.headers["www-authenticate"].startswith("Bearer ")


LOGOUT_NAMES = (
    *("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales", MARKER),
)


@fuzz
@given(odd=odd(*LOGOUT_NAMES, methods=(False, True)), is_signed_in=st.booleans())
async def test_the_end_of_a_session_is_a_page_or_a_registered_address(
    target: Target,
    odd: Odd,
    is_signed_in: bool,  # noqa: FBT001  Hypothesis passes it by name
) -> None:
    """OpenID Connect RP-Initiated Logout 1.0 sections 2 to 4."""
    base = {"id_token_hint": target.tokens["id_token"], "post_logout_redirect_uri": AFTER_SIGN_OUT, "state": "s"}
    cookies = [(b"cookie", target.cookies)] if is_signed_in else []
    answer = await target.send("end_session", odd, base, *cookies)
    if answer.status == 303:
        check_redirect(answer, AFTER_SIGN_OUT)
    else:
        check_page(answer)
