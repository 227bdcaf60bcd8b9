"""Why a client was refused: the operator reads it in log and audit, the client does not (docs/operations.md)."""

import json
import secrets
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from structlog.testing import capture_logs

from clients.authentication.presented import ASSERTION_TYPE
from server.events.names import Event
from server.observability.logging import configure
from server.storage import audit
from tests.clients.registered import JWKS
from tests.keys.material import signer
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

OVERRIDES = {"log_level": "info", "log_format": "json"}
UNKNOWN = urlencode({"client_id": "nobody", "post_logout_redirect_uri": "https://client.example/"})


async def _cause(server: RunningServer, event: Event = Event.CLIENT_AUTHENTICATION_FAILED) -> dict[str, Any]:
    rows = await server.run(lambda db: audit.list_rows(db, event=event.value))
    details: dict[str, Any] = rows[0]["details"]
    return details


def _refused(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert response.json()["error_description"] == "Client authentication failed"


async def test_a_wrong_secret_and_another_method_have_different_causes_and_one_answer(server: RunningServer) -> None:
    """RFC 6749 section 5.2: the client learns that it failed. A secret never gets into a log."""
    secret = await server.add_service()
    with capture_logs() as lines:
        _refused(await RelyingParty(server, "service", "not-my-secret").post("/token", grant_type="client_credentials"))
    line = next(line for line in lines if line["event"] == "client authentication failed")
    assert (line["client"], line["method"], line["cause"]) == ("service", "client_secret_basic", "the secret is wrong")
    assert "not-my-secret" not in str(lines)
    assert await _cause(server) == {"method": "client_secret_basic", "cause": "the secret is wrong"}
    async with server.http() as http:
        form = {"grant_type": "client_credentials", "client_id": "service", "client_secret": secret}
        _refused(await http.post("/token", data=form))
    expected = "the request uses client_secret_post, and the client is registered for client_secret_basic"
    assert (await _cause(server))["cause"] == expected


async def test_every_line_of_a_request_has_its_number_and_client(
    server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a person reads from the page, or a client from `X-Request-Id`, leads to the cause."""
    configure(server.services.settings)  # to the standard error of this test
    await server.add_service()
    async with server.http() as http:
        form = {"grant_type": "client_credentials", "client_id": "service", "client_assertion": "x.y.z"}
        for sent in ({**form, "client_assertion_type": ASSERTION_TYPE}, form, {**form, "client_secret": "x"}):
            response = await http.post("/token", data=sent)
            assert response.json()["error"] in ("invalid_client", "invalid_request")
            line = _line(capsys, "client authentication failed")
            assert (line["client"], line["request_id"]) == ("service", response.headers["x-request-id"])
        for client_id, error, said in (
            ("service", "invalid_request", "The redirect_uri is not registered for this client, letter for letter"),
            ("nobody", "invalid_client", "The client is not registered"),
        ):
            parameters = {"client_id": client_id, "redirect_uri": "https://evil.example/"}
            page = await http.get("/authorize", params=parameters)
            line = _line(capsys, "request refused")
            assert line["request_id"] == page.headers["x-request-id"]
            assert (line["client"], line["error"], line["description"]) == (client_id, error, said)
    rows = await server.run(lambda db: audit.list_rows(db, event=Event.CLIENT_AUTHENTICATION_FAILED.value))
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"aud": "https://other.example"}, "the request object: aud is not https://login.example.com"),
        ({"iss": "another"}, "the request object: iss and client_id are not both the client_id"),
        ({"exp": 1}, "the request object: expired"),
        ({"scope": "openid no:such"}, "unknown: no:such"),
    ],
)
async def test_why_a_request_object_is_refused_is_in_the_log(
    server: RunningServer, changes: dict[str, Any], cause: str
) -> None:
    """RFC 9101 section 6: the client is told the code, and what it sent is never said back."""
    await server.add_client(jwks=JWKS)
    redirect_uri = "https://client.example/cb"
    claims = {"iss": "web", "aud": server.issuer, "client_id": "web", "response_type": "code", "scope": "openid"}
    request = signer().sign({**claims, "redirect_uri": redirect_uri, **changes}, typ="oauth-authz-req+jwt")
    with capture_logs() as lines:
        async with server.http() as http:
            await http.get("/authorize", params={"client_id": "web", "request": request})
    assert [line["cause"] for line in lines if line["event"] == "request refused"] == [cause]


def _line(capsys: pytest.CaptureFixture[str], event: str) -> dict[str, Any]:
    """Return the one line of a refusal beside the access log."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = [line for line in lines if line["event"] != "request"]
    assert line["event"] == event
    return line


async def test_an_unknown_client_is_in_the_log_alone(server: RunningServer) -> None:
    """Whoever invents names fills no audit log."""
    with capture_logs() as lines:
        _refused(await RelyingParty(server, "nobody", "x").post("/token", grant_type="client_credentials"))
    assert [line["cause"] for line in lines if "cause" in line] == ["the client is not registered"]
    assert await server.run(lambda db: audit.list_rows(db, event=Event.CLIENT_AUTHENTICATION_FAILED.value)) == []


async def test_a_disabled_client_is_said_to_be_disabled(server: RunningServer) -> None:
    """Even where its secret is right."""
    secret = await server.add_service()
    await server.disable_client("service")
    _refused(await RelyingParty(server, "service", secret).post("/token", grant_type="client_credentials"))
    assert (await _cause(server))["cause"] == "the client is disabled"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"aud": "https://other.example"}, "the assertion: aud is not"),
        ({"iss": "another"}, "the assertion: iss and sub are not both the client_id"),
        ({"exp": 1_790_000_000 + 4000}, "the assertion: exp is more than 300 seconds ahead"),
        ({"exp": 1}, "the assertion: expired"),
        ({"jti": ""}, "the assertion: jti is missing or too long"),
    ],
)
async def test_what_is_wrong_with_an_assertion_is_written_down(
    server: RunningServer, changes: dict[str, Any], cause: str
) -> None:
    """RFC 7523 section 3."""
    _refused(await _assert(server, changes))
    found = await _cause(server)
    assert found["method"] == "private_key_jwt"
    assert found["cause"].startswith(cause)


