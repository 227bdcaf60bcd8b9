"""JWT Secured Authorization Response Mode for OAuth 2.0 (JARM)."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.confidant import ALGORITHMS, CONTENT, Confidant
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def read(rp: RelyingParty, answer: dict[str, str]) -> dict[str, Any]:
    """Return what a signed answer says, after the checks of section 2.4."""
    assert answer.keys() == {"response"}
    header, claims = await rp.verified(answer["response"])
    assert header["alg"] in ("RS256", "ES256")
    assert claims["iss"] == rp.server.issuer
    assert claims["aud"] == rp.client_id
    assert rp.server.clock.now() < claims["exp"] <= rp.server.clock.now() + 600
    return claims


@pytest.mark.parametrize("mode", ["jwt", "query.jwt", "fragment.jwt"])
async def test_the_answer_is_one_signed_parameter(person: Person, rp: RelyingParty, mode: str) -> None:
    """Sections 2.1 and 2.3: `iss` and `state` are inside; for `code`, jwt means query.jwt."""
    await rp.sign_in(person)
    await person.visit(rp.url(response_mode=mode))
    parts = urlsplit(str(person.left_for))
    assert bool(parts.fragment) == (mode == "fragment.jwt")
    assert bool(parts.query) == (mode != "fragment.jwt")
    claims = await read(rp, person.answer())
    assert claims["state"] == rp.state
    assert (await rp.redeem(claims["code"])).status_code == 200


async def test_a_form_may_carry_it(person: Person, rp: RelyingParty) -> None:
    """Section 2.3.3."""
    await rp.sign_in(person)
    await person.visit(rp.url(response_mode="form_post.jwt"))
    assert person.form.action == rp.redirect_uri
    claims = await read(rp, person.form.fields)
    assert claims["state"] == rp.state
    assert (await rp.redeem(claims["code"])).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"scope": "openid wat"}, "invalid_scope"), ({"prompt": "none"}, "login_required")],
)
async def test_an_error_is_signed_as_well(
    person: Person, rp: RelyingParty, changes: dict[str, str], error: str
) -> None:
    """Section 2.1."""
    await person.visit(rp.url(response_mode="jwt", **changes))
    claims = await read(rp, person.answer())
    assert (claims["error"], claims["state"]) == (error, rp.state)
    assert "code" not in claims


async def test_a_denial_is_signed_as_well(person: Person, rp: RelyingParty) -> None:
    """Section 2.1."""
    await person.visit(rp.url(response_mode="jwt"))
    await person.sign_in()
    await person.postpone()
    await person.consent("deny")
    assert (await read(rp, person.answer()))["error"] == "access_denied"


async def test_without_state_none_comes_back(person: Person, rp: RelyingParty) -> None:
    """Section 2.1."""
    await rp.sign_in(person)
    await person.visit(rp.url(response_mode="jwt", state=None))
    assert (await read(rp, person.answer())).keys() == {"iss", "aud", "exp", "iat", "code"}


@pytest.mark.parametrize("overrides", [{"signing_algorithms": ("RS256", "ES256")}], indirect=True)
async def test_it_is_signed_with_the_algorithm_that_the_client_registered(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 3."""
    await rp.sign_in(person)
    await server.change_client("web", authorization_signed_response_alg="ES256")
    await person.visit(rp.url(response_mode="jwt"))
    header, _ = await rp.verified(person.answer()["response"])
    assert header["alg"] == "ES256"


