"""RFC 7636, as RFC 9700 section 2.1.1 demands it."""

import pytest

from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge": "short"},
        {"code_challenge": "x" * 44},
        {"code_challenge": "x" * 42 + "="},
    ],
)
async def test_the_challenge_is_s256_and_always_there(
    person: Person, rp: RelyingParty, changes: dict[str, str | None]
) -> None:
    await person.visit(rp.url(**changes))
    assert person.answer()["error"] == "invalid_request"


@pytest.mark.parametrize("overrides", [{"pkce": "public"}], indirect=True)
async def test_the_policy_public_lets_confidential_clients_go_without(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    code = await rp.code_for(person, code_challenge=None, code_challenge_method=None)
    with_verifier = await rp.redeem(code)
    assert with_verifier.json()["error"] == "invalid_grant"  # RFC 9700 section 4.8.2
    assert (await rp.redeem(code, code_verifier=None)).status_code == 200
    await server.add_client("spa", token_endpoint_auth_method="none", require_pkce=False)
    spa = RelyingParty(server, "spa")
    await person.visit(spa.url(code_challenge=None, code_challenge_method=None))
    assert person.answer()["error"] == "invalid_request"
    secret = await server.add_client("strict", require_pkce=True)
    strict = RelyingParty(server, "strict", secret)
    await person.visit(strict.url(code_challenge=None, code_challenge_method=None))
    assert person.answer()["error"] == "invalid_request"


async def test_a_client_can_be_excused(server: RunningServer, person: Person) -> None:
    secret = await server.add_client("old", require_pkce=False)
    rp = RelyingParty(server, "old", secret)
    code = await rp.code_for(person, code_challenge=None, code_challenge_method=None)
    assert (await rp.redeem(code, code_verifier=None)).status_code == 200


async def test_a_trailing_newline_is_no_part_of_a_verifier(person: Person, rp: RelyingParty) -> None:
    code = await rp.code_for(person)
    assert (await rp.redeem(code, code_verifier=rp.verifier + "\n")).json()["error"] == "invalid_grant"
    assert (await rp.redeem(code)).status_code == 200
