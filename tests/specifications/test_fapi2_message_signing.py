"""FAPI 2.0 Message Signing (final): signed requests and signed answers of clients with the profile `fapi2`."""

import pytest

from tests.keys.material import segment
from tests.support.high_security import HighSecurityClient, register
from tests.support.person import Person
from tests.support.server import RunningServer

ALGORITHMS = ("PS256", "ES256", "EdDSA")
HOUR = 3600
OVERRIDES = {"signing_algorithms": ("ES256",)}


@pytest.fixture
async def bank(server: RunningServer) -> HighSecurityClient:
    """A client that signs its requests and wants its answers signed."""
    return await register(
        server, require_signed_request_object=True, authorization_signed_response_alg="ES256", response_modes=["jwt"]
    )


@pytest.fixture
async def signer(server: RunningServer) -> HighSecurityClient:
    """A client that signs its requests, and takes plain answers."""
    return await register(server, require_signed_request_object=True)


async def refused(client: HighSecurityClient, token: str, error: str = "invalid_request_object") -> None:
    response = await client.push_signed(token)
    assert (response.status_code, response.json()["error"]) == (400, error), response.text


async def test_a_whole_sign_in_with_both_directions_signed(person: Person, bank: HighSecurityClient) -> None:
    """Sections 5.3 and 5.4."""
    pushed = await bank.push_signed(bank.request_object(response_mode="jwt"))
    answer = await bank.answer(person, pushed)
    assert answer.keys() == {"response"}
    header, claims = await bank.verified(answer["response"])
    assert header["alg"] == "ES256"
    assert (claims["iss"], claims["aud"], claims["state"]) == (bank.server.issuer, bank.client_id, bank.state)
    assert (await bank.exchange(claims["code"])).status_code == 200


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_request_objects_may_be_signed_with(signer: HighSecurityClient, algorithm: str) -> None:
    """FAPI 2.0 Security Profile section 5.4.1."""
    assert (await signer.push_signed(signer.request_object(algorithm))).status_code == 201


async def test_rs256_and_none_are_refused(signer: HighSecurityClient) -> None:
    """FAPI 2.0 Security Profile section 5.4.1."""
    await refused(signer, signer.request_object("RS256"))
    unsigned = f"{segment({'alg': 'none'})}.{signer.request_object().split('.')[1]}."
    await refused(signer, unsigned)


async def test_an_unsigned_request_is_refused(signer: HighSecurityClient) -> None:
    """Section 5.3.1: requires a signed request object where the client says it sends one."""
    response = await signer.push()
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_a_signed_request_must_still_be_pushed(person: Person, signer: HighSecurityClient) -> None:
    """Section 5.3.1: signed requests go to the PAR endpoint."""
    await person.visit(signer.url(request=signer.request_object()))
    assert person.answer()["error"] == "invalid_request"


async def test_only_what_is_signed_counts(person: Person, signer: HighSecurityClient) -> None:
    """Section 5.3.1: parameters outside the request object are not relied on."""
    beside = {"scope": "openid email", "nonce": "outside", "redirect_uri": "https://evil.example/cb"}
    pushed = await signer.push_signed(signer.request_object(scope="openid", nonce="inside"), **beside)
    answer = await signer.answer(person, pushed)
    tokens = (await signer.exchange(answer["code"])).json()
    _, claims = await signer.verified(tokens["id_token"])
    assert (claims["nonce"], tokens["scope"]) == ("inside", "openid")


async def test_pkce_outside_the_request_object_does_not_count(signer: HighSecurityClient) -> None:
    """Section 5.3.1 with FAPI 2.0 Security Profile section 5.3.2.2."""
    token = signer.request_object(code_challenge=None, code_challenge_method=None)
    beside = {"code_challenge": signer.challenge, "code_challenge_method": "S256"}
    response = await signer.push_signed(token, **beside)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_the_audience_is_the_issuer_alone_or_among_others(signer: HighSecurityClient) -> None:
    """Section 5.3.1."""
    issuer = signer.server.issuer
    for audience in (issuer, [issuer], [issuer, "https://other.example"]):
        assert (await signer.push_signed(signer.request_object(aud=audience))).status_code == 201
    for wrong in (None, signer.server.settings.url("/par"), ["https://other.example"]):
        await refused(signer, signer.request_object(aud=wrong))


async def test_nbf_is_at_most_an_hour_past(signer: HighSecurityClient) -> None:
    """Section 5.3.1."""
    now = signer.server.clock.now()
    assert (await signer.push_signed(signer.request_object(nbf=now - HOUR, exp=now))).status_code == 201
    await refused(signer, signer.request_object(nbf=now - HOUR - 1, exp=now))
    await refused(signer, signer.request_object(nbf=None))


async def test_exp_is_at_most_an_hour_after_nbf(signer: HighSecurityClient) -> None:
    """Section 5.3.1."""
    now = signer.server.clock.now()
    assert (await signer.push_signed(signer.request_object(nbf=now, exp=now + HOUR))).status_code == 201
    await refused(signer, signer.request_object(nbf=now, exp=now + HOUR + 1))
    await refused(signer, signer.request_object(nbf=now - 600, exp=now + HOUR - 599))
    await refused(signer, signer.request_object(exp=None))
    await refused(signer, signer.request_object(nbf=now - 900, exp=now - 61))


async def test_the_type_of_a_request_object_is_accepted(signer: HighSecurityClient) -> None:
    """Section 5.3.1: typ oauth-authz-req+jwt; an assertion is never taken for one."""
    await refused(signer, signer.assertion())


async def test_another_key_or_client_is_refused(server: RunningServer, signer: HighSecurityClient) -> None:
    """RFC 9101 section 6.2."""
    other = await register(server, "other", require_signed_request_object=True)
    await refused(signer, other.request_object())
    token = signer.request_object()
    await refused(signer, token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB"))


async def test_who_registers_for_signed_answers_takes_no_others(person: Person, server: RunningServer) -> None:
    """Section 5.4.1."""
    client = await register(server, authorization_signed_response_alg="ES256")
    for mode in (None, "query", "fragment", "form_post"):
        response = await client.push(response_mode=mode)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    answer = await client.answer(person, await client.push(response_mode="jwt"))
    header, _ = await client.verified(answer["response"])
    assert header["alg"] == "ES256"


@pytest.mark.parametrize("overrides", [{"signing_algorithms": ("RS256", "PS256")}], indirect=True)
async def test_answers_are_signed_strongly_where_no_algorithm_is_registered(
    person: Person, signer: HighSecurityClient
) -> None:
    """FAPI 2.0 Security Profile section 5.4.1: never RS256, although it comes first here."""
    answer = await signer.answer(person, await signer.push_signed(signer.request_object(response_mode="jwt")))
    header, _ = await signer.verified(answer["response"])
    assert header["alg"] == "PS256"


async def test_a_signed_answer_lives_ten_minutes_at_most(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.4.1, JARM section 2.1."""
    answer = await bank.answer(person, await bank.push_signed(bank.request_object(response_mode="jwt")))
    _, claims = await bank.verified(answer["response"])
    assert 0 < claims["exp"] - bank.server.clock.now() <= 600


async def test_an_error_is_signed_as_well(person: Person, bank: HighSecurityClient) -> None:
    """Section 5.4.1, JARM section 2.1."""
    pushed = await bank.push_signed(bank.request_object(response_mode="jwt", prompt="none"))
    answer = await bank.answer(person, pushed)
    _, claims = await bank.verified(answer["response"])
    assert (claims["error"], claims["iss"]) == ("login_required", bank.server.issuer)
