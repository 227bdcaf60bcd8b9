"""Signing in to an application: authorization code with PKCE."""

import hashlib

from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def test_a_person_signs_in_consents_and_the_client_gets_tokens(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    assert person.title == "Sign in"
    assert "Web Shop" in person.text
    await person.sign_in()
    await person.postpone()
    assert person.title == "Allow access"
    await person.consent()
    answer = person.answer()
    assert answer["state"] == rp.state
    assert answer["iss"] == rp.server.issuer
    response = await rp.redeem(answer["code"])
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    tokens = response.json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 600
    assert tokens["scope"] == rp.scope
    header, claims = await rp.verified(tokens["id_token"])
    assert header["alg"] == "RS256"
    assert claims["iss"] == rp.server.issuer
    assert claims["aud"] == rp.client_id
    assert claims["nonce"] == rp.nonce
    assert claims["amr"] == ["pwd"]
    assert claims["acr"] == "aal1"
    assert claims["auth_time"] == rp.server.clock.now()
    digest = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == __import__("base64").urlsafe_b64encode(digest).rstrip(b"=").decode()
    header, access = await rp.verified(tokens["access_token"])
    assert header["typ"] == "at+jwt"
    assert access["client_id"] == rp.client_id
    assert access["sub"] == claims["sub"]
    info = (await rp.userinfo(tokens["access_token"])).json()
    assert info["sub"] == claims["sub"]
    assert info["name"] == "Alice Ample"
    assert info["email"] == "alice@example.com"


async def test_a_second_sign_in_asks_nothing_again(person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)
    await person.visit(rp.url())
    assert "code" in person.answer()


async def test_totp_is_enrolled_and_asked_for_at_the_next_sign_in(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    await person.visit(rp.url())
    await person.sign_in()
    await person.enrol()
    assert len(person.recovery_codes) == 10
    await person.visit(rp.url())
    await person.consent()
    tokens = (await rp.redeem(person.answer()["code"])).json()
    _, claims = await rp.verified(tokens["id_token"])
    assert claims["acr"] == "aal2"
    assert claims["amr"] == ["pwd", "otp", "mfa"]
    server.clock.advance(60)
    async with Person(server) as elsewhere:
        elsewhere.secret = person.secret
        await elsewhere.visit(rp.url())
        await elsewhere.sign_in()
        assert elsewhere.title == "Enter your code"
        await elsewhere.submit(code="000000")
        assert elsewhere.response.status_code == 400
        await elsewhere.submit(code=elsewhere.code())
        assert "code" in elsewhere.answer()
    async with Person(server) as third:
        await third.visit(rp.url())
        await third.sign_in()
        await third.submit(code=person.recovery_codes[0])
        assert "code" in third.answer()
