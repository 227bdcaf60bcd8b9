"""OAuth 2.0 Form Post Response Mode 1.0. Ready for the Form Post certification plan; its browser: `tests/browser`."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

MODE = "form_post"
QUERY = "https://client.example/cb?dummy1=lorem&dummy2=ipsum"


async def test_form_post_sends_the_answer_in_a_form(person: Person, rp: RelyingParty) -> None:
    """Form Post Response Mode 1.0 section 2: values HTML-escaped, not percent-encoded."""
    await rp.sign_in(person)
    state = "a b\"<é>&amp;'"
    await person.visit(rp.url(response_mode="form_post", state=state))
    assert person.left_for is None
    assert person.form.action == rp.redirect_uri
    assert person.form.method == "post"
    assert person.form.fields["state"] == state
    assert person.form.fields["iss"] == rp.server.issuer
    policy = person.response.headers["content-security-policy"]
    assert "form-action 'self' https://client.example" in policy
    assert "unsafe-inline" not in policy
    assert (await rp.redeem(person.form.fields["code"])).status_code == 200
    await person.visit(rp.url(response_mode="form_post", scope="openid nonsense"))
    assert person.form.fields["error"] == "invalid_scope"


async def test_the_form_holds_the_answer_and_nothing_else(person: Person, rp: RelyingParty) -> None:
    """Section 2: the parameters as hidden fields, and nothing of the answer in any URL."""
    await rp.sign_in(person)
    await person.visit(rp.url(response_mode=MODE))
    assert set(person.form.fields) == {"code", "state", "iss"}
    assert person.response.status_code == 200
    assert person.form.fields["code"] not in str(person.response.url)


async def test_the_page_is_never_kept(person: Person, rp: RelyingParty) -> None:
    """Section 2: `no-cache, no-store`, as in its example: the page holds a code."""
    await rp.sign_in(person)
    await person.visit(rp.url(response_mode=MODE))
    assert person.response.headers["content-type"].replace(" ", "").lower() == "text/html;charset=utf-8"
    assert "no-store" in person.response.headers["cache-control"]
    assert person.response.headers["referrer-policy"] == "no-referrer"


async def test_errors_travel_in_the_form_as_well(person: Person, rp: RelyingParty) -> None:
    """Section 2: whatever the outcome, and OpenID Connect Core section 3.1.2.6 for those of `prompt=none`."""
    await person.visit(rp.url(response_mode=MODE, prompt="none"))
    assert person.left_for is None
    assert (person.form.fields["error"], person.form.fields["state"]) == ("login_required", rp.state)
    await person.visit(rp.url(response_mode=MODE))
    await person.sign_in()
    await person.postpone()
    await person.consent("deny")
    assert person.left_for is None
    assert (person.form.fields["error"], person.form.fields["iss"]) == ("access_denied", rp.server.issuer)
    assert "code" not in person.form.fields


async def test_an_address_that_is_not_registered_gets_no_form(person: Person, rp: RelyingParty) -> None:
    """RFC 6749 section 3.1.2.4: the person is told instead."""
    await person.visit(rp.url(response_mode=MODE, redirect_uri="https://evil.example/cb"))
    assert person.response.status_code == 400
    assert "evil.example" not in person.text


async def test_the_query_of_a_redirect_uri_stays(server: RunningServer, person: Person) -> None:
    """RFC 6749 section 3.1.2: the answer's own parameters are in the body alone."""
    secret = await server.add_client("with-query", redirect_uris=[QUERY])
    rp = RelyingParty(server, "with-query", secret, QUERY)
    await person.visit(rp.url(response_mode=MODE))
    await person.sign_in()
    await person.postpone()
    await person.consent()
    assert person.form.action == QUERY
    assert parse_qsl(urlsplit(person.form.action).query) == [("dummy1", "lorem"), ("dummy2", "ipsum")]
    assert (await rp.redeem(person.form.fields["code"])).status_code == 200


@pytest.mark.parametrize("overrides", [{"response_types": ("code", "code id_token")}], indirect=True)
async def test_an_id_token_travels_in_the_form(server: RunningServer, person: Person) -> None:
    """OAuth 2.0 Multiple Response Types section 5: the mode is for every response type."""
    values = {"response_types": ["code id_token"], "grant_types": ["authorization_code", "implicit"]}
    rp = RelyingParty(server, "hybrid", await server.add_client("hybrid", **values))
    await person.visit(rp.url(response_mode=MODE, response_type="code id_token"))
    await person.sign_in()
    await person.postpone()
    await person.consent()
    assert person.left_for is None
    _, claims = await rp.verified(person.form.fields["id_token"])
    assert claims["nonce"] == rp.nonce
    assert "c_hash" in claims


async def test_the_mode_is_announced(server: RunningServer) -> None:
    """RFC 8414 section 2: `response_modes_supported`."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert MODE in document["response_modes_supported"]