async def test_an_algorithm_that_is_switched_off_is_an_error_and_no_other_is_taken(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Section 3."""
    await server.change_client("web", authorization_signed_response_alg="PS256")
    await person.visit(rp.url(response_mode="jwt"))
    assert person.answer()["error"] == "unauthorized_client"


async def test_parameters_of_a_registered_redirect_uri_stay(server: RunningServer, person: Person) -> None:
    """RFC 6749 section 3.1.2."""
    uri = "https://client.example/cb?dummy1=lorem&dummy2=ipsum"
    rp = RelyingParty(server, "query", await server.add_client("query", redirect_uris=[uri]), redirect_uri=uri)
    for mode in ("query.jwt", "fragment.jwt"):
        await person.visit(rp.url(response_mode=mode, prompt="none"))
        parts = urlsplit(str(person.left_for))
        query, fragment = parse_qs(parts.query), parse_qs(parts.fragment)
        assert (query["dummy1"], query["dummy2"]) == (["lorem"], ["ipsum"])
        assert ("response" in query) == (mode == "query.jwt")
        assert ("response" in fragment) == (mode == "fragment.jwt")


async def test_other_modes_are_refused(person: Person, rp: RelyingParty) -> None:
    """Section 2.3."""
    for mode in ("jwt.jwt", "query.jws", "web_message.jwt", ".jwt", "query.", "query.jwt.jwt", "JWT"):
        await person.visit(rp.url(response_mode=mode))
        assert person.answer()["error"] == "invalid_request"


async def test_a_client_may_be_held_to_signed_answers(server: RunningServer, person: Person) -> None:
    """FAPI 2.0 Message Signing section 5.4."""
    rp = RelyingParty(server, "signed", await server.add_client("signed", response_modes=["jwt"]))
    for mode in ("query", None):
        await person.visit(rp.url(response_mode=mode, prompt="none"))
        assert person.answer()["error"] == "invalid_request"
    await person.visit(rp.url(response_mode="jwt", prompt="none"))
    assert (await read(rp, person.answer()))["error"] == "login_required"


@pytest.mark.parametrize("registered", ["jwt", "query.jwt"])
async def test_jwt_and_what_it_stands_for_are_one_mode(server: RunningServer, person: Person, registered: str) -> None:
    """Section 2.3.4: for `code` it is query.jwt, however the client registered it."""
    rp = RelyingParty(server, "signed", await server.add_client("signed", response_modes=[registered]))
    for mode in ("jwt", "query.jwt"):
        await person.visit(rp.url(response_mode=mode, prompt="none"))
        assert (await read(rp, person.answer()))["error"] == "login_required"
    for other in ("fragment.jwt", "form_post.jwt", "query", "fragment", None):
        await person.visit(rp.url(response_mode=other, prompt="none"))
        assert person.answer()["error"] == "invalid_request", other


@pytest.mark.parametrize("overrides", [{"response_types": ("code", "code id_token")}], indirect=True)
async def test_what_jwt_stands_for_goes_by_the_response_type(server: RunningServer, person: Person) -> None:
    """Section 2.3.4: where tokens come through the browser it is fragment.jwt, which is another mode than query.jwt."""
    metadata: dict[str, Any] = {
        "response_types": ["code", "code id_token"],
        "grant_types": ["authorization_code", "implicit"],
    }
    for registered, error in (("query.jwt", "invalid_request"), ("fragment.jwt", "login_required")):
        secret = await server.add_client(registered, response_modes=[registered], **metadata)
        rp = RelyingParty(server, registered, secret)
        await person.visit(rp.url(response_type="code id_token", response_mode="jwt", prompt="none"))
        answer = person.answer()
        assert (await read(rp, answer) if "response" in answer else answer)["error"] == error


@pytest.mark.parametrize("overrides", [{"signing_algorithms": ("ES256", "RS256")}], indirect=True)
async def test_it_is_signed_with_rs256_for_a_client_that_registered_nothing(person: Person, rp: RelyingParty) -> None:
    """Section 3: the default of `authorization_signed_response_alg`, whichever algorithm the server has first."""
    await person.visit(rp.url(response_mode="jwt", prompt="none"))
    header, _ = await rp.verified(person.answer()["response"])
    assert header["alg"] == "RS256"


async def test_metadata_announces_it(server: RunningServer) -> None:
    """Section 4."""
    async with server.http() as http:
        metadata = (await http.get("/.well-known/openid-configuration")).json()
    assert metadata["authorization_signing_alg_values_supported"] == ["RS256"]
    modes = ["query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"]
    assert metadata["response_modes_supported"] == modes
    assert metadata["authorization_encryption_alg_values_supported"] == list(ALGORITHMS)
    assert metadata["authorization_encryption_enc_values_supported"] == list(CONTENT)


async def test_it_is_encrypted_for_a_client_that_registered_that(server: RunningServer, person: Person) -> None:
    """Sections 2.2 and 3: signed and then encrypted, codes and errors alike."""
    confidant = Confidant()
    secret = await server.add_client("hidden", jwks=confidant.jwks, authorization_encrypted_response_alg="ECDH-ES")
    rp = RelyingParty(server, "hidden", secret)
    await rp.sign_in(person)
    for changes in ({}, {"scope": "openid wat"}):
        await person.visit(rp.url(response_mode="jwt", **changes))
        header, inside = confidant.read(person.answer()["response"])
        assert (header["enc"], header["cty"]) == ("A128CBC-HS256", "JWT")
        claims = await read(rp, {"response": inside})
        assert claims["state"] == rp.state
        assert ("code" in claims) != ("error" in claims)


async def test_without_a_key_no_code_leaves(server: RunningServer, person: Person) -> None:
    """Section 2.2: what is to be hidden does not travel in the clear for want of a key."""
    confidant = Confidant()
    secret = await server.add_client("hidden", jwks=confidant.jwks, authorization_encrypted_response_alg="ECDH-ES")
    rp = RelyingParty(server, "hidden", secret)
    await person.visit(rp.url(response_mode="jwt"))
    await person.sign_in()
    await person.postpone()
    await server.change_client("hidden", jwks=Confidant(members={"use": "sig"}).jwks)
    await person.consent()
    claims = await read(rp, person.answer())
    assert (claims["error"], claims["state"]) == ("unauthorized_client", rp.state)
    assert "code" not in claims
    await person.visit(rp.url(response_mode="jwt"))
    assert person.answer()["error"] == "unauthorized_client"