async def test_a_signature_by_another_key_and_a_used_assertion_are_told_apart(server: RunningServer) -> None:
    """RFC 7523 section 3 rules 7 and 9."""
    _refused(await _assert(server, {}, number=2))
    assert (await _cause(server))["cause"] == "the assertion: no key goes with its kid"
    payload, other = [(await _signed(server, {})).rpartition(".") for _ in range(2)]
    _refused(await _send(server, f"{payload[0]}.{other[2]}"))
    assert (await _cause(server))["cause"].startswith("the assertion: a wrong signature")
    once = {"jti": "once"}
    assert (await _assert(server, once)).status_code == 200
    response = await _assert(server, once)
    assert response.json()["error_description"] == "The client assertion was used before"
    assert (await _cause(server))["cause"] == "The client assertion was used before"


async def test_a_refused_grant_assertion_has_its_cause_as_well(server: RunningServer) -> None:
    """RFC 7523 section 3.1: the client is told invalid_grant."""
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    secret = await server.add_service(grant_types=[grant], jwks=JWKS, jwt_bearer_subjects=["*"])
    claims = {"iss": "service", "sub": "usr_nobody", "aud": server.issuer, "jti": "1", "exp": server.clock.now() + 60}
    service, assertion = RelyingParty(server, "service", secret), signer().sign(claims, typ="JWT")
    response = await service.post("/token", grant_type=grant, assertion=assertion)
    assert response.json()["error"] == "invalid_grant"
    assert await _cause(server, Event.ASSERTION_REFUSED) == {"cause": "sub is no active person"}


async def _signed(server: RunningServer, changes: dict[str, Any], number: int = 1) -> str:
    method = "private_key_jwt"
    if server.services.registry.cached("service") is None:
        await server.add_service(token_endpoint_auth_method=method, jwks=JWKS)
    now = server.clock.now()
    claims = {"iss": "service", "sub": "service", "aud": server.issuer, "jti": secrets.token_hex(), "exp": now + 60}
    return signer(number=number).sign({**claims, **changes}, typ="client-authentication+jwt")


async def _send(server: RunningServer, assertion: str) -> httpx.Response:
    form = {"client_assertion": assertion, "client_assertion_type": ASSERTION_TYPE}
    async with server.http() as http:
        return await http.post("/token", data={"grant_type": "client_credentials", **form})


