"""OpenID Foundation Implicit, Hybrid and Form Post plans: the modules that no other file walks through.

See docs/certification.md.
"""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

IMPLICIT = ("id_token", "id_token token")
HYBRID = ("code id_token", "code token", "code id_token token")
WITHOUT_PKCE: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
QUERY = "https://client.example/cb?dummy1=lorem&dummy2=ipsum"


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings of `ostiary serve --profile conformance`, as far as they matter here."""
    return {"response_types": ("code", *IMPLICIT, *HYBRID), "pkce": "public", "mfa": "off"}


@pytest.fixture
async def rp(server: RunningServer) -> RelyingParty:
    """The plan's client."""
    secret = await server.add_client(
        "conformance",
        require_pkce=False,
        redirect_uris=["https://client.example/cb", QUERY],
        response_types=["code", *IMPLICIT, *HYBRID],
        grant_types=["authorization_code", "implicit", "refresh_token"],
    )
    return RelyingParty(server, "conformance", secret)


async def answer(person: Person, rp: RelyingParty, **changes: str | None) -> dict[str, str]:
    """Lead a person to the answer, without PKCE as the suite does, and return it."""
    await person.visit(rp.url(**{**WITHOUT_PKCE, **changes}))
    if person.title == "Sign in":
        await person.sign_in()
    if person.title == "Allow access":
        await person.consent()
    return dict(person.form.fields) if person.left_for is None else person.answer()


def half_hash(value: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()


@pytest.mark.parametrize("mode", [None, "form_post"])
async def test_oidcc_server(person: Person, rp: RelyingParty, mode: str | None) -> None:
    """Both modes; oidcc-idtoken-signature and oidcc-userinfo-get with what comes."""
    for response_type in (*IMPLICIT, *HYBRID):
        await check_answer(person, rp, response_type, mode)


async def check_answer(person: Person, rp: RelyingParty, response_type: str, mode: str | None) -> None:
    got = await answer(person, rp, response_type=response_type, response_mode=mode)
    assert (got["state"], got["iss"]) == (rp.state, rp.server.issuer)
    tokens = got
    if "code" in got:
        tokens = (await rp.redeem(got["code"], code_verifier=None)).json()
        _, second = await rp.verified(tokens["id_token"])
        assert second["nonce"] == rp.nonce
    if "id_token" in got:
        header, claims = await rp.verified(got["id_token"])
        assert (header["alg"], claims["nonce"]) == ("RS256", rp.nonce)
        assert claims.get("c_hash") == (half_hash(got["code"]) if "code" in got else None)
        assert claims.get("at_hash") == (half_hash(got["access_token"]) if "access_token" in got else None)
    if "access_token" in tokens:
        assert (await rp.userinfo(tokens["access_token"])).status_code == 200


async def test_oidcc_ensure_request_without_nonce_fails(person: Person, rp: RelyingParty) -> None:
    """OpenID Connect Core sections 3.2.2.1 and 3.3.2.11."""
    for response_type in ("id_token", "id_token token", "code id_token", "code id_token token"):
        await person.visit(rp.url(response_type=response_type, nonce=None, **WITHOUT_PKCE))
        assert person.answer()["error"] == "invalid_request"


async def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(person: Person, rp: RelyingParty) -> None:
    """code token has no ID token in the front, so that its nonce is optional, and absent when none was sent."""
    for response_type in ("code", "code token"):
        got = await answer(person, rp, response_type=response_type, nonce=None)
        tokens = (await rp.redeem(got["code"], code_verifier=None)).json()
        _, claims = await rp.verified(tokens["id_token"])
        assert "nonce" not in claims


async def test_oidcc_scope_claims_come_where_they_can(person: Person, rp: RelyingParty) -> None:
    """oidcc-scope-email: in the ID token of `id_token`, else at UserInfo (section 5.4)."""
    alone = await answer(person, rp, response_type="id_token", scope="openid email")
    _, claims = await rp.verified(alone["id_token"])
    assert claims["email"] == "alice@example.com"
    got = await answer(person, rp, response_type="code id_token token", scope="openid email")
    _, claims = await rp.verified(got["id_token"])
    assert "email" not in claims
    assert (await rp.userinfo(got["access_token"])).json()["email"] == "alice@example.com"


@pytest.mark.parametrize("mode", [None, "form_post"])
async def test_a_query_of_the_redirect_uri_stays(person: Person, rp: RelyingParty, mode: str | None) -> None:
    """oidcc-redirect-uri-query-OK in every mode."""
    rp.redirect_uri = QUERY
    for response_type in ("code", "id_token", "code id_token token"):
        got = await answer(person, rp, response_type=response_type, response_mode=mode)
        assert got["state"] == rp.state
        target = person.form.action if person.left_for is None else person.left_for
        assert parse_qsl(urlsplit(target).query)[:2] == [("dummy1", "lorem"), ("dummy2", "ipsum")]


async def test_oidcc_prompt_none(person: Person, rp: RelyingParty) -> None:
    """oidcc-prompt-none-not-logged-in, oidcc-prompt-none-logged-in: errors in the fragment too."""
    response_type = "code id_token"
    await person.visit(rp.url(response_type=response_type, prompt="none", **WITHOUT_PKCE))
    assert person.answer()["error"] == "login_required"
    assert urlsplit(str(person.left_for)).fragment
    first = await answer(person, rp, response_type=response_type)
    second = await answer(person, rp, response_type=response_type, prompt="none", id_token_hint=first["id_token"])
    _, before = await rp.verified(first["id_token"])
    _, after = await rp.verified(second["id_token"])
    assert (before["sub"], before["auth_time"]) == (after["sub"], after["auth_time"])


async def test_oidcc_max_age_1(person: Person, rp: RelyingParty) -> None:
    for response_type in ("id_token", "code token"):
        await answer(person, rp, response_type=response_type)
        rp.server.clock.advance(2)
        await person.visit(rp.url(response_type=response_type, max_age="1", **WITHOUT_PKCE))
        assert person.title == "Sign in"
        await person.sign_in()
        got = person.answer()
        token = got.get("id_token") or (await rp.redeem(got["code"], code_verifier=None)).json()["id_token"]
        _, claims = await rp.verified(token)
        assert claims["auth_time"] == rp.server.clock.now()


async def test_oidcc_response_type_missing_in_form_post(person: Person, rp: RelyingParty) -> None:
    """The error goes where the mode says."""
    await person.visit(rp.url(response_type=None, response_mode="form_post"))
    assert person.form.fields["error"] == "invalid_request"


async def test_oidcc_codereuse(person: Person, rp: RelyingParty) -> None:
    """A second use ends the tokens of both channels."""
    got = await answer(person, rp, response_type="code id_token token")
    tokens = (await rp.redeem(got["code"], code_verifier=None)).json()
    again = await rp.redeem(got["code"], code_verifier=None)
    assert again.json()["error"] == "invalid_grant"
    for token in (got["access_token"], tokens["access_token"]):
        assert (await rp.userinfo(token)).status_code == 401


async def test_oidcc_ensure_registered_redirect_uri(person: Person, rp: RelyingParty) -> None:
    """Our own page, whatever the response type."""
    for response_type in (*IMPLICIT, *HYBRID):
        await person.visit(rp.url(response_type=response_type, redirect_uri="https://client.example/other"))
        assert person.left_for is None
        assert person.response.status_code == 400
