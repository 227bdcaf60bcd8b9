"""RFC 6749 section 3.1 and 4.1, with the choices of RFC 9700."""

from urllib.parse import quote, urlencode

import pytest

from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "nobody"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": "https://client.example/cb/"},
        {"redirect_uri": "https://client.example/cb?x=1"},
        {"redirect_uri": "https://client.example/CB"},
        {"redirect_uri": "https://client.example:443/cb"},
        {"redirect_uri": "https://client.example/cb#f"},
        {"redirect_uri": "https://client.example@evil.example/cb"},
        {"redirect_uri": "https://evil.example/cb", "response_type": "wat"},
        {"redirect_uri": 'https://evil.example/"\\é'},
    ],
)
async def test_until_client_and_redirect_uri_are_proven_errors_are_our_own_page(
    person: Person, rp: RelyingParty, changes: dict[str, str | None]
) -> None:
    """RFC 9700 section 4.11.2."""
    await person.visit(rp.url(**changes))
    assert person.left_for is None
    assert person.response.status_code == 400
    assert person.title == "The application sent an invalid request"
    assert "evil" not in person.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": 'co"de'}, "unsupported_response_type"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"scope": "openid read:secrets"}, "invalid_scope"),
        ({"scope": "openid  profile"}, "invalid_scope"),
        ({"scope": "x" * 2000}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"claims": "{"}, "invalid_request"),
        ({"claims": '{"userinfo": []}'}, "invalid_request"),
        ({"claims": "[" * 3000}, "invalid_request"),
        ({"id_token_hint": "nonsense"}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "https://client.example/r"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"code_challenge": None}, "invalid_request"),
    ],
)
async def test_other_errors_go_to_the_client_with_state_and_iss(
    person: Person, rp: RelyingParty, changes: dict[str, str | None], error: str
) -> None:
    """RFC 6749 section 4.1.2.1, RFC 9207 section 2."""
    await person.visit(rp.url(**changes))
    answer = person.answer()
    assert answer["error"] == error
    assert answer["state"] == rp.state
    assert answer["iss"] == rp.server.issuer
    assert set(answer) <= {"error", "error_description", "state", "iss"}


async def test_a_repeated_parameter_is_refused(person: Person, rp: RelyingParty) -> None:
    """RFC 6749 section 3.1."""
    for name in ("scope", "nonce", "prompt", "code_challenge"):
        await person.visit(rp.url() + f"&{name}=again")
        assert person.answer()["error"] == "invalid_request"
    await person.visit(rp.url() + "&state=again")
    assert "state" not in person.answer()
    for name, what in (("client_id", "application that it comes from"), ("redirect_uri", "address to return to")):
        await person.visit(rp.url() + f"&{name}=again")
        assert person.response.status_code == 400
        assert person.left_for is None
        assert f"The request names more than one {what}." in person.text


async def test_unknown_parameters_are_ignored(person: Person, rp: RelyingParty) -> None:
    await rp.code_for(person, foo="bar", utm_source="x")


@pytest.mark.parametrize("state", ["a b", "a+b", "100%", "\"<é>&amp;'", "a=b&c=d", "日本", "%20", "\\"])
async def test_state_comes_back_byte_for_byte(person: Person, rp: RelyingParty, state: str) -> None:
    """RFC 6749 section 4.1.2."""
    await rp.sign_in(person)
    await person.visit(rp.url(state=state))
    assert person.answer()["state"] == state
    assert person.left_for is not None
    assert f"state={quote(state, safe='')}" in person.left_for


async def test_without_state_none_comes_back(person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)
    await person.visit(rp.url(state=None))
    assert set(person.answer()) == {"code", "iss"}


async def test_the_request_may_come_by_post(person: Person, rp: RelyingParty) -> None:
    """OpenID Connect Core section 3.1.2.1."""
    response = await person.http.post("/authorize", data=rp.parameters())
    await person._arrive(response)
    await person.sign_in()
    await person.postpone()
    await person.consent()
    assert (await rp.redeem(person.answer()["code"])).status_code == 200