async def _assert(server: RunningServer, changes: dict[str, Any], number: int = 1) -> httpx.Response:
    return await _send(server, await _signed(server, changes, number))


@pytest.mark.parametrize(
    ("path", "description"),
    [
        (
            f"/end-session?{UNKNOWN}",
            "The application sent an invalid sign-out request",
        ),
        ("/interaction/oin_nobody", "This page is no longer valid"),
    ],
)
async def test_a_page_that_refuses_has_a_line_with_its_number(
    server: RunningServer, capsys: pytest.CaptureFixture[str], path: str, description: str
) -> None:
    """What a person reads from it leads to the cause."""
    configure(server.services.settings)
    async with server.http() as http:
        page = await http.get(path, headers={"accept": "text/html"})
    line = _line(capsys, "request refused")
    assert (line["status"], line["description"]) == (400, description)
    assert line["cause"]
    assert line["request_id"] == page.headers["x-request-id"]
    assert line["request_id"] in page.text


async def test_forms_that_are_refused_have_one_too(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    configure(server.services.settings)
    async with server.http() as http:
        for origin, description in (
            ("https://evil.example", "The form came from another site"),
            (server.settings.origin, "This form could not be accepted"),
        ):
            answer = await http.post("/account/profile", data={"name": "x"}, headers={"origin": origin})
            line = _line(capsys, "request refused")
            assert (line["status"], line["description"]) == (403, description)
            assert line["request_id"] == answer.headers["x-request-id"]
            assert line["request_id"] in answer.text


@pytest.mark.parametrize("overrides", [{"client_registration": "open"}], indirect=True)
async def test_a_registration_that_is_refused_has_one(server: RunningServer) -> None:
    """RFC 7591 section 3.2.2."""
    with capture_logs() as lines:
        async with server.http() as http:
            answer = await http.post("/register", json={"redirect_uris": ["http://evil.example/cb"]})
    line = next(line for line in lines if line["event"] == "request refused")
    assert (line["error"], line["description"]) == (answer.json()["error"], answer.json()["error_description"])


@pytest.mark.parametrize("overrides", [{"mfa": "off"}], indirect=True)
async def test_what_the_client_is_told_after_the_sign_in_has_one(person: Person, rp: RelyingParty) -> None:
    """OpenID Connect Core section 5.5.1.1; what `prompt=none` is told belongs to the course of things."""
    claims = json.dumps({"id_token": {"acr": {"essential": True, "values": ["aal2"]}}})
    with capture_logs() as lines:
        await person.visit(rp.url(prompt="none"))
        assert person.answer()["error"] == "login_required"
        await person.visit(rp.url(claims=claims))
        await person.sign_in()
        assert person.answer()["error"] == "unmet_authentication_requirements"
    assert [line["error"] for line in lines if line["event"] == "request refused"] == [
        "unmet_authentication_requirements"
    ]


async def test_refusals_of_the_account_api_have_one_without_what_was_sent(server: RunningServer) -> None:
    with capture_logs() as lines:
        async with server.http() as http:
            await http.get("/api/auth/me", headers={"authorization": "Bearer x"})
            await http.post("/api/auth/register", json={"email": "not an address", "password": "short", "name": "A"})
    told = [line for line in lines if line["event"] == "request refused"]
    assert [(line["status"], line["description"]) for line in told] == [
        (401, "Invalid token"),
        (422, "cannot be used: email password"),
    ]


async def test_why_a_grant_is_refused_is_in_the_log_alone(person: Person, rp: RelyingParty) -> None:
    """RFC 6749 section 5.2: one answer for all of them."""
    await person.visit(rp.url())
    await person.sign_in()
    await person.postpone()
    await person.consent()
    code = person.answer()["code"]
    with capture_logs() as lines:
        answers = [await rp.redeem("oac_made-up")]
        tokens = (await rp.redeem(code)).json()
        answers += [await rp.redeem(code), await rp.refresh(tokens["refresh_token"])]
        assert (await rp.userinfo(tokens["access_token"] + "x")).status_code == 401
    assert {answer.json()["error"] for answer in answers} == {"invalid_grant"}
    causes = [line["cause"] for line in lines if line["event"] == "request refused"]
    assert causes == ["unknown", "used before", "the sign-in or the consent behind it is over", causes[3]]
    assert "signature" in causes[3]
