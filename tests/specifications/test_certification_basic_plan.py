"""OpenID Foundation Basic and Config plans: the modules that no other file walks through. See docs/certification.md."""

import base64
import json

import pytest

from server.accounts import registration
from server.events.context import CLI
from tests.support.full_profile import FULL_PROFILE
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

PROFILE = {
    *("name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture"),
    *("website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"),
}


@pytest.fixture
async def rp(server: RunningServer) -> RelyingParty:
    """The plan's client: confidential, without PKCE, as the suite's modules are."""
    secret = await server.add_client("conformance", require_pkce=False)
    return RelyingParty(server, "conformance", secret)


async def _sign_in_without_pkce(rp: RelyingParty, person: Person, **changes: str | None) -> dict[str, str]:
    code = await rp.code_for(person, code_challenge=None, code_challenge_method=None, **changes)
    response = await rp.redeem(code, code_verifier=None)
    assert response.status_code == 200, response.text
    tokens: dict[str, str] = response.json()
    return tokens


async def test_oidcc_server(person: Person, rp: RelyingParty) -> None:
    tokens = await _sign_in_without_pkce(rp, person)
    assert tokens["token_type"] == "Bearer"
    header, claims = await rp.verified(tokens["id_token"])
    assert header["kid"]
    assert {"iss", "sub", "aud", "exp", "iat", "nonce", "auth_time", "at_hash"} <= set(claims)
    info = (await rp.userinfo(tokens["access_token"])).json()
    assert info["sub"] == claims["sub"]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("openid profile", PROFILE),
        ("openid email", {"email", "email_verified"}),
        ("openid address", {"address"}),
        ("openid phone", {"phone_number", "phone_number_verified"}),
    ],
)
async def test_oidcc_scope(server: RunningServer, rp: RelyingParty, scope: str, expected: set[str]) -> None:
    user = await server.add_person()
    now = server.clock.now()
    await server.run(lambda db: registration.update(db, user, claims=FULL_PROFILE, context=CLI, now=now))
    async with Person(server) as alice:
        tokens = await _sign_in_without_pkce(rp, alice, scope=scope)
    assert set((await rp.userinfo(tokens["access_token"])).json()) == expected | {"sub"}


async def test_oidcc_ensure_other_scope_order_succeeds(person: Person, rp: RelyingParty) -> None:
    tokens = await _sign_in_without_pkce(rp, person, scope="email openid")
    assert "id_token" in tokens


async def test_oidcc_server_client_secret_post(server: RunningServer, person: Person) -> None:
    secret = await server.add_client("poster", require_pkce=False, token_endpoint_auth_method="client_secret_post")
    rp = RelyingParty(server, "poster")
    code = await rp.code_for(person, code_challenge=None, code_challenge_method=None)
    response = await rp.redeem(code, code_verifier=None, client_id="poster", client_secret=secret)
    assert response.status_code == 200


async def test_oidcc_unsigned_request_object_is_rejected_as_unsupported(person: Person, rp: RelyingParty) -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    payload = base64.urlsafe_b64encode(json.dumps(rp.parameters()).encode()).rstrip(b"=").decode()
    await person.visit(rp.url(request=f"{header}.{payload}."))
    assert person.answer()["error"] == "request_not_supported"


async def test_oidcc_ensure_request_with_valid_pkce_succeeds(person: Person, rp: RelyingParty) -> None:
    assert "id_token" in await rp.sign_in(person)


async def test_oidcc_prompt_none_logged_in_keeps_the_subject_with_a_hint(person: Person, rp: RelyingParty) -> None:
    first = await _sign_in_without_pkce(rp, person)
    second = await _sign_in_without_pkce(rp, person, prompt="none", id_token_hint=first["id_token"])
    _, before = await rp.verified(first["id_token"])
    _, after = await rp.verified(second["id_token"])
    assert before["sub"] == after["sub"]


async def test_oidcc_refresh_token_with_prompt_consent(person: Person, rp: RelyingParty) -> None:
    tokens = await _sign_in_without_pkce(rp, person, scope="openid offline_access", prompt="consent")
    again = (await rp.refresh(tokens["refresh_token"])).json()
    _, before = await rp.verified(tokens["id_token"])
    _, after = await rp.verified(again["id_token"])
    for name in ("iss", "sub", "aud"):
        assert before[name] == after[name]