async def test_a_cross_site_post_finds_the_session_after_its_redirect(person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)
    cookies = dict(person.http.cookies)
    person.http.cookies.clear()  # SameSite=Lax: not sent with a foreign form
    response = await person.http.post("/authorize", data=rp.parameters(prompt="none"))
    assert response.status_code == 303
    for name, value in cookies.items():
        person.http.cookies.set(name, value, domain="login.example.com")
    await person._arrive(response)
    assert "code" in person.answer()


async def test_a_request_without_redirect_uri_uses_the_only_registered_one(
    server: RunningServer, person: Person
) -> None:
    """OAuth 2.1 section 2.3.2: only for plain OAuth, only with exactly one registered."""
    secret = await server.add_client("plain", scope="read:things")
    rp = RelyingParty(server, "plain", secret, scope="read:things")
    await person.visit(rp.url(redirect_uri=None, nonce=None))
    await person.sign_in()
    await person.postpone()
    await person.consent()
    code = person.answer()["code"]
    assert (await rp.redeem(code)).json()["error"] == "invalid_grant"
    assert (await rp.redeem(code, redirect_uri=None)).status_code == 200


async def test_a_client_that_is_disabled_is_unknown(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    from server.storage import clients  # noqa: PLC0415  only here

    await server.run(lambda db: clients.set_disabled(db, rp.client_id, 1, now=1))
    server.services.registry.clear()
    await person.visit(rp.url())
    assert person.response.status_code == 400
    assert person.left_for is None


@pytest.mark.parametrize(
    ("registered", "requested", "is_accepted"),
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", True),
        ("http://127.0.0.1:8080/cb", "http://127.0.0.1:9/cb", True),
        ("http://[::1]/cb", "http://[::1]:51004/cb", True),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/other", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:5@evil.example/cb", False),
        ("http://127.0.0.1/cb", "https://127.0.0.1:51004/cb", False),
        ("http://localhost:8080/cb", "http://localhost:8081/cb", False),
        ("com.example.app:/cb", "com.example.app:/cb", True),
    ],
)
async def test_only_the_port_of_a_loopback_address_may_differ(
    server: RunningServer, person: Person, registered: str, requested: str, *, is_accepted: bool
) -> None:
    """RFC 8252 section 7.3, RFC 9700 section 2.1."""
    await server.add_client(
        "native", redirect_uris=[registered], token_endpoint_auth_method="none", application_type="native"
    )
    rp = RelyingParty(server, "native", redirect_uri=requested)
    await person.visit(rp.url())
    assert (person.title == "Sign in") is is_accepted
    if not is_accepted:
        assert person.response.status_code == 400


async def test_a_native_app_is_never_assumed_to_have_consent(server: RunningServer, person: Person) -> None:
    """RFC 8252 section 8.6."""
    await server.add_client(
        "native",
        redirect_uris=["http://127.0.0.1/cb"],
        token_endpoint_auth_method="none",
        application_type="native",
        skip_consent=True,
    )
    rp = RelyingParty(server, "native", redirect_uri="http://127.0.0.1:5000/cb")
    await rp.sign_in(person)
    await person.visit(rp.url())
    assert person.title == "Allow access"
    await person.visit(rp.url(prompt="none"))
    assert person.answer()["error"] == "consent_required"


async def test_a_redirect_after_a_form_is_303(person: Person, rp: RelyingParty) -> None:
    """RFC 9700 section 4.12: 307 would send the password on."""
    await person.visit(rp.url())
    form = person.form
    data = {**form.fields, "email": person.email, "password": person.password}
    response = await person.http.post(form.action, data=data)
    assert response.status_code == 303
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"


async def test_a_malformed_query_is_a_page_not_a_failure(person: Person) -> None:
    for query in ("%FF=1", "a" * 60_000, "&".join(f"a{i}=1" for i in range(200)), "client_id=%00"):
        response = await person.http.get("/authorize?" + query)
        assert response.status_code == 400, query[:20]
    response = await person.http.post("/authorize", content=b"x" * 70_000, headers={"content-type": "text/plain"})
    assert response.status_code == 400
    body = urlencode({"state": "x" * 70_000}).encode()
    response = await person.http.post(
        "/authorize", content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert response.status_code == 413
